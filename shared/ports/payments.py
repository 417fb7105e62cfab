"""The payment and identity-check providers, as the services see them."""

from dataclasses import dataclass
from typing import Protocol

from shared.ports.failures import InfrastructureUnavailable


class ProviderUnavailable(InfrastructureUnavailable):
    """The provider did not answer; whether it acted is unknown. Query before repeating."""


class ProviderRefused(Exception):
    """The provider refused; `code` is its own stable code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    intent_id: str
    status: str  # requires_payment_method, requires_confirmation, succeeded, canceled …
    amount_minor: int
    currency: str
    reference: str  # our deposit id, from the intent's metadata


class PaymentGateway(Protocol):
    def create_intent(
        self, *, amount_minor: int, currency: str, reference: str, payment_method: str
    ) -> PaymentIntent:
        """Create and confirm an intent once per `reference` (the idempotency key)."""
        ...

    def fetch_intent(self, intent_id: str) -> PaymentIntent: ...

    def create_payout(self, *, amount_minor: int, currency: str, reference: str) -> str:
        """Pay out once per `reference`; return the provider's id."""
        ...


@dataclass(frozen=True, slots=True)
class KycCheck:
    applicant_id: str
    check_id: str
    status: str  # in_progress, complete
    result: str  # "", clear, consider


class KycProvider(Protocol):
    def start_check(self, *, first_name: str, last_name: str, email: str) -> KycCheck: ...

    def fetch_check(self, check_id: str) -> KycCheck: ...
