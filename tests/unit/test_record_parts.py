"""A journal record in parts is the same record again, or an error, and never another one."""

import pytest

from shared.ports.event_stream import StoredMessage, StreamError
from shared.streams.record_parts import Joiner, parts_of


def messages(data: bytes, part_bytes: int, first_offset: int = 0) -> list[StoredMessage]:
    return [
        StoredMessage("t", 0, first_offset + number, 0, b"\x05", value, tuple(headers))
        for number, (headers, value) in enumerate(parts_of(data, part_bytes))
    ]


@pytest.mark.parametrize("length, count", [(0, 1), (9, 1), (10, 1), (11, 2), (20, 2), (21, 3)])
def test_a_record_has_as_many_parts_as_it_needs(length: int, count: int) -> None:
    data = bytes(range(length))
    cut = messages(data, 10)
    assert len(cut) == count
    assert all(not message.headers for message in cut) == (count == 1)
    joiner = Joiner()
    *early, (record,) = (joiner.add([message]) for message in cut)
    assert early == [[]] * (count - 1)
    assert (record.offset, record.epoch, record.data) == (0, 5, data)


def test_while_parts_are_missing_the_record_has_not_been_read() -> None:
    joiner, cut = Joiner(), messages(b"x" * 25, 10, first_offset=40)
    assert joiner.pending_offset is None
    assert joiner.add(cut[:2]) == []
    assert joiner.pending_offset == 40
    assert [record.data for record in joiner.add(cut[2:])] == [b"x" * 25]
    assert joiner.pending_offset is None


@pytest.mark.parametrize("order", [[1], [2], [0, 2], [0, 0], [0, 3]])
def test_a_part_that_is_missing_is_never_passed_over(order: list[int]) -> None:
    cut = [*messages(b"x" * 25, 10), *messages(b"whole", 10)]
    with pytest.raises(StreamError, match="part"):
        Joiner().add([cut[number] for number in order])
