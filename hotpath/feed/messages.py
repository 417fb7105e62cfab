"""The messages of `/ws/market-data`, JSON in both directions. AsyncAPI is generated from these.

Every message of a channel carries the engine's journal `sequence` and `prev`, the sequence of the
message before it in the same channel and symbol. A snapshot starts the chain: the first update
after it has the snapshot's sequence as `prev`. A client that finds another `prev` than the sequence
it holds has missed something; the gateway promises that this does not happen on one connection.
Prices and quantities are decimal strings; a level's quantity is its new total, "0" when it is gone.
"""

from typing import Final, Literal

import msgspec

Channel = Literal["book", "trades", "ticker"]


class Subscribe(
    msgspec.Struct, frozen=True, tag_field="op", tag="subscribe", forbid_unknown_fields=True
):
    """Ask for channels of symbols. Each pair is answered with its snapshot, then increments."""

    channels: list[Channel]
    symbols: list[str]


class Unsubscribe(
    msgspec.Struct, frozen=True, tag_field="op", tag="unsubscribe", forbid_unknown_fields=True
):
    """Stop channels of symbols."""

    channels: list[Channel]
    symbols: list[str]


class Ping(msgspec.Struct, frozen=True, tag_field="op", tag="ping", forbid_unknown_fields=True):
    """Ask for a pong."""


ClientMessage = Subscribe | Unsubscribe | Ping


class Level(msgspec.Struct, frozen=True, array_like=True):
    price: str
    quantity: str


class LevelUpdate(msgspec.Struct, frozen=True, array_like=True):
    side: str  # BUY or SELL
    price: str
    quantity: str


class Trade(msgspec.Struct, frozen=True, kw_only=True):
    trade_id: str
    price: str
    quantity: str
    aggressor_side: str  # BUY or SELL; NONE at an uncross
    time_ns: int


class Subscribed(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """What the connection is subscribed to after an operation: pairs of channel and symbol."""

    subscriptions: list[tuple[str, str]]


class Pong(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    time_ns: int


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeat"):
    """Sent every few seconds: the connection lives, whether or not the market moves."""

    time_ns: int


class ErrorMessage(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """A message of the client's that was not followed. Repeated, they end the connection."""

    code: str
    detail: str


class BookSnapshot(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="book_snapshot"
):
    """The whole book, best prices first."""

    symbol: str
    sequence: int
    state: str  # the session: CONTINUOUS, HALTED, PRE_OPEN ...; empty while unknown
    bids: list[Level]
    asks: list[Level]


class BookUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="book_update"):
    """Levels that changed since `prev`. A slow reader gets several changes as one."""

    symbol: str
    sequence: int
    prev: int
    time_ns: int
    state: str
    levels: list[LevelUpdate]


class TradesSnapshot(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="trades_snapshot"
):
    """The latest trades, oldest first."""

    symbol: str
    sequence: int
    trades: list[Trade]


class TradesUpdate(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="trades_update"
):
    """New trades, in the order in which they happened."""

    symbol: str
    sequence: int
    prev: int
    trades: list[Trade]


class TickerUpdate(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="ticker"):
    """Last and best prices, and the day's (UTC) figures; the first one has `prev` 0.

    In an auction call, `indicative_` tells what an uncross would do, as it was last published; a
    positive surplus is unfilled buying.
    """

    symbol: str
    sequence: int
    prev: int
    time_ns: int
    state: str
    last_price: str | None
    last_quantity: str | None
    bid: str | None
    bid_quantity: str | None
    ask: str | None
    ask_quantity: str | None
    indicative_price: str | None
    indicative_quantity: str | None
    indicative_surplus: str | None
    day_volume: str
    day_high: str | None
    day_low: str | None


ServerMessage = (
    Subscribed
    | Pong
    | Heartbeat
    | ErrorMessage
    | BookSnapshot
    | BookUpdate
    | TradesSnapshot
    | TradesUpdate
    | TickerUpdate
)

# Why the gateway closes a connection (RFC 6455 leaves 4000-4999 to applications).
CLOSE_TOO_MANY_ERRORS: Final = 4000
CLOSE_SLOW_CONSUMER: Final = 4008
CLOSE_TOO_MANY_MESSAGES: Final = 4029
CLOSE_GOING_AWAY: Final = 1001

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)


class BadMessage(Exception):
    """The client sent something that is no message of this protocol."""


def encode(message: ServerMessage) -> bytes:
    return _encoder.encode(message)


def decode(text: str | bytes) -> ClientMessage:
    """Return a client's message; raise BadMessage."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadMessage("not a message of this protocol") from error
