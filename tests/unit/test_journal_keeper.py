"""The process beside the engine that syncs its journal and makes the next segment."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotpath.runtime.journal.keeper import JournalKeeper
from hotpath.runtime.journal.names import READY_NAME, segment_path
from hotpath.runtime.journal.reader import Tail
from hotpath.runtime.journal.writer import JournalFailed, JournalWriter
from tests.support.engine import wait_for
from tests.unit.test_journal_files import batch, scan

SEGMENT_BYTES = 256 << 10


def new_writer(folder: Path) -> JournalWriter:
    tail = Tail(0, 0, 1, 0, 0)
    return JournalWriter(
        folder, tail, shard=0, epoch=1, durability="os", segment_bytes=SEGMENT_BYTES
    )


@contextmanager
def keeper_of(folder: Path, writer: JournalWriter, sync_ms: int = 5) -> Iterator[JournalKeeper]:
    keeper = JournalKeeper(folder, writer, sync_ms, SEGMENT_BYTES)
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def append(writer: JournalWriter, batches: int) -> None:
    for _ in range(batches):
        first = writer.end.next_sequence
        writer.append(batch(first, synced_bytes=writer.end.synced_offset), 2)


def is_synced(keeper: JournalKeeper, writer: JournalWriter) -> bool:
    keeper.tell()
    return writer.end.synced_offset == writer.end.offset


def has_ended(process_id: int) -> bool:
    try:
        text = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def test_what_is_told_is_synced_and_told_back(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    with keeper_of(tmp_path, writer) as keeper:
        for _ in range(3):
            append(writer, 1)
            assert writer.end.synced_offset < writer.end.offset
            wait_for(lambda: is_synced(keeper, writer), "the record is synced")
    writer.close()


def test_a_segment_full_of_zeros_is_there_when_the_engine_goes_on(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    ready = tmp_path / READY_NAME
    with keeper_of(tmp_path, writer) as keeper:
        for number in range(1, 4):
            while writer.place[0] == number or writer.end.offset < SEGMENT_BYTES * 2 // 3:
                append(writer, 1)
            keeper.tell()
            wait_for(ready.exists, "the next segment is made")
            assert ready.read_bytes() == bytes(SEGMENT_BYTES)
            inode = ready.stat().st_ino
            while writer.place[0] == number + 1:
                append(writer, 1)
            assert segment_path(tmp_path, number + 2).stat().st_ino == inode
        wait_for(lambda: is_synced(keeper, writer), "the newest segment is synced")
    end = writer.end.next_sequence
    writer.close()
    assert scan(tmp_path).next_sequence == end
    assert not list(tmp_path.glob("[0-9]*.spare"))


def test_a_segment_that_is_too_small_is_left_out(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    (tmp_path / READY_NAME).write_bytes(bytes(4096))
    append(writer, 1)
    assert segment_path(tmp_path, 1).stat().st_size == SEGMENT_BYTES
    assert not (tmp_path / READY_NAME).exists()
    writer.close()


def test_the_first_segment_of_a_journal_is_full_of_zeros(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    writer.prepare_first()
    append(writer, 1)
    path = segment_path(tmp_path, 1)
    assert path.stat().st_size == SEGMENT_BYTES
    assert not any(path.read_bytes()[writer.end.offset :])
    writer.prepare_first()
    assert not (tmp_path / "next.segment").exists(), "a journal that is there needs none"
    writer.close()


def test_a_sync_that_fails_ends_the_writing(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    append(writer, 1)
    path = segment_path(tmp_path, 1)
    path.rename(tmp_path / "away")
    with keeper_of(tmp_path, writer) as keeper:

        def fails() -> bool:
            try:
                keeper.tell()
            except JournalFailed:
                return True
            return False

        wait_for(fails, "the failure is told")
        with pytest.raises(JournalFailed, match="sync of the journal"):
            keeper.tell()
        wait_for(lambda: has_ended(keeper.process_id), "it has ended")
        before = keeper.process_id
        keeper.tidy()
        assert keeper.process_id == before, "what failed is not tried again"
    writer.close()


def test_one_that_is_killed_is_replaced(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    with keeper_of(tmp_path, writer) as keeper:
        append(writer, 1)
        wait_for(lambda: is_synced(keeper, writer), "the record is synced")
        before = keeper.process_id
        (tmp_path / f"{before}.spare").write_bytes(b"half")
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: has_ended(before), "it is dead")
        keeper.tidy()
        assert keeper.process_id != before
        append(writer, 1)
        wait_for(lambda: is_synced(keeper, writer), "the next record is synced by another one")
        assert not (tmp_path / f"{before}.spare").exists()
    writer.close()


def test_it_ends_with_its_engine_and_not_by_the_engines_signals(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    with keeper_of(tmp_path, writer) as keeper:
        append(writer, 1)
        wait_for(lambda: is_synced(keeper, writer), "it is at work")
        process_id = keeper.process_id
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(process_id, number)
        append(writer, 1)
        wait_for(lambda: is_synced(keeper, writer), "it goes on")
    assert has_ended(process_id)
    writer.close()


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="there is one core")
def test_it_runs_beside_the_cores_that_the_engine_keeps_to(tmp_path: Path) -> None:
    writer = new_writer(tmp_path)
    append(writer, 1)
    all_cores = os.sched_getaffinity(0)
    own = {min(all_cores)}
    os.sched_setaffinity(0, own)
    try:
        with keeper_of(tmp_path, writer) as keeper:
            wait_for(lambda: is_synced(keeper, writer), "it is at work")
            assert not os.sched_getaffinity(keeper.process_id) & own
    finally:
        os.sched_setaffinity(0, all_cores)
    writer.close()
