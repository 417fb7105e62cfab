"""The payment provider Stripe, through its own SDK, and its webhooks' signatures."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar

from shared.ports.payments import (
    PaymentIntent,
    Payout,
    ProviderRefused,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from stripe import StripeClient

TIMEOUT_S: Final = 5.0
TOLERANCE_S: Final = 300
_PAGE: Final = 100
_MAX_LISTED: Final = 1_000

T = TypeVar("T")


def webhook_is_genuine(
    body: bytes, signature: str | None, webhook_secret: str, *, now_s: float | None = None
) -> bool:
    """Return whether Stripe-Signature fits the body as it was sent, and is of about now.

    The SDK refuses a wrong, missing or old signature; one from the future, which would stay valid
    for long, is refused here.
    """
    import stripe

    try:
        stripe.WebhookSignature.verify_header(body, signature, webhook_secret)
    except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError):
        return False
    signed_at_s = int(dict(item.partition("=")[::2] for item in str(signature).split(","))["t"])
    return abs((time.time() if now_s is None else now_s) - signed_at_s) <= TOLERANCE_S


class StripeGateway:
    """Payment intents and payouts. The SDK is loaded at the first call."""

    def __init__(self, *, api_key: str, api_base: str, timeout_s: float = TIMEOUT_S) -> None:
        self._api_key = api_key
        self._api_base = api_base
        self._timeout_s = timeout_s

    @cached_property
    def _client(self) -> "StripeClient":
        import stripe

        return stripe.StripeClient(
            self._api_key,
            base_addresses={"api": self._api_base},
            max_network_retries=0,  # whether to repeat is decided by who knows what is at stake
            http_client=stripe.RequestsClient(timeout=self._timeout_s),
        )

    def create_intent(
        self, *, amount_minor: int, currency: str, reference: str, payment_method: str
    ) -> PaymentIntent:
        intent = self._call(
            lambda: self._client.v1.payment_intents.create(
                params={
                    "amount": amount_minor,
                    "currency": currency.lower(),  # type: ignore[typeddict-unknown-key]
                    "payment_method": payment_method,
                    "payment_method_types": ["card"],
                    "metadata": {"reference": reference},
                },
                options={"idempotency_key": f"intent-{reference}"},
            )
        )
        return _intent(intent)

    def confirm_intent(self, intent_id: str) -> PaymentIntent:
        try:
            return _intent(self._call(lambda: self._client.v1.payment_intents.confirm(intent_id)))
        except ChargeDeclined:
            return self.fetch_intent(intent_id)

    def fetch_intent(self, intent_id: str) -> PaymentIntent:
        return _intent(self._call(lambda: self._client.v1.payment_intents.retrieve(intent_id)))

    def create_payout(self, *, amount_minor: int, currency: str, reference: str) -> Payout:
        payout = self._call(
            lambda: self._client.v1.payouts.create(
                params={
                    "amount": amount_minor,
                    "currency": currency.lower(),
                    "metadata": {"reference": reference},
                },
                options={"idempotency_key": f"payout-{reference}"},
            )
        )
        return _payout(payout)

    def fetch_payout(self, payout_id: str) -> Payout:
        return _payout(self._call(lambda: self._client.v1.payouts.retrieve(payout_id)))

    def find_payout(self, reference: str, *, not_before_s: int) -> Payout | None:
        """Look through the payouts, newest first, back to `not_before_s` (Unix seconds).

        Raises ProviderUnavailable when there are too many to be sure.
        """
        last_id, seen = "", 0
        while seen < _MAX_LISTED:
            params: dict[str, Any] = {"limit": _PAGE}
            if last_id:
                params["starting_after"] = last_id
            page = self._call(lambda params=params: self._client.v1.payouts.list(params=params))  # type: ignore[misc]
            for payout in page.data:
                if _payout(payout).reference == reference:
                    return _payout(payout)
            if not page.has_more or page.data[-1].created < not_before_s:
                return None
            last_id, seen = page.data[-1].id, seen + len(page.data)
        raise ProviderUnavailable("too many payouts to look through")

    def _call(self, call: Callable[[], T]) -> T:
        import stripe

        try:
            return call()
        except stripe.CardError as error:
            raise ChargeDeclined(error.code or "card_declined") from error
        except (stripe.RateLimitError, stripe.APIConnectionError) as error:
            raise ProviderUnavailable(type(error).__name__) from error
        except stripe.StripeError as error:
            status = error.http_status or 0
            if status == 402:
                raise ChargeDeclined(error.code or "card_declined") from error
            if 400 <= status < 500 and status != 409:  # 409: a request with this key is under way
                raise ProviderRefused(error.code or f"stripe_{status}") from error
            raise ProviderUnavailable(type(error).__name__) from error


class ChargeDeclined(ProviderRefused):
    """The card was declined; the intent says why."""


def _intent(intent: Any) -> PaymentIntent:
    failure = intent.last_payment_error
    return PaymentIntent(
        intent_id=intent.id,
        status=intent.status,
        amount_minor=intent.amount,
        currency=intent.currency.upper(),
        reference=str(getattr(intent.metadata, "reference", "")),
        failure_code="" if failure is None else str(getattr(failure, "code", "") or "declined"),
    )


def _payout(payout: Any) -> Payout:
    return Payout(
        payout_id=payout.id,
        status=payout.status,
        amount_minor=payout.amount,
        currency=payout.currency.upper(),
        reference=str(getattr(payout.metadata, "reference", "")),
        failure_code=str(getattr(payout, "failure_code", "") or ""),
    )
