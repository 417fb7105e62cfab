"""Base types of request and answer models: strict, bounded, nothing unknown."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

MAX_TEXT = 200


class RequestModel(BaseModel):
    """A request body: unknown members and implicit conversions are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_max_length=MAX_TEXT)


class AnswerModel(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# A positive or zero decimal number in plain digits; its places are checked against the currency.
DecimalText = Annotated[
    str,
    StringConstraints(pattern=r"^(0|[1-9][0-9]{0,17})(\.[0-9]{1,8})?$", max_length=28),
]
CurrencyCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
IdText = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,18}$")]
IdempotencyKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_\-]{8,128}$")]
