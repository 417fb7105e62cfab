"""Requests and answers of the orders API."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.edge.models import AnswerModel, DecimalText, RequestModel

ClientOrderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._:\-]{1,64}$")]
Symbol = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9.]{1,12}$")]
StatusText = Literal[
    "NEW",
    "PENDING",
    "PARTIALLY_FILLED",
    "FILLED",
    "SETTLED",
    "CANCELLED",
    "REJECTED",
    "EXPIRED",
    "REPLACED",
]


class PlaceOrderRequest(RequestModel):
    """A new order. Prices and quantities are decimal strings."""

    symbol: Symbol
    side: Literal["BUY", "SELL"]
    type: Literal["LIMIT", "MARKET"]
    time_in_force: Literal["GTC", "IOC"] | None = Field(
        default=None, description="GTC unless given; a market order is always IOC"
    )
    quantity: DecimalText = Field(description="Shares, a multiple of the lot")
    price: DecimalText | None = Field(
        default=None, description="Limit price, a multiple of the tick; none for a market order"
    )
    client_order_id: ClientOrderId | None = Field(
        default=None, description="Your own name for the order, used once per account"
    )


class ReplaceOrderRequest(RequestModel):
    """New terms of an open order; what is not given stays as it is."""

    quantity: DecimalText | None = Field(
        default=None, description="The new open quantity, besides what is filled already"
    )
    price: DecimalText | None = None


class OrderAnswer(AnswerModel):
    """An order as its owner sees it."""

    order_id: str
    client_order_id: str | None
    symbol: str
    side: Literal["BUY", "SELL"]
    type: Literal["LIMIT", "MARKET"]
    time_in_force: Literal["GTC", "IOC"]
    quantity: str = Field(description="Filled and open together")
    price: str | None
    status: StatusText
    filled_quantity: str
    open_quantity: str
    average_price: str | None = Field(description="Of what is filled, rounded to four more places")
    reason: str | None = Field(description="Why it was rejected or cancelled")
    sequence: int | None = Field(description="The engine's newest journal sequence for it")
    trace_id: str
    created_at: datetime
    updated_at: datetime


class OrderPage(AnswerModel):
    orders: list[OrderAnswer]
    next_cursor: str | None


class HistoryStep(AnswerModel):
    """One step of an order; `sequence` and `index` say where the journal holds it."""

    step: str
    status: StatusText
    at: datetime
    sequence: int | None
    index: int | None
    open_quantity: str
    last_quantity: str | None
    last_price: str | None
    trade_id: str | None
    liquidity: str | None
    reason: str | None
    trace_id: str


class OrderHistory(AnswerModel):
    order_id: str
    steps: list[HistoryStep]
