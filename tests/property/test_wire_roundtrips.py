"""What is encoded decodes to itself; what is no frame or record is an error, never a crash."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import records as r
from shared.wire import frames
from shared.wire import journal as j

words = st.integers(-(2**63), 2**63 - 1)
requests = words
traces = st.binary(min_size=24, max_size=24)
kinds = st.integers(0, 255)
event = st.tuples(*[words] * r.EVENT_WORDS)


@st.composite
def command_words(draw: st.DrawFn) -> list[int]:
    kind = draw(kinds)
    rest = draw(st.lists(words, min_size=15, max_size=15))
    header = kind | draw(st.integers(0, 2**55 - 1)) << 8
    return [header, *rest][: r.command_words(kind)]


def as_bytes(values: list[int] | tuple[int, ...]) -> bytes:
    return b"".join(value.to_bytes(8, "little", signed=True) for value in values)


@given(requests, command_words(), traces)
def test_commands(request: int, given_words: list[int], trace: bytes) -> None:
    decoded = frames.decode_command(frames.encode_command(request, given_words, trace))
    assert decoded == frames.CommandRequest(request, trace, tuple(given_words))


@given(requests, words, words, st.lists(event, max_size=20))
def test_results(request: int, sequence: int, time_ns: int, events: list[tuple[int, ...]]) -> None:
    data = frames.encode_result(request, sequence, time_ns, b"".join(map(as_bytes, events)))
    expected = frames.Result(request, sequence, time_ns, 0, tuple(events))
    assert frames.decode_result(data) == expected


@given(requests, st.lists(event, max_size=20), st.lists(words, min_size=7, max_size=7))
def test_repeats(request: int, events: list[tuple[int, ...]], order: list[int]) -> None:
    body = b"".join(map(as_bytes, events))
    data = frames.encode_result(request, 3, 4, body, order=order, numbers=(9, 8))
    flags = frames.FLAG_REPEAT | frames.FLAG_NUMBERED
    expected = frames.Result(request, 3, 4, flags, tuple(events), tuple(order), (9, 8))
    assert frames.decode_result(data) == expected


@given(words, words, st.lists(st.tuples(st.integers(0, 32767), event), max_size=20))
def test_reports(sequence: int, time_ns: int, events: list[tuple[int, tuple[int, ...]]]) -> None:
    rows = [(index, as_bytes(found)) for index, found in events]
    data = frames.encode_report(sequence, time_ns, rows, previous=5, flags=frames.FLAG_RESENT)
    decoded = frames.decode_report(data)
    expected = frames.ExecutionReport(sequence, time_ns, 5, frames.FLAG_RESENT, tuple(events))
    assert decoded == expected


@given(requests, st.integers(1, 5), words, st.integers(0, 2**32 - 1))
def test_queries(request: int, kind: int, argument: int, depth: int) -> None:
    query = frames.Query(request, kind, argument, depth)
    assert frames.decode_query(frames.encode_query(query)) == query


@given(requests, st.integers(1, 5), st.none() | st.lists(words, max_size=30))
def test_query_answers(request: int, kind: int, found: list[int] | None) -> None:
    decoded = frames.decode_query_answer(frames.encode_query_answer(request, kind, found))
    expected = frames.QueryAnswer(request, kind, found is not None, tuple(found or ()))
    assert decoded == expected


@given(
    st.sampled_from([1, 2]), st.text(st.characters(codec="ascii")), st.booleans(), st.none() | words
)
def test_logons(kind: int, token: str, cancels: bool, after: int | None) -> None:
    logon = frames.Logon(kind, token, cancels, after)
    assert frames.decode_logon(frames.encode_logon(logon)) == logon


@given(requests, st.sampled_from(list(frames.GatewayCode)), st.text(max_size=200))
def test_rejects(request: int, code: frames.GatewayCode, text: str) -> None:
    decoded = frames.decode_reject(frames.encode_reject(request, code, text))
    assert decoded == frames.Reject(request, code, text)


DECODERS: list[Callable[[bytes], object]] = [
    frames.decode_logon,
    frames.decode_logon_accepted,
    frames.decode_reject,
    frames.decode_command,
    frames.decode_result,
    frames.decode_report,
    frames.decode_query,
    frames.decode_query_answer,
]


@given(st.binary(max_size=300))
def test_arbitrary_bytes_decode_or_raise_frame_error(data: bytes) -> None:
    for decode in DECODERS:
        try:
            decode(data)
        except frames.FrameError:
            continue


@given(command_words(), st.data())
def test_a_mutated_command_decodes_or_raises_frame_error(
    given_words: list[int], data: st.DataObject
) -> None:
    encoded = bytearray(frames.encode_command(1, given_words))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(encoded)))
    buffer = frames.FrameBuffer(frames.MAX_REQUEST_BYTES)
    try:
        for frame in buffer.feed(bytes(encoded[:cut])):
            frames.decode_command(frame)
    except frames.FrameError:
        return
    assert buffer.feed(b"") == []


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[list[int]], list[list[tuple[int, ...]]], list[int]]:
    count = draw(st.integers(1, 8))
    commands = [draw(command_words()) for _ in range(count)]
    events = [draw(st.lists(event, max_size=3)) for _ in range(count)]
    traced = draw(st.lists(st.integers(0, count - 1), unique=True))
    return commands, events, sorted(traced)


@given(batches(), st.integers(1, 2**42), words)
def test_journal_batches(
    batch: tuple[list[list[int]], list[list[tuple[int, ...]]], list[int]], first: int, time_ns: int
) -> None:
    commands, events, traced = batch
    record = j.decode_record(
        j.encode_batch(
            first,
            time_ns,
            [len(found) for found in events],
            b"".join(map(as_bytes, commands)),
            b"".join(as_bytes(found) for group in events for found in group),
            [(number, bytes([number + 1]) * 24) for number in traced],
        )
    )
    assert record is not None
    assert record.last_sequence == first + len(commands) - 1
    for number, command in enumerate(record.commands()):
        assert (command.sequence, command.time_ns) == (first + number, time_ns)
        assert list(command.words) == commands[number]
        assert list(command.events) == events[number]
        assert command.trace == (bytes([number + 1]) * 24 if number in traced else b"")


@given(st.binary(max_size=400))
def test_arbitrary_bytes_are_no_record(data: bytes) -> None:
    assert j.decode_record(data) is None


@given(batches(), st.data())
def test_no_flipped_bit_of_a_record_goes_unseen(
    batch: tuple[list[list[int]], list[list[tuple[int, ...]]], list[int]], data: st.DataObject
) -> None:
    commands, events, _ = batch
    record = bytearray(
        j.encode_batch(
            1,
            2,
            [len(found) for found in events],
            b"".join(map(as_bytes, commands)),
            b"".join(as_bytes(found) for group in events for found in group),
        )
    )
    record[data.draw(st.integers(0, len(record) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert j.decode_record(bytes(record)) is None


def test_a_segment_header_decodes_to_itself() -> None:
    header = j.SegmentHeader(shard=3, epoch=4, first_sequence=5, created_ns=6)
    assert j.decode_segment_header(header.encode()) == header


@pytest.mark.parametrize("position", range(j.SEGMENT_HEADER_BYTES))
def test_no_flipped_bit_of_a_segment_header_goes_unseen(position: int) -> None:
    header = bytearray(j.SegmentHeader(1, 1, 1, 1).encode())
    header[position] ^= 4
    with pytest.raises(j.JournalError):
        j.decode_segment_header(bytes(header))
