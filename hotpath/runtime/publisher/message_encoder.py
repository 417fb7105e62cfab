"""The stream's messages about the everyday commands, from journal bytes. Compiled with the core.

`stream_messages` says what is told of every command; this says the same, byte for byte, of orders
that are accepted, trade, rest, are cancelled or replaced, and hands it all others.
"""

from collections.abc import Callable
from typing import Any, Final, final

from librt.strings import BytesWriter, read_i64_le
from mypy_extensions import i64

from hotpath.core.lengths import words_at
from hotpath.runtime.publisher.field_writer import write_level, write_number, write_set, write_trade
from shared.domain.ids import trade_id
from shared.domain.records import (
    BUY,
    C_PRICE,
    C_QUANTITY,
    E_ACCOUNT,
    E_CONTRA_ID,
    E_ID,
    E_LEAVES,
    E_LEVEL_LOTS,
    E_OLD_LEVEL_LOTS,
    E_OLD_PRICE,
    E_PRICE,
    E_QUANTITY,
    EVENT_WORDS,
    FLAG_PRIORITY_KEPT,
    FLAG_RESTING,
    GTC,
    IOC,
    LIMIT,
    MARKET,
    MASS_CANCEL,
    ORDER_ACCEPTED,
    ORDER_CANCELLED,
    ORDER_REPLACED,
    ORDER_RESTED,
    PLACE_ORDER,
    SELL,
    TRADE_EXECUTED,
)
from shared.domain.reject_codes import CancelReason

_WORD: Final = 8
_EVENT_BYTES: Final = EVENT_WORDS * _WORD
_LOW: Final = 0xFFFF_FFFF
_WAITING: Final = 4  # FLAG_WAITING: it was not in the book
_KNOWN_FLAGS: Final = FLAG_RESTING | FLAG_PRIORITY_KEPT | _WAITING
_IOC_REMAINDER: Final = int(CancelReason.IOC_REMAINDER)
_NO_LIQUIDITY: Final = int(CancelReason.NO_LIQUIDITY)
_TOO_MANY_TRADES: Final = int(CancelReason.TOO_MANY_TRADES)
_QUOTE: Final = 0x22
_BRACKET: Final = 0x5D
_BRACE: Final = 0x7B
_END_BRACE: Final = 0x7D
_KEPT_NAMES: Final = 100_000  # accounts and instruments whose names are not made anew each time


@final
class MessageEncoder:
    """Encodes one shard's records.

    `make` is called with topic, partition, key, value and headers of each message; `headers_of`
    with a trace; `tell` with (number in the record, bytes of the command, its size, bytes of its
    first event, how many) for a command that is not of the everyday kinds.
    """

    def __init__(
        self,
        shard: int,
        topics: tuple[str, str, str],
        partitions: tuple[int, int, int],
        reasons: dict[int, str],
        make: Callable[[str, int, bytes, bytes, Any], Any],
        headers_of: Callable[[bytes], Any],
    ) -> None:
        self.shard = shard
        self.orders, self.trades, self.market = topics
        order_partitions, trade_partitions, market_partitions = partitions
        self.order_partitions: i64 = order_partitions
        self.trade_partitions: i64 = trade_partitions
        self.market_partitions: i64 = market_partitions
        self.reasons = {code: name.encode() for code, name in reasons.items()}
        self.make = make
        self.headers_of = headers_of
        self.names: dict[int, bytes] = {}
        # of the record and the command under way
        self.found: list[Any] = []
        self.headers: Any = ()
        self.data: bytes = b""
        self.place: bytes = b""
        self.when: bytes = b""
        self.trace: bytes = b""
        self.trace_id: bytes = b""
        self.out: BytesWriter = BytesWriter()  # the message under way
        self.levels: BytesWriter = BytesWriter()
        self.public_trades: BytesWriter = BytesWriter()

    def encode(
        self,
        data: bytes,
        first_sequence: int,
        time_ns: int,
        counts: tuple[int, ...],
        commands_at: i64,
        events_at: i64,
        traces: dict[int, bytes],
        tell: Callable[[int, int, int, int, int], list[Any]],
    ) -> list[Any]:
        """Return the messages about a record, in the order in which they are published."""
        self.found = []
        self.data = data
        self.when = f',"time_ns":{time_ns},"account_id":"'.encode()
        at: i64 = commands_at
        event_at: i64 = events_at
        for number, count in enumerate(counts):
            header: i64 = read_i64_le(data, at)
            size: i64 = words_at(data, at)
            if self._is_everyday(header, event_at, count):
                self._begin(first_sequence + number, traces.get(number))
                self._encode_command(header, at, event_at, count, first_sequence + number, time_ns)
            else:
                self.found.extend(tell(number, at, size, event_at, count))
            at += size * _WORD
            event_at += count * _EVENT_BYTES
        found = self.found
        self.found = []
        self.data = b""
        return found

    def _is_everyday(self, header: i64, event_at: i64, count: i64) -> bool:
        """Say whether all about a command is of the kinds and flags that are known here."""
        kind: i64 = header & 0xFF
        if kind < PLACE_ORDER or kind > MASS_CANCEL or count == 0:
            return False
        data = self.data
        end: i64 = event_at + count * _EVENT_BYTES
        while event_at < end:
            event: i64 = read_i64_le(data, event_at)
            event_kind: i64 = event & 0xFF
            flags: i64 = event >> 32 & 0xFFFF
            if event_kind == ORDER_ACCEPTED:
                if kind != PLACE_ORDER or not self._has_known_terms(header):
                    return False
            elif event_kind == ORDER_CANCELLED:
                if (event >> 16 & 0xFFFF) not in self.reasons:
                    return False
            elif event_kind not in (TRADE_EXECUTED, ORDER_RESTED, ORDER_REPLACED):
                return False
            if flags & ~_KNOWN_FLAGS or (event >> 8 & 0xFF) > SELL:
                return False
            if event >> 48 != header >> 48:
                return False  # work that another command left over
            event_at += _EVENT_BYTES
        return True

    def _has_known_terms(self, header: i64) -> bool:
        kind: i64 = header >> 16 & 0xFF
        time_in_force: i64 = header >> 24 & 0xFF
        return (
            (header >> 8 & 0xFF) <= SELL and kind in (LIMIT, MARKET) and time_in_force in (GTC, IOC)
        )

    def _begin(self, sequence: int, trace: bytes | None) -> None:
        self.place = f'"shard":{self.shard},"sequence":{sequence},"index":'.encode()
        self.levels.truncate(0)
        self.public_trades.truncate(0)
        if trace is None:
            self.trace = self.trace_id = b""
            self.headers = ()
        else:
            self.trace_id = trace[:16].hex().encode()
            self.trace = b',"trace_id":"' + self.trace_id + b'"'
            self.headers = self.headers_of(trace)

    def _encode_command(
        self, header: i64, at: i64, event_at: i64, count: i64, sequence: int, time_ns: int
    ) -> None:
        data = self.data
        market_index: i64 = -1
        instrument: i64 = 0
        index: i64 = 0
        while index < count:
            event: i64 = read_i64_le(data, event_at)
            kind: i64 = event & 0xFF
            before: i64 = len(self.levels)
            if kind == ORDER_ACCEPTED:
                self._accepted(header, at, event, event_at, index)
            elif kind == TRADE_EXECUTED:
                self._traded(event, event_at, index, sequence, time_ns)
            elif kind == ORDER_RESTED:
                self._rested(event, event_at, index)
            elif kind == ORDER_CANCELLED:
                self._cancelled(event, event_at, index)
            else:
                self._replaced(event, event_at, index)
            if market_index < 0 and len(self.levels) > before:
                market_index, instrument = index, event >> 48 & 0x7FFF
            event_at += _EVENT_BYTES
            index += 1
        if market_index >= 0:
            self._market_data(market_index, instrument, time_ns)

    def _word(self, at: i64, word: i64) -> i64:
        return read_i64_le(self.data, at + word * _WORD)

    # --- the kinds of events ---------------------------------------------------------------------

    def _accepted(self, header: i64, at: i64, event: i64, event_at: i64, index: i64) -> None:
        account: i64 = self._word(event_at, E_ACCOUNT) & _LOW
        leaves: i64 = self._word(event_at, E_LEAVES)
        order: i64 = self._word(event_at, E_ID)
        self._open_order(b"ACCEPTED", event, index, account, order, leaves)
        out = self.out
        out.write(b',"side":"BUY"' if header >> 8 & 0xFF == BUY else b',"side":"SELL"')
        is_limit: bool = header >> 16 & 0xFF == LIMIT
        out.write(b',"order_type":"LIMIT"' if is_limit else b',"order_type":"MARKET"')
        stays: bool = header >> 24 & 0xFF == GTC
        out.write(b',"time_in_force":"GTC"' if stays else b',"time_in_force":"IOC"')
        write_set(out, b',"price_ticks":', self._word(at, C_PRICE))
        write_set(out, b',"quantity_lots":', self._word(at, C_QUANTITY))
        self._add(self.orders, account, self.order_partitions)
        if event >> 32 & FLAG_RESTING:
            self._level(event >> 8 & 0xFF, event_at)

    def _traded(self, event: i64, event_at: i64, index: i64, sequence: int, time_ns: int) -> None:
        side: i64 = event >> 8 & 0xFF
        price: i64 = self._word(event_at, E_PRICE)
        quantity: i64 = self._word(event_at, E_QUANTITY)
        accounts: i64 = self._word(event_at, E_ACCOUNT)
        leaves: i64 = self._word(event_at, E_LEAVES)
        order: i64 = self._word(event_at, E_ID)
        resting: i64 = self._word(event_at, E_CONTRA_ID)
        taker: i64 = accounts & _LOW
        maker: i64 = accounts >> 32
        trade = str(trade_id(self.shard, sequence, index)).encode()
        self._open_order(b"FILL", event, index, taker, order, leaves & _LOW)
        self._close_fill(taker, price, quantity, trade, b'","liquidity":"TAKER"')
        self._open_order(b"FILL", event, index, maker, resting, leaves >> 32)
        self._close_fill(maker, price, quantity, trade, b'","liquidity":"MAKER"')
        self._execution(event, event_at, index, time_ns, trade)
        write_trade(self.public_trades, trade, price, quantity, side == BUY)
        self._level(SELL if side == BUY else BUY, event_at)  # it took from the other side

    def _execution(self, event: i64, event_at: i64, index: i64, time_ns: int, trade: bytes) -> None:
        is_buy: bool = event >> 8 & 0xFF == BUY
        accounts: i64 = self._word(event_at, E_ACCOUNT)
        order: i64 = self._word(event_at, E_ID)
        resting: i64 = self._word(event_at, E_CONTRA_ID)
        taker: i64 = accounts & _LOW
        maker: i64 = accounts >> 32
        instrument: i64 = event >> 48 & 0x7FFF
        out = self.out
        out.write(b'{"v":1,')
        out.write(self.place)
        write_number(out, index)
        out.write(b',"time_ns":')
        write_number(out, time_ns)
        out.write(b',"trade_id":"')
        out.write(trade)
        out.write(b'","instrument_id":')
        write_number(out, instrument)
        out.write(b',"price_ticks":')
        write_number(out, self._word(event_at, E_PRICE))
        out.write(b',"quantity_lots":')
        write_number(out, self._word(event_at, E_QUANTITY))
        out.write(b',"aggressor_side":"BUY"' if is_buy else b',"aggressor_side":"SELL"')
        out.write(b',"buy_order_id":"')
        write_number(out, order if is_buy else resting)
        out.write(b'","buy_account_id":"')
        write_number(out, taker if is_buy else maker)
        out.write(b'","sell_order_id":"')
        write_number(out, resting if is_buy else order)
        out.write(b'","sell_account_id":"')
        write_number(out, maker if is_buy else taker)
        out.write(b'","trace_id":"')
        out.write(self.trace_id)
        out.append(_QUOTE)
        self._add(self.trades, instrument, self.trade_partitions)

    def _rested(self, event: i64, event_at: i64, index: i64) -> None:
        account: i64 = self._word(event_at, E_ACCOUNT) & _LOW
        order: i64 = self._word(event_at, E_ID)
        leaves: i64 = self._word(event_at, E_LEAVES)
        self._open_order(b"RESTED", event, index, account, order, leaves)
        write_set(self.out, b',"price_ticks":', self._word(event_at, E_PRICE))
        self._add(self.orders, account, self.order_partitions)
        self._level(event >> 8 & 0xFF, event_at)

    def _cancelled(self, event: i64, event_at: i64, index: i64) -> None:
        account: i64 = self._word(event_at, E_ACCOUNT) & _LOW
        order: i64 = self._word(event_at, E_ID)
        code: i64 = event >> 16 & 0xFFFF
        self._open_order(b"CANCELLED", event, index, account, order, 0)
        self.out.write(b',"reason":"')
        self.out.write(self.reasons[code])
        self.out.append(_QUOTE)
        self._add(self.orders, account, self.order_partitions)
        outside: bool = code in (_IOC_REMAINDER, _NO_LIQUIDITY, _TOO_MANY_TRADES)
        if not outside and event >> 32 & _WAITING == 0:
            self._level(event >> 8 & 0xFF, event_at)

    def _replaced(self, event: i64, event_at: i64, index: i64) -> None:
        side: i64 = event >> 8 & 0xFF
        account: i64 = self._word(event_at, E_ACCOUNT) & _LOW
        order: i64 = self._word(event_at, E_ID)
        price: i64 = self._word(event_at, E_PRICE)
        quantity: i64 = self._word(event_at, E_QUANTITY)
        self._open_order(b"REPLACED", event, index, account, order, quantity)
        out = self.out
        out.write(b',"side":"BUY"' if side == BUY else b',"side":"SELL"')
        write_set(out, b',"price_ticks":', price)
        write_set(out, b',"quantity_lots":', quantity)
        self._add(self.orders, account, self.order_partitions)
        old_price: i64 = self._word(event_at, E_OLD_PRICE)
        is_resting = event >> 32 & FLAG_RESTING != 0
        if not is_resting or old_price != price:
            old_lots: i64 = self._word(event_at, E_OLD_LEVEL_LOTS)
            write_level(self.levels, side == BUY, old_price, old_lots)
        if is_resting:
            self._level(side, event_at)

    # --- messages --------------------------------------------------------------------------------

    def _open_order(
        self, type_: bytes, event: i64, index: i64, account: i64, order: i64, leaves: i64
    ) -> None:
        """Write what all messages about orders begin with."""
        instrument: i64 = event >> 48 & 0x7FFF
        out = self.out
        out.write(b'{"type":"')
        out.write(type_)
        out.write(b'",')
        out.write(self.place)
        write_number(out, index)
        out.write(self.when)
        write_number(out, account)
        out.write(b'","order_id":"')
        write_number(out, order)
        out.write(b'","instrument_id":')
        write_number(out, instrument)
        out.write(b',"leaves_lots":')
        write_number(out, leaves)
        out.write(self.trace)

    def _close_fill(
        self, account: i64, price: i64, quantity: i64, trade: bytes, liquidity: bytes
    ) -> None:
        out = self.out
        write_set(out, b',"last_price_ticks":', price)
        write_set(out, b',"last_quantity_lots":', quantity)
        out.write(b',"trade_id":"')
        out.write(trade)
        out.write(liquidity)
        self._add(self.orders, account, self.order_partitions)

    def _level(self, side: i64, event_at: i64) -> None:
        """Note the new total of the level that the event touched."""
        lots: i64 = self._word(event_at, E_LEVEL_LOTS)
        write_level(self.levels, side == BUY, self._word(event_at, E_PRICE), lots)

    def _market_data(self, index: i64, instrument: i64, time_ns: int) -> None:
        out = self.out
        out.append(_BRACE)
        out.write(self.place)
        write_number(out, index)
        out.write(b',"time_ns":')
        write_number(out, time_ns)
        out.write(b',"instrument_id":')
        write_number(out, instrument)
        out.write(b',"levels":[')
        out.write(self.levels.getvalue())
        out.append(_BRACKET)
        if len(self.public_trades):
            out.write(b',"trades":[')
            out.write(self.public_trades.getvalue())
            out.append(_BRACKET)
        out.write(self.trace)
        self._add(self.market, instrument, self.market_partitions)

    def _add(self, topic: str, key: i64, partitions: i64) -> None:
        """End the message under way and make it."""
        out = self.out
        out.append(_END_BRACE)
        value = out.getvalue()
        out.truncate(0)
        self.found.append(self.make(topic, key % partitions, self._name(key), value, self.headers))

    def _name(self, key: i64) -> bytes:
        name = self.names.get(key)
        if name is None:
            if len(self.names) >= _KEPT_NAMES:
                self.names.clear()
            name = self.names[key] = str(key).encode()
        return name
