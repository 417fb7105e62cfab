"""The journal's files: what survives a torn write, what refuses to open, and who may write."""

import errno
import os
from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import JournalScan, JournalTail, Tail, segment_paths
from hotpath.runtime.journal.writer import (
    JournalFailed,
    JournalLock,
    JournalLocked,
    JournalWriter,
)
from shared.domain.commands import CancelOrder
from shared.wire.journal import (
    FORMAT_VERSION,
    EpochMark,
    JournalDamaged,
    JournalError,
    SegmentHeader,
    decode_record,
    decode_segment_header,
    encode_batch,
    encode_epoch,
)

EVENT = bytes(range(64))


def batch(first: int, count: int = 2, synced_bytes: int = 0) -> bytes:
    words = [word for n in range(count) for word in CancelOrder(1, first + n, 1).words()]
    commands = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
    events = EVENT * count
    return encode_batch(
        first, 1000 + first, [1] * count, commands, events, synced_bytes=synced_bytes
    )


def write(
    folder: Path,
    batches: int,
    segment_bytes: int = 1 << 16,
    epoch: int = 1,
    durability: str = "fsync",
) -> None:
    """Write an epoch record and so many batches of two commands behind what is there."""
    tail = scan(folder)
    writer = JournalWriter(
        folder, tail, shard=0, epoch=epoch, durability=durability, segment_bytes=segment_bytes
    )
    writer.append(encode_epoch(tail.next_sequence, 1, EpochMark(epoch, 1, 0)), 0)
    writer.sync()
    for number in range(batches):
        first = tail.next_sequence + 2 * number
        writer.append(batch(first, synced_bytes=writer.end.synced_offset), 2)
        writer.make_durable()
    writer.close()


def scan(folder: Path) -> Tail:
    found = JournalScan(folder)
    for _ in found:
        pass
    assert found.tail is not None
    return found.tail


def last_record_span(path: Path) -> tuple[int, int]:
    """Return where the last record of a segment begins and ends."""
    places = [(offset, len(record.data)) for _, offset, record in JournalScan(path.parent)]
    offset, length = places[-1]
    return offset, offset + length


def test_what_is_written_is_read_again_in_order(tmp_path: Path) -> None:
    write(tmp_path, 3)
    records = [record for _, _, record in JournalScan(tmp_path)]
    assert [record.first_sequence for record in records] == [1, 1, 3, 5]
    assert [command.words[2] for record in records for command in record.commands()] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]
    assert scan(tmp_path).next_sequence == 7


def test_an_empty_folder_is_an_empty_journal(tmp_path: Path) -> None:
    assert scan(tmp_path) == Tail(0, 0, 1, 0, 0)


def test_segments_follow_each_other_when_one_is_full(tmp_path: Path) -> None:
    write(tmp_path, 40, segment_bytes=4096)
    assert len(segment_paths(tmp_path)) > 2
    assert scan(tmp_path).next_sequence == 81


def test_a_record_larger_than_a_segment_gets_a_segment_of_its_size(tmp_path: Path) -> None:
    writer = JournalWriter(
        tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os", segment_bytes=4096
    )
    writer.append(batch(1, 200), 200)
    writer.append(batch(201), 2)
    writer.close()
    assert scan(tmp_path).next_sequence == 203


def test_a_record_holds_the_uncross_of_a_large_book() -> None:
    events = bytes(64) * 600_000
    data = encode_batch(1, 1, [600_000], bytes(64), events)
    record = decode_record(data)
    assert record is not None
    assert len(record.event_bytes()) == len(events)


def test_a_tail_cut_at_any_byte_is_dropped_and_written_over(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (path,) = segment_paths(tmp_path)
    whole = path.read_bytes()
    start, end = last_record_span(path)
    for cut in range(start, end - 6):  # its last six bytes are zeros
        path.write_bytes(whole[:cut] + bytes(len(whole) - cut))
        tail = scan(tmp_path)
        assert tail.next_sequence == 3, f"cut at byte {cut - start} of the record"
        assert tail.offset == start
    write(tmp_path, 1, epoch=2)
    assert scan(tmp_path).next_sequence == 5


def test_a_tail_that_ends_with_the_file_is_dropped(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (path,) = segment_paths(tmp_path)
    start, end = last_record_span(path)
    os.truncate(path, (start + end) // 2)
    assert scan(tmp_path).next_sequence == 3


def test_any_flipped_byte_in_the_last_record_drops_it(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (path,) = segment_paths(tmp_path)
    whole = path.read_bytes()
    start, end = last_record_span(path)
    for position in range(start, end):
        changed = bytearray(whole)
        changed[position] ^= 0x10
        path.write_bytes(bytes(changed))
        assert scan(tmp_path).next_sequence == 3


def test_any_flipped_byte_before_the_last_record_refuses_to_open(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (path,) = segment_paths(tmp_path)
    whole = path.read_bytes()
    start, _ = last_record_span(path)
    for position in range(start):
        changed = bytearray(whole)
        changed[position] ^= 0x10
        path.write_bytes(bytes(changed))
        with pytest.raises(JournalError):
            scan(tmp_path)


def test_a_hole_before_records_that_were_not_synced_is_a_torn_tail(tmp_path: Path) -> None:
    """In mode `os` a power cut may take a sector and leave a later one."""
    write(tmp_path, 3, durability="os")
    (path,) = segment_paths(tmp_path)
    places = [(offset, len(record.data)) for _, offset, record in JournalScan(tmp_path)]
    hole, length = places[2]
    whole = path.read_bytes()
    path.write_bytes(whole[:hole] + bytes(length) + whole[hole + length :])
    tail = scan(tmp_path)
    assert (tail.next_sequence, tail.offset) == (3, hole)
    assert tail.torn_bytes > length
    write(tmp_path, 1, epoch=2)
    assert scan(tmp_path).next_sequence == 5
    path.write_bytes(whole[: places[0][0]] + bytes(8) + whole[places[0][0] + 8 :])
    with pytest.raises(JournalDamaged, match=f"at byte {places[0][0]}"):
        scan(tmp_path)  # the epoch was synced before the batches


def test_a_journal_of_format_1_is_read_and_goes_on_in_a_segment_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, 2)
    (path,) = segment_paths(tmp_path)
    old = SegmentHeader(0, 1, 1, 1, format_version=1).encode()
    path.write_bytes(old + path.read_bytes()[len(old) :])
    write(tmp_path, 1, epoch=2)
    first, second = segment_paths(tmp_path)
    assert decode_segment_header(first.read_bytes()).format_version == 1
    assert decode_segment_header(second.read_bytes()).format_version == FORMAT_VERSION
    assert scan(tmp_path).next_sequence == 7


def test_damage_in_an_earlier_segment_refuses_to_open(tmp_path: Path) -> None:
    write(tmp_path, 40, segment_bytes=4096)
    first = segment_paths(tmp_path)[0]
    changed = bytearray(first.read_bytes())
    changed[last_offset(first)] ^= 1
    first.write_bytes(bytes(changed))
    with pytest.raises(JournalDamaged, match="later segments exist"):
        scan(tmp_path)


def last_offset(path: Path) -> int:
    """Return a byte inside the last record of one segment."""
    offsets = [offset for found, offset, _ in JournalScan(path.parent) if found == path]
    return offsets[-1] + 20


def test_a_missing_segment_refuses_to_open(tmp_path: Path) -> None:
    write(tmp_path, 40, segment_bytes=4096)
    segment_paths(tmp_path)[1].unlink()
    with pytest.raises(JournalDamaged, match="missing"):
        scan(tmp_path)


def test_another_shards_journal_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(JournalError, match="shard"):
        list(JournalScan(tmp_path, shard=1))


def test_a_journal_of_other_rules_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (path,) = segment_paths(tmp_path)
    other = SegmentHeader(0, 1, 1, 1, rules_version=999).encode()
    path.write_bytes(other + path.read_bytes()[len(other) :])
    with pytest.raises(JournalError, match="rules 999"):
        scan(tmp_path)


def test_an_epoch_that_goes_back_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1, epoch=5)
    write(tmp_path, 1, epoch=4)
    with pytest.raises(JournalDamaged, match="back to epoch 4"):
        scan(tmp_path)


def test_one_process_holds_a_journal(tmp_path: Path) -> None:
    lock = JournalLock(tmp_path)
    with pytest.raises(JournalLocked, match=str(os.getpid())):
        JournalLock(tmp_path)
    lock.release()
    JournalLock(tmp_path).release()


def append_and_sync(writer: JournalWriter) -> None:
    writer.append(batch(3), 2)
    writer.make_durable()


@pytest.mark.parametrize("failing", ["pwrite", "fdatasync"])
def test_a_write_or_sync_that_fails_is_never_taken_for_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    writer = JournalWriter(tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="fsync")
    writer.append(batch(1), 2)
    writer.make_durable()

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, "injected")

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, fail)
        with pytest.raises(JournalFailed, match="injected"):
            append_and_sync(writer)
    writer.close()


def test_no_room_for_a_new_segment_fails_the_append(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", fail)
    writer = JournalWriter(tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os")
    with pytest.raises(JournalFailed, match="No space left"):
        writer.append(batch(1), 2)


def test_a_follower_sees_only_what_is_durable_and_crosses_segments(tmp_path: Path) -> None:
    tail = JournalTail(tmp_path)
    assert tail.read(100) == []
    writer = JournalWriter(
        tmp_path, Tail(0, 0, 1, 0, 0), shard=0, epoch=1, durability="os", segment_bytes=4096
    )
    seen: list[int] = []
    for number in range(30):
        first = 1 + 2 * number
        writer.append(batch(first), 2)
        assert tail.read(first) == [], "the batch's second command is not durable yet"
        seen += [record.first_sequence for record in tail.read(first + 1)]
        assert seen[-1] == first
    assert seen == list(range(1, 60, 2))
    tail.close()
    writer.close()
