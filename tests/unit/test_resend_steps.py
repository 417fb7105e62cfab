"""What a member missed is made again in small steps, whatever a batch of the journal holds."""

from pathlib import Path

from hotpath.runtime.gateway.resend import BYTES_A_STEP, COMMANDS_A_STEP, Resend
from hotpath.runtime.journal.reader import Tail
from hotpath.runtime.journal.writer import JournalWriter
from shared.domain import records as r
from shared.hotpath_client.member_stream import MemberStream, Reported
from shared.wire import frames
from shared.wire.journal import encode_batch
from tests.support.engine import limit_order

COUNT = 1_000


def test_a_batch_of_one_member_comes_again_in_steps_and_whole(tmp_path: Path) -> None:
    words: list[int] = []
    events: list[int] = []
    for number in range(1, COUNT + 1):
        command = list(limit_order(1 + number % 2, number, r.BUY, 100, 1).words())
        command[r.C_REQUEST] = number
        words += command
        event = [0] * r.EVENT_WORDS
        event[0], event[r.E_ACCOUNT] = r.ORDER_ACCEPTED, 1 + number % 2
        events += event
    writer = JournalWriter(tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os")
    record = encode_batch(1, 5, [1] * COUNT, as_bytes(words), as_bytes(events))
    writer.append(record, COUNT)
    resend = Resend(tmp_path, 1, 10)
    found: list[bytes] = []
    while not resend.has_arrived(COUNT):
        step = resend.step(COUNT)
        assert len(step) <= COMMANDS_A_STEP
        found += step
    resend.close()
    writer.close()
    results = [frames.decode_result(frame) for frame in found]
    assert [result.request for result in results] == list(range(12, COUNT + 1, 2))
    numbers = [10, *range(12, COUNT + 1, 2)]
    assert [result.numbers for result in results] == list(zip(numbers[1:], numbers, strict=False))
    assert resend.last_request == COUNT


def test_a_report_longer_than_a_frame_comes_in_pages_and_a_step_at_a_time(tmp_path: Path) -> None:
    """An auction's trades of one member, 9 MB of them: whoever is cut off among pages resumes."""
    count = 130_000
    words = [0] * r.COMMAND_WORDS
    event = [0] * r.EVENT_WORDS
    event[0], event[r.E_ACCOUNT] = r.TRADE_EXECUTED, 2 | 3 << 32
    writer = JournalWriter(tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os")
    writer.append(encode_batch(1, 5, [count], as_bytes(words), as_bytes(event) * count), 1)
    steps = []
    resend = Resend(tmp_path, 2, 0)
    while not resend.has_arrived(1):
        steps.append(resend.step(1))
    resend.close()
    writer.close()
    pages = [frame for step in steps for frame in step]
    assert sum(map(len, pages)) > frames.MAX_ANSWER_BYTES
    assert max(sum(map(len, step)) for step in steps) < 2 * BYTES_A_STEP
    assert len({numbers(page) for page in pages}) == 1 == resend.last_number

    member = MemberStream()
    member.last_number = 0
    for cut in (7, len(pages)):  # the connection is lost, and comes back
        member.logon("token")
        told = [outcome for page in pages[:cut] for outcome in member.take(page)]
        assert member.last_number == (cut == len(pages))
    (report,) = told
    assert isinstance(report, Reported)
    assert len(report.events) == count


def numbers(page: bytes) -> tuple[int, int]:
    report = frames.decode_report(page)
    return report.sequence, report.previous


def as_bytes(words: list[int]) -> bytes:
    return b"".join(word.to_bytes(8, "little", signed=True) for word in words)
