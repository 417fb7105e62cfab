"""A turn of the rings ends, whatever their clients do."""

from time import perf_counter_ns

import google_crc32c

from hotpath.core.api import Engine
from hotpath.runtime.journal.segment_end import SegmentEnd
from hotpath.runtime.rate_limit import UNLIMITED
from hotpath.runtime.rings.batch import RingBatch
from hotpath.runtime.rings.loop import RingLoop, StatusWords
from tests.unit.test_ring_record import cancel, make_ring, send

REQUESTS = 1 << 18


class NeverPauses:
    """A client that sends its next request before the last one's answer is there."""

    def __init__(self) -> None:
        self.end, self.requests, self.answers = make_ring()
        self.left = REQUESTS
        self.sequence = self.time_ns = 0

    def store(self, record: bytes, first_sequence: int, commands: int) -> None:
        self.advance(first_sequence + commands - 1)
        self.answers.release(self.answers.waiting())
        if self.left:
            self.left -= 1
            send(self.requests, [cancel(1)])

    def advance(self, sequence: int) -> None:
        self.sequence = sequence

    def passes(self, point: str) -> None:
        raise AssertionError(f"no fault is set, but {point} was passed")

    def before_answers(self) -> None:
        raise AssertionError("no order was sent again")

    def tell_members(self) -> None:
        raise AssertionError("no member is logged on")

    def end_broken(self) -> None:
        raise AssertionError("the ring is sound")


def test_a_client_that_never_pauses_is_left_for_the_others() -> None:
    client = NeverPauses()
    batch = RingBatch(Engine(), bytes(256))
    batch.rings = [client.end]
    status = StatusWords(memoryview(bytearray(16)).cast("q"), 0, 1)
    end = SegmentEnd(1, False)
    checksum = google_crc32c.value
    loop = RingLoop(batch, client, client, checksum, {}, False, [1], end, False, status)
    send(client.requests, [cancel(1)])
    loop.serve(perf_counter_ns(), UNLIMITED)
    served = REQUESTS - client.left
    assert 0 < served < REQUESTS
    loop.serve(perf_counter_ns(), UNLIMITED)
    assert REQUESTS - client.left > served, "the next turn goes on"
