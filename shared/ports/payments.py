"""The payment and identity-check providers, as the services see them."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from shared.ports.failures import InfrastructureUnavailable


class ProviderUnavailable(InfrastructureUnavailable):
    """The provider did not answer; whether it acted is unknown. Query before repeating."""


class ProviderRefused(Exception):
    """The provider refused; `code` is its own stable code."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or code)
        self.code = code


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """A payment in the provider's words; `currency` is our ISO 4217 code."""

    intent_id: str
    status: str  # requires_payment_method, requires_confirmation, processing, succeeded, canceled
    amount_minor: int
    currency: str
    reference: str  # our deposit id, from the intent's metadata
    failure_code: str = ""


@dataclass(frozen=True, slots=True)
class Payout:
    payout_id: str
    status: str  # pending, in_transit, paid, failed, canceled
    amount_minor: int
    currency: str
    reference: str  # our withdrawal id
    failure_code: str = ""


class PaymentGateway(Protocol):
    """Creating an intent moves no money; confirming it does, and its id says what became of it."""

    def create_intent(
        self, *, amount_minor: int, currency: str, reference: str, payment_method: str
    ) -> PaymentIntent:
        """Create an unconfirmed intent once per `reference` (the provider's idempotency key).

        Raises ProviderRefused or ProviderUnavailable, as all calls here do.
        """
        ...

    def confirm_intent(self, intent_id: str) -> PaymentIntent:
        """Charge; a declined charge is an intent with a `failure_code`, not an exception."""
        ...

    def fetch_intent(self, intent_id: str) -> PaymentIntent: ...

    def create_payout(self, *, amount_minor: int, currency: str, reference: str) -> Payout:
        """Pay out once per `reference` (the provider's idempotency key)."""
        ...

    def fetch_payout(self, payout_id: str) -> Payout: ...

    def find_payout(self, reference: str, *, not_before_s: int) -> Payout | None:
        """Return the payout made for a reference, looking at those created since (Unix seconds)."""
        ...


@dataclass(frozen=True, slots=True)
class KycCheck:
    applicant_id: str
    check_id: str
    status: str  # in_progress, awaiting_applicant, complete, withdrawn …
    result: str  # "", clear, consider


class KycProvider(Protocol):
    def create_applicant(
        self, *, given_name: str, family_name: str, email: str, date_of_birth: date
    ) -> str:
        """Return the applicant's id; a second applicant for the same person is harmless."""
        ...

    def start_check(self, applicant_id: str) -> KycCheck:
        """Return the applicant's check, started now unless there is one already."""
        ...

    def fetch_check(self, check_id: str, applicant_id: str) -> KycCheck: ...
