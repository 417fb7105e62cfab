"""The identity-check provider Onfido, through its own SDK, and its webhooks' signatures."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from shared.ports.payments import KycCheck, ProviderRefused, ProviderUnavailable

if TYPE_CHECKING:
    from onfido import DefaultApi

REPORTS: Final = ("identity_enhanced", "watchlist_standard")
_TIMEOUT_S: Final = 5.0
_SIGNATURE_LENGTH: Final = 64

T = TypeVar("T")


def webhook_is_genuine(body: bytes, signature: str | None, webhook_token: str) -> bool:
    """Return whether X-SHA2-Signature is the HMAC-SHA256 of the body as it was sent.

    https://documentation.onfido.com/guide/webhooks: computed over the raw bytes, so a body that was
    parsed and written again does not pass.
    """
    if not webhook_token or signature is None or len(signature) != _SIGNATURE_LENGTH:
        return False
    expected = hmac.new(webhook_token.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace"))


class OnfidoKyc:
    """Applicants and checks. The SDK is loaded at the first call: most requests never need it."""

    def __init__(self, *, api_token: str, api_base: str) -> None:
        self._api_token = api_token
        self._api_base = api_base

    @cached_property
    def _api(self) -> "DefaultApi":
        import onfido
        import urllib3

        configuration = onfido.Configuration(
            host=self._api_base,
            api_token=self._api_token,
            timeout=urllib3.Timeout(connect=2.0, read=_TIMEOUT_S),
            retries=0,
        )
        return onfido.DefaultApi(onfido.ApiClient(configuration))

    def create_applicant(
        self, *, given_name: str, family_name: str, email: str, date_of_birth: date
    ) -> str:
        import onfido

        applicant = onfido.ApplicantBuilder(
            first_name=given_name, last_name=family_name, email=email, dob=date_of_birth
        )
        return str(self._call(lambda: self._api.create_applicant(applicant)).id)

    def start_check(self, applicant_id: str) -> KycCheck:
        """Return the applicant's check; Onfido has no idempotency key, so it is asked first."""
        import onfido

        found = self._call(lambda: self._api.list_checks(UUID(applicant_id))).checks
        if found:
            return _check(found[0], applicant_id)
        wanted = onfido.CheckBuilder(
            applicant_id=applicant_id, report_names=[onfido.ReportName(name) for name in REPORTS]
        )
        return _check(self._call(lambda: self._api.create_check(wanted)), applicant_id)

    def fetch_check(self, check_id: str, applicant_id: str) -> KycCheck:
        return _check(self._call(lambda: self._api.find_check(UUID(check_id))), applicant_id)

    def _call(self, call: Callable[[], T]) -> T:
        import onfido
        import urllib3

        try:
            return call()
        except onfido.ApiException as error:
            status = error.status or 0
            if 400 <= status < 500 and status not in (408, 429):
                raise ProviderRefused(f"onfido_{status}") from error
            raise ProviderUnavailable(f"onfido {status}") from error
        except urllib3.exceptions.HTTPError as error:
            raise ProviderUnavailable(type(error).__name__) from error


def _check(check: Any, applicant_id: str) -> KycCheck:
    return KycCheck(applicant_id, str(check.id), str(check.status or ""), str(check.result or ""))
