"""Requests and answers of the orders API."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from shared.edge.models import AnswerModel, DecimalText, IdText, RequestModel

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
# The members are named as FIX names them (tags 40, 59, 54, 1094, 2964, 1385).
Side = Literal["BUY", "SELL", "SELL_SHORT"]
OrderType = Literal[
    "LIMIT", "MARKET", "MARKET_TO_LIMIT", "STOP", "STOP_LIMIT", "TRAILING_STOP", "PEGGED"
]
TimeInForce = Literal["GTC", "IOC", "FOK", "DAY", "GTD", "AT_OPEN", "AT_CLOSE"]
PegPriceType = Literal["PRIMARY", "MARKET", "MIDPOINT"]
SelfTradePrevention = Literal["CANCEL_NEWEST", "CANCEL_OLDEST", "CANCEL_BOTH", "DECREMENT"]
ContingencyType = Literal["OCO", "OTO"]
TimeText = Annotated[
    str,
    StringConstraints(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$", max_length=32
    ),
]


class PlaceOrderRequest(RequestModel):
    """A new order. Prices and quantities are decimal strings.

    `docs/RULES.md` says what each type does; what goes together with what is in its tables.
    """

    symbol: Symbol
    side: Side
    type: OrderType
    time_in_force: TimeInForce | None = Field(
        default=None, description="GTC unless given; for a market order IOC"
    )
    quantity: DecimalText = Field(description="Shares, a multiple of the lot")
    price: DecimalText | None = Field(
        default=None,
        description="Limit price, a multiple of the tick: LIMIT, STOP_LIMIT, PEGGED (the worst)",
    )
    stop_price: DecimalText | None = Field(
        default=None,
        description="STOP, STOP_LIMIT; where a TRAILING_STOP begins, if not at its offset",
    )
    trailing_offset: DecimalText | None = Field(
        default=None, description="TRAILING_STOP: how far it stays behind the market"
    )
    peg_price_type: PegPriceType | None = Field(
        default=None, description="PEGGED: the own side's best, the other's, or the middle"
    )
    peg_offset: DecimalText | None = Field(
        default=None, description="PEGGED: how far it stays; at least a tick for MARKET"
    )
    display_quantity: DecimalText | None = Field(
        default=None, description="Iceberg: what is shown at a time"
    )
    hidden: bool = Field(default=False, description="Nothing of it is shown")
    post_only: bool = Field(default=False, description="Refused where it would take")
    minimum_quantity: DecimalText | None = Field(
        default=None, description="IOC: what the first execution has to reach"
    )
    expire_at: TimeText | None = Field(default=None, description="GTD: when it expires")
    self_trade_prevention: SelfTradePrevention | None = Field(
        default=None, description="What gives way when it meets an order of your own"
    )
    contingency_type: ContingencyType | None = Field(
        default=None,
        description="OCO: a trade of either cancels the other. OTO: waits for the other's fill",
    )
    linked_order_id: IdText | None = Field(
        default=None, description="The other order: open, yours, of the same instrument"
    )
    locate_quantity: DecimalText | None = Field(
        default=None, description="SELL_SHORT: shares located to borrow"
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
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: str = Field(description="Filled and open together")
    price: str | None
    stop_price: str | None = None
    trailing_offset: str | None = None
    peg_price_type: PegPriceType | None = None
    peg_offset: str | None = None
    display_quantity: str | None = None
    hidden: bool = False
    post_only: bool = False
    minimum_quantity: str | None = None
    expire_at: datetime | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    contingency_type: ContingencyType | None = None
    linked_order_id: str | None = None
    locate_quantity: str | None = None
    status: StatusText
    filled_quantity: str
    open_quantity: str
    average_price: str | None = Field(description="Of what is filled, rounded to four more places")
    reason: str | None = Field(description="Why it was rejected or cancelled, or expired")
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
    price: str | None = Field(
        default=None, description="Where it is now: RESTED, REPLACED, TRIGGERED, REPRICED"
    )
    last_quantity: str | None = Field(
        description="FILL; REDUCED: taken off; REPLENISHED: shown now"
    )
    last_price: str | None
    trade_id: str | None
    liquidity: str | None
    reason: str | None
    trace_id: str


class OrderHistory(AnswerModel):
    order_id: str
    steps: list[HistoryStep]
