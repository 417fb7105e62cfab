"""Stand-ins of the payment provider (Stripe) and the identity-check provider (Onfido)."""
