"""The loop of the sockets and of recovery: what it stamps, journals and looks ahead for."""

import random

import google_crc32c
import pytest

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command
from shared.domain.ids import member_order_id
from shared.wire.journal import decode_record, encode_batch
from tests.support.engine import limit_order, market

PREFIX = b"a frame's prefix"
FIRST, TIME_NS = 41, 1_000


def _orders(count: int) -> list[Command]:
    """Return orders that rest, trade and are refused, and cancels of some."""
    draw = random.Random(3)
    found: list[Command] = []
    for number in range(1, count + 1):
        account = draw.randrange(1, 3)
        price = draw.randrange(98, 103)
        found.append(limit_order(account, number, draw.choice((r.BUY, r.SELL)), price, 5))
        if draw.random() < 0.3:
            order_id = member_order_id(account, draw.randrange(1, number + 1))
            found.append(CancelOrder(1, order_id, account))
    return found


def _bytes(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(8, "little", signed=True) for word in words)


@pytest.mark.parametrize("from_orders", [0, 1 << 15])
def test_a_batch_is_stamped_and_journaled_as_the_core_takes_it_one_by_one(from_orders: int) -> None:
    commands = [*market(), *_orders(900)]
    assert len(commands) > 1024, "more than there is room for at first"
    applier, other = BatchApplier(Engine()), Engine()
    applier.engine.look_ahead.from_orders = from_orders
    frames = [PREFIX + _bytes(list(command.words())) for command in commands]
    assert applier.apply(frames, len(PREFIX), FIRST, TIME_NS) == len(commands)

    counts, stamped = [], b""
    for number, command in enumerate(commands):
        words = list(command.words())
        words[r.C_SEQUENCE], words[r.C_TIME_NS] = FIRST + number, TIME_NS
        before = other.event_count
        other.apply_words(words)
        counts.append(other.event_count - before)
        stamped += _bytes(words)
    assert applier.event_counts == counts
    assert applier.commands == stamped
    assert applier.events == other.events_bytes()
    assert applier.engine.state_hash() == other.state_hash()
    traces = [(number, bytes([number]) * 24) for number in (0, 5)]
    record = b"".join(applier.made.record(4096, traces, google_crc32c.value))
    assert record == encode_batch(
        FIRST, TIME_NS, counts, stamped, other.events_bytes(), traces, 4096
    )

    found = decode_record(record)
    assert found is not None
    again = BatchApplier(Engine())
    again.engine.look_ahead.from_orders = from_orders
    again.replay(found.data, found.count, found.commands_at)
    assert (again.made.first_sequence, again.made.time_ns) == (FIRST, TIME_NS)
    assert (again.event_counts, again.events) == (counts, applier.events)
    assert again.engine.state_hash() == other.state_hash()


def test_a_batch_follows_the_longer_one_before_it() -> None:
    applier = BatchApplier(Engine())
    commands = [_bytes(list(command.words())) for command in market()]
    applier.apply(commands, 0, 1, 1)
    applier.apply(commands[:1], 0, len(commands) + 1, 2)
    assert len(applier.commands) == len(commands[0])
    assert len(applier.event_counts) == 1
    applier.replay(b"", 0)
    assert (applier.commands, applier.event_counts, applier.events) == (b"", [], b"")
