"""The compiled encoder says of every record, byte for byte, what `stream_messages` says."""

import random
from collections.abc import Sequence

import pytest

from hotpath.runtime.publisher.record_messages import RecordMessages
from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.domain.ids import member_order_id
from shared.domain.reject_codes import CancelReason, RejectCode
from shared.ports.event_stream import Message
from shared.wire.journal import Record, decode_record, encode_batch

SHARD = 3
SIDES = (r.BUY, r.SELL)
ORDER_KINDS = (r.PLACE_ORDER, r.CANCEL_ORDER, r.REPLACE_ORDER, r.MASS_CANCEL)
EVENT_KINDS = tuple(range(1, 7)) * 12 + (*range(16, 33), *range(35, 46), 63)


class Words:
    """Commands and events with any values that a journal may hold, known to the core or not."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def number(self) -> int:
        """Return a quantity, a price or something as large as a word holds."""
        return self.random.choice(
            [0, 1, self.random.randrange(1 << 20), self.random.randrange(1 << 40), (1 << 62) - 1]
        )

    def header_flags(self) -> int:
        return self.random.choice(
            [0, 0, 0, r.FLAG_RESTING, r.FLAG_RESTING, 2, 3, r.FLAG_WAITING, 1 << 15]
        )

    def command(self) -> list[int]:
        draw = self.random.random()
        kind = self.random.choice(ORDER_KINDS)
        if draw < 0.1:
            kind = self.random.choice([r.DEPOSIT_CASH, r.ADD_INSTRUMENT, r.SET_LIMITS, 130])
        header = r.pack_command_header(
            kind,
            self.random.choice(SIDES),
            self.random.choice([r.LIMIT, r.LIMIT, r.MARKET, 5]),
            self.random.choice([r.GTC, r.GTC, r.IOC, 4]),
            instrument=self.instrument(),
        )
        account = self.account()
        rest = [self.number() for _ in range(r.command_words(kind) - 3)]
        return [header, account, member_order_id(account, 7), *rest]

    def event(self) -> list[int]:
        kind = self.random.choice(EVENT_KINDS)
        codes = list(RejectCode) if kind == r.REJECTED else [*CancelReason, 999]
        header = r.pack_event_header(
            kind,
            self.random.choice(SIDES),
            self.random.choice(codes),
            self.header_flags(),
            self.instrument(),
        )
        taker, maker = self.account(), self.account()
        account = maker << 32 | taker if kind == r.TRADE_EXECUTED else taker
        return [header, member_order_id(taker, 8), account, *(self.number() for _ in range(5))]

    def instrument(self) -> int:
        return self.random.choice([2, 2, 2, 2, 2, 2, 2, self.random.randrange(1 << 15)])

    def account(self) -> int:
        return self.random.choice([1, 5, 9, self.random.randrange(1, 1 << 30)])


def record_of(words: Words, commands: int) -> Record:
    rows = [words.command() for _ in range(commands)]
    events = [[words.event() for _ in range(words.random.randrange(5))] for _ in rows]
    traces = [
        (number, words.random.randbytes(24))
        for number in range(commands)
        if words.random.random() < 0.3
    ]
    data = encode_batch(
        words.random.randrange(1, 1 << 40),
        words.random.randrange(1 << 62),
        [len(found) for found in events],
        b"".join(_bytes(row) for row in rows),
        b"".join(_bytes(event) for found in events for event in found),
        traces,
    )
    record = decode_record(data)
    assert record is not None
    return record


def _bytes(words: Sequence[int]) -> bytes:
    return b"".join(word.to_bytes(8, "little", signed=True) for word in words)


def told_slowly(record: Record) -> list[Message]:
    return [found for command in record.commands() for _, found in messages(SHARD, command)]


@pytest.mark.parametrize("seed", range(20))
def test_the_encoder_and_the_readable_form_agree_on_every_byte(seed: int) -> None:
    words, encoder = Words(seed), RecordMessages(SHARD)
    for _ in range(10):
        record = record_of(words, words.random.randrange(1, 60))
        assert encoder.of(record) == told_slowly(record)


def test_a_record_without_commands_tells_nothing() -> None:
    record = decode_record(encode_batch(1, 1, [], b"", b""))
    assert record is not None
    assert RecordMessages(SHARD).of(record) == []
