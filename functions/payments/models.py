"""Requests and answers of the payments service, and of its settlement task."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from shared.domain.money import CURRENCIES, to_minor
from shared.edge.models import AnswerModel, CurrencyCode, DecimalText, RequestModel

MAX_AMOUNT_MINOR = 10**13  # per request; the ledger and the engine bear far more

PaymentMethodId = Annotated[str, StringConstraints(pattern=r"^pm_[A-Za-z0-9_]{1,64}$")]


class MoneyRequest(RequestModel):
    """An amount in major units of a currency."""

    amount: DecimalText
    currency: CurrencyCode

    @model_validator(mode="after")
    def _amount_fits_currency(self) -> Self:
        if self.currency not in CURRENCIES:
            raise PydanticCustomError("unknown_currency", "unknown currency")
        places = CURRENCIES[self.currency][1]
        if len(self.amount.partition(".")[2]) > places:
            raise PydanticCustomError("too_many_decimals", "too many decimal places")
        if self.amount_minor <= 0:
            raise PydanticCustomError("amount_not_positive", "the amount must be positive")
        if self.amount_minor > MAX_AMOUNT_MINOR:
            raise PydanticCustomError("amount_too_large", "the amount is too large")
        return self

    @property
    def amount_minor(self) -> int:
        return to_minor(self.amount, self.currency)


class DepositRequest(MoneyRequest):
    payment_method: PaymentMethodId


class WithdrawalRequest(MoneyRequest):
    pass


class CreditRequest(RequestModel):
    """An order's wish for buying power at one engine; less than enough is of no use to it."""

    account_id: int = Field(ge=1)
    shard: int = Field(ge=0)
    need_minor: int = Field(ge=1)
    enough_minor: int = Field(ge=1)


class DepositAnswer(AnswerModel):
    deposit_id: str
    status: Literal["CREATED", "PROCESSING", "SUCCEEDED", "FAILED", "QUARANTINED"]
    amount: str
    currency: str
    reason: str = Field(description="Why it failed; empty otherwise.")


class WithdrawalAnswer(AnswerModel):
    withdrawal_id: str
    status: Literal["REQUESTED", "HELD", "PAYING", "SUBMITTED", "PAID", "REFUSED", "FAILED"]
    amount: str
    currency: str
    reason: str = Field(description="Why it was refused or failed; empty otherwise.")


class WebhookAnswer(AnswerModel):
    outcome: str


class SettlementPayment(RequestModel):
    """What the settlement state machine asks to be confirmed; cash is signed, to the member."""

    batch_id: str
    instruction_id: str
    account_id: int
    currency: CurrencyCode
    cash_minor: int
    transfer_id: int | None = None
