"""Requests and answers of the users service."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator

from shared.domain.money import CURRENCIES
from shared.edge.models import AnswerModel, RequestModel

Email = Annotated[
    str,
    StringConstraints(
        max_length=254, pattern=r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{3,185}$"
    ),
]
# Letters, marks and what names contain; no control characters, digits or markup.
PersonName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=80, pattern=r"^[^\W\d_][^\d_<>\"\x00-\x1f\x7f]*$"),
]
CountryCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


def _iso_date(value: object) -> object:
    """Accept YYYY-MM-DD only: strict mode takes no strings, lax mode takes numbers too."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        return date.fromisoformat(value)
    raise ValueError("must be a date, YYYY-MM-DD")


IsoDate = Annotated[date, BeforeValidator(_iso_date)]


class RegisterRequest(RequestModel):
    """A new user. The password goes to the identity pool and is stored nowhere else."""

    email: Email
    password: SecretStr = Field(min_length=12, max_length=128)
    given_name: PersonName
    family_name: PersonName
    date_of_birth: IsoDate
    country: CountryCode
    currency: str = "USD"

    @field_validator("password")
    @classmethod
    def _password_is_strong(cls, password: SecretStr) -> SecretStr:
        """Apply the pool's own policy first, so that it cannot tell known users from unknown."""
        text = password.get_secret_value()
        if not all(re.search(kind, text) for kind in ("[a-z]", "[A-Z]", "[0-9]")):
            raise ValueError("use lower-case and upper-case letters and digits")
        if not text.isprintable() or text != text.strip():
            raise ValueError("use printable characters")
        return password

    @field_validator("currency")
    @classmethod
    def _currency_is_known(cls, currency: str) -> str:
        if currency not in CURRENCIES:
            raise ValueError("unknown currency")
        return currency

    @field_validator("date_of_birth")
    @classmethod
    def _plausible(cls, born: date) -> date:
        if born.year < 1900:
            raise ValueError("implausible date of birth")
        return born


class RegisterAnswer(AnswerModel):
    """The same for a new and for a known address."""

    status: Literal["RECEIVED"] = "RECEIVED"


class ProfileAnswer(AnswerModel):
    user_id: str
    email: str
    given_name: str
    family_name: str
    date_of_birth: str
    country: str
    currency: str
    kyc_status: Literal["PENDING", "IN_PROGRESS", "APPROVED", "REFUSED"]
    account_id: str | None


class PatchProfileRequest(RequestModel):
    """What a user may change without a new identity check."""

    country: CountryCode


class PositionAnswer(AnswerModel):
    symbol: str
    isin: str
    total: str
    settled: str
    reserved_for_sale: str


class BalancesAnswer(AnswerModel):
    """Cash in major units; `available` is the buying power."""

    account_id: str
    state: Literal["ACTIVE", "REDUCING", "HALTED"]
    currency: str
    settled: str
    total: str
    reserved: str
    held: str
    available: str
    positions: list[PositionAnswer]


class EngineAddress(AnswerModel):
    """Where the orders in some instruments go: their shard's engine."""

    shard: int
    address: str
    symbols: list[str]


class OrderEntryTokenAnswer(AnswerModel):
    """A token for the order-entry protocol and where to use it; `address` is the first engine's."""

    token: str
    expires_in_s: int
    address: str
    engines: list[EngineAddress]


class WebhookAnswer(AnswerModel):
    outcome: str
