"""The compiled way through a ring writes the journal's own records and counts as the core does."""

import random

import google_crc32c

from hotpath.core.api import Engine
from hotpath.runtime import batch_words, faults
from hotpath.runtime.rate_limit import UNLIMITED
from hotpath.runtime.rings import batch as ring_batch
from hotpath.runtime.rings import loop as ring_loop
from hotpath.runtime.rings.batch import ALLOWED, RingBatch, RingEnd
from hotpath.runtime.rings.commands import look_ahead
from shared.domain import records as r
from shared.domain.commands import CancelOrder, Command
from shared.domain.ids import member_order_id
from shared.wire import frames, journal, ring
from shared.wire.journal import encode_batch
from tests.support.engine import limit_order, market

TRACE = bytes(range(24))
ORDERS = bytes(kind == r.PLACE_ORDER for kind in range(256))


def make_ring(
    words: int = 1 << 17,
) -> tuple[RingEnd, ring.QueueWriter, ring.QueueReader]:
    mapping = memoryview(bytearray(ring.ring_bytes(words, words))).cast("q")
    reader, writer = ring.engine_queues(mapping, words, words)
    requests, answers = ring.client_queues(mapping, words, words)
    return RingEnd(reader, writer, bytes([ALLOWED]) * 256, 0), requests, answers


def send(requests: ring.QueueWriter, commands: list[Command], trace: bytes = b"") -> None:
    flags = ring.FLAG_TRACE if trace else 0
    for number, command in enumerate(commands):
        words = [*memoryview(trace).cast("q"), *command.words()]
        record = [len(words) + 2 | flags << 16, number, *words]
        data = b"".join(word.to_bytes(8, "little", signed=True) for word in record)
        requests.write(memoryview(data).cast("q"), 0, len(record))


def test_a_record_is_what_encode_batch_gives() -> None:
    end, requests, _ = make_ring()
    commands = [*market(), limit_order(1, 1, r.BUY, 100, 7), limit_order(2, 1, r.SELL, 100, 5)]
    for trace, from_orders in ((b"", 0), (TRACE, 0), (b"", 1 << 15)):
        batch = RingBatch(Engine(), ORDERS)
        batch.engine.look_ahead.from_orders = from_orders
        batch.rings = [end]
        send(requests, commands, trace)
        batch.take(41, 1_000, UNLIMITED)
        record = b"".join(batch.made.record(4096, batch.traces, google_crc32c.value))

        other = Engine()
        counts, stamped = [], b""
        for number, command in enumerate(commands):
            words = list(command.words())
            words[r.C_SEQUENCE], words[r.C_TIME_NS] = 41 + number, 1_000
            data = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
            before = other.event_count
            other.apply_bytes(data, 0)
            counts.append(other.event_count - before)
            stamped += data
        traces = [(number, trace) for number in range(len(commands))] if trace else []
        events = other.events_bytes()
        assert record == encode_batch(41, 1_000, counts, stamped, events, traces, 4096)
        assert batch.made.command_bytes(0) == stamped[: 8 * r.command_words(stamped[0])]
        found = journal.decode_record(record)
        assert found is not None
        assert found.traces() == dict(traces)


def test_only_so_many_are_admitted_and_cancels_always() -> None:
    end, requests, _ = make_ring()
    batch = RingBatch(Engine(), ORDERS)
    batch.rings = [end]
    send(requests, market())
    batch.take(1, 1, UNLIMITED)
    orders: list[Command] = [limit_order(1, n, r.BUY, 100, 7) for n in range(1, 11)]
    cancels: list[Command] = [cancel(n) for n in range(1, 11)]
    send(requests, [*orders, *cancels])
    batch.take(100, 1, 4)
    assert (batch.admitted, batch.made.count, batch.entry_count) == (4, 14, 20)


def cancel(number: int) -> Command:
    return CancelOrder(1, member_order_id(1, number), 1)


def test_constants_that_compiled_code_repeats_are_those_of_their_owners() -> None:
    assert frames.GatewayCode(ring_batch.NOT_AUTHORISED).name == "NOT_AUTHORISED"
    assert frames.GatewayCode(ring_batch.ENGINE_BUSY).name == "ENGINE_BUSY"
    assert 8 * batch_words.HEADER_WORDS == journal.RECORD_HEADER_BYTES
    assert batch_words.BATCH_KIND == journal.BATCH
    for name in ("RECEIVED", "APPLIED", "ACKNOWLEDGED"):
        assert getattr(ring_loop, name) == getattr(faults, name)


def test_latencies_fall_between_their_bounds() -> None:
    latencies = ring_loop.Latencies([10, 20])
    for latency_ns, commands in ((10, 1), (11, 2), (21, 4)):
        latencies.add(latency_ns, commands)
    assert latencies.drain() == [1, 2, 4, 10 + 22 + 84]
    assert latencies.drain() == [0, 0, 0, 0]


def test_whatever_lies_in_a_ring_can_be_looked_at() -> None:
    engine, draw = Engine(), random.Random(5)
    for number, command in enumerate([*market(), limit_order(1, 1, r.BUY, 100, 7)], 1):
        words = list(command.words())
        words[r.C_SEQUENCE] = number
        engine.apply_words(words)
    before = engine.state_hash()
    known = engine.event_tuples()[-1][r.E_ID]
    for _ in range(2_000):
        inbox = b""
        for _ in range(draw.randrange(1, 12)):
            kind = draw.choice(
                (r.PLACE_ORDER, r.CANCEL_ORDER, r.REPLACE_ORDER, draw.randrange(256))
            )
            header = kind | draw.choice((0, 1 << 8, 1 << 48, draw.getrandbits(64) & ~0xFF))
            id_, price = draw.choice((known, draw.getrandbits(64))), draw.choice((101, 1 << 63))
            length = draw.choice((10, 10, 10, 0, 3, 18, 0xFFFF))
            record = [length | draw.choice((0, ring.FLAG_TRACE)) << 16, 1, header, 1, id_, price]
            inbox += b"".join(word.to_bytes(8, "little") for word in record + [0] * 4)
        at = look_ahead(engine.look_ahead, inbox, 0, len(inbox) // 8)
        assert at > 0 or inbox[:2] == bytes(2)
    assert engine.state_hash() == before
