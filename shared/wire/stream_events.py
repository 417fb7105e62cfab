"""The messages of the five topics. AsyncAPI is generated from these types; JSON on the wire.

`v` is the schema version. `shard`, `sequence` and `index` say where the journal holds the event, so
the same event published twice is the same bytes. Ids are decimal strings; prices are ticks and
quantities lots, as integers.
"""

from typing import Final

import msgspec

ORDER_EVENTS: Final = "order-events"
TRADE_EXECUTIONS: Final = "trade-executions"
MARKET_DATA: Final = "market-data"
RISK_EVENTS: Final = "risk-events"
SETTLEMENT_EVENTS: Final = "settlement-events"

# How many partitions each topic has for each shard that writes to it, for good: a key's partition
# must never change. Each shard has a run of so many to itself, since a publisher that comes back
# finds its place by what stands last in a partition.
PARTITIONS: Final[dict[str, int]] = {
    ORDER_EVENTS: 4,  # by account
    TRADE_EXECUTIONS: 4,  # by instrument
    MARKET_DATA: 4,  # by instrument
    RISK_EVENTS: 2,  # by account, or by instrument for those of no account
    SETTLEMENT_EVENTS: 2,  # by account
}


def partition_of(topic: str, key: int, shard: int = 0) -> int:
    """Return the partition of a numeric key: the key modulo the shard's partitions, of those."""
    return first_partition(topic, shard) + key % PARTITIONS[topic]


def first_partition(topic: str, shard: int) -> int:
    """Return the first partition of those that a shard writes."""
    return shard * PARTITIONS[topic]


def partition_counts(shards: int = 1) -> dict[str, int]:
    """Return how many partitions each topic has with so many shards; settlement is one for all."""
    return {
        topic: count if topic == SETTLEMENT_EVENTS else count * shards
        for topic, count in PARTITIONS.items()
    }


class Instructions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few orders have besides side, type, time in force, price and quantity."""

    is_hidden: bool = False
    is_post_only: bool = False
    is_short: bool = False
    display_lots: int = 0  # of an iceberg
    minimum_lots: int = 0
    stop_price_ticks: int = 0
    offset_ticks: int = 0  # how far a pegged order stays, or a trailing stop trails
    expiry_ns: int = 0  # GTD, nanoseconds since the epoch
    linked_order_id: str = ""
    locate_lots: int = 0
    peg: str = ""  # PRIMARY, MARKET or MIDPOINT
    self_trade: str = ""  # CANCEL_NEWEST, CANCEL_OLDEST, CANCEL_BOTH or DECREMENT
    link: str = ""  # OCO: a trade of either cancels the other; OTO: waits for the other's fill


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One step in one order's life, as its owner sees it. Topic `order-events`, key account_id.

    `type` is ACCEPTED, REJECTED, FILL, RESTED, CANCELLED, REPLACED, EXPIRED, TRIGGERED (a stop; its
    limit or bound is `price_ticks`), REPRICED (a pegged order; 0 while it waits), REPLENISHED (an
    iceberg, which now displays `last_quantity_lots`) or REDUCED (a self-trade took
    `last_quantity_lots` off). The order's terms (`side` to `quantity_lots`, `instructions`) are
    given with ACCEPTED and REJECTED, the new ones with REPLACED.
    """

    v: int = 1
    type: str
    shard: int
    sequence: int
    index: int
    time_ns: int
    account_id: str
    order_id: str
    instrument_id: int
    leaves_lots: int
    trace_id: str = ""
    side: str = ""  # BUY or SELL
    order_type: str = ""  # LIMIT, MARKET, MARKET_TO_LIMIT, STOP, STOP_LIMIT, TRAILING_STOP, PEGGED
    time_in_force: str = ""  # GTC, IOC, FOK, DAY, GTD, AT_OPEN or AT_CLOSE
    price_ticks: int = 0
    quantity_lots: int = 0
    instructions: Instructions | None = None
    last_price_ticks: int = 0  # FILL
    last_quantity_lots: int = 0
    trade_id: str = ""
    liquidity: str = ""  # FILL: MAKER, TAKER or AUCTION
    reason: str = ""  # REJECTED, CANCELLED, EXPIRED: the engine's name of it


class TradeExecution(msgspec.Struct, frozen=True, kw_only=True):
    """One trade, both sides. Topic `trade-executions`, key instrument_id."""

    v: int = 1
    shard: int
    sequence: int
    index: int
    time_ns: int
    trade_id: str
    instrument_id: int
    price_ticks: int
    quantity_lots: int
    aggressor_side: str  # BUY or SELL; NONE at an uncross
    buy_order_id: str
    buy_account_id: str
    sell_order_id: str
    sell_account_id: str
    trace_id: str = ""  # of the aggressor's command


class LevelChange(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A price level's new displayed total; 0 lots means that the level is gone."""

    side: str  # BUY or SELL
    price_ticks: int
    quantity_lots: int


class MarketTrade(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    trade_id: str
    price_ticks: int
    quantity_lots: int
    aggressor_side: str


class Auction(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an uncross would do now, or, when it is final, what it did. Price 0: nothing."""

    price_ticks: int
    quantity_lots: int
    surplus_lots: int  # signed: positive is unfilled buying
    is_final: bool = False


class MarketDataUpdate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that one command changed in one public book. Topic `market-data`, key instrument_id.

    Levels carry absolute totals of what is displayed, in the order in which they changed; a total
    may be the same as before, when what changed is not displayed. `state` is set when the
    instrument's session changed, `auction` when its outcome was published.
    """

    v: int = 1
    shard: int
    sequence: int
    index: int
    time_ns: int
    instrument_id: int
    levels: list[LevelChange] = []
    trades: list[MarketTrade] = []
    state: str = ""  # a session: CONTINUOUS, HALTED, CLOSED, PRE_OPEN ...
    auction: Auction | None = None
    trace_id: str = ""


class RiskEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A refused, limited or administered thing that risk and operators watch. Topic `risk-events`.

    `type` is ORDER_REJECTED, ACCOUNT_STATE, INSTRUMENT_STATE (with the PriceLimit that caused it as
    `reason`), LIMITS, CASH, POSITION, PRICE_LIMIT, FEE (of order `command_id`), TRADE_BUSTED,
    TRADE_CORRECTED (with the corrected price and quantity), or, with their figures in `terms`:
    ACCOUNT_TERMS, INSTRUMENT_TERMS, FEE_TIER, TICK_TABLE, THROTTLE, KILL_SWITCH and DAY_ENDED.
    """

    v: int = 1
    type: str
    shard: int
    sequence: int
    index: int
    time_ns: int
    account_id: str = ""
    instrument_id: int = 0
    command_id: str = ""
    reason: str = ""
    state: str = ""
    delta: int = 0
    total: int = 0
    settled: int = 0
    reserved: int = 0
    held: int = 0
    limits: list[int] = []  # LIMITS: order lots, order value, position lots, open orders
    trade_id: str = ""
    price_ticks: int = 0
    quantity_lots: int = 0
    buy_account_id: str = ""
    sell_account_id: str = ""
    terms: dict[str, int] = {}
    trace_id: str = ""


class SettlementEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A netting instruction's outcome. Topic `settlement-events`, key account_id.

    Published by the settlement service; `sequence` orders its own events. `type` is SETTLED, or
    ROLLED when the instruction was given up and its trades are due again in a later batch. An order
    is settled once it is done and all its trades are; the orders service knows both.
    """

    v: int = 1
    type: str
    sequence: int
    time_ns: int
    batch_id: str
    instruction_id: str
    account_id: str
    instrument_id: int
    currency: str
    cash_minor: int  # signed: what the member received
    quantity_lots: int  # signed
    trade_ids: list[str]
    order_ids: list[str]  # this member's orders in those trades
    reason: str = ""
    trace_id: str = ""
