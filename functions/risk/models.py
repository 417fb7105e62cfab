"""Requests and answers of risk."""

from typing import Annotated, Literal

from pydantic import Field

from shared.edge.models import AnswerModel, RequestModel

LimitValue = Annotated[int, Field(ge=0, le=(1 << 62) - 1)]


class PositionAnswer(AnswerModel):
    """One instrument's position. Profit is that of trading; deposited shares have no known cost."""

    symbol: str
    currency: str
    quantity: str = Field(description="Held, unsettled trades included")
    traded_quantity: str = Field(description="Bought less sold")
    deposited_quantity: str
    average_cost: str | None = Field(description="Of the traded quantity, per share")
    last_price: str | None
    market_value: str | None
    realised_pnl: str
    unrealised_pnl: str | None


class PositionList(AnswerModel):
    account_id: str
    source: Literal["cache", "database"]
    positions: list[PositionAnswer]


class LimitsAnswer(AnswerModel):
    """An account's limits in the engine's units; null is no limit. Funds are always checked."""

    account_id: str
    max_order_lots: int | None
    max_order_value_minor: int | None
    max_position_lots: int | None
    max_open_orders: int | None
    in_force: bool = Field(description="Whether the engine is known to have taken them")


class SetLimitsAction(RequestModel):
    """An operator's decision, by invocation of the admin function."""

    action: Literal["set_limits"]
    account_id: Annotated[int, Field(ge=1, lt=1 << 30)]
    max_order_lots: LimitValue | None
    max_order_value_minor: LimitValue | None
    max_position_lots: LimitValue | None
    max_open_orders: LimitValue | None
    decided_by: Annotated[str, Field(min_length=1, max_length=100)]


class ResendAction(RequestModel):
    action: Literal["resend"]
