"""Carries a journal of rules 1 over to the rules that this program has, at a quiet moment.

A journal is never replayed under other rules than its own: it would give other events. What goes
over is the state at its end, which the release that wrote it has put into a snapshot. The journal
goes on behind it in a new segment, so that sequences, ids and the stream go on as well.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from hotpath.core.api import Engine
from hotpath.runtime.journal.reader import Tail, decode_header, segment_number, segment_paths
from hotpath.runtime.journal.snapshot_names import newest_first
from hotpath.runtime.journal.snapshots import Place, read_state, write_snapshot
from hotpath.runtime.journal.writer import JournalLock, JournalWriter
from infra.journal import rules_1
from shared.wire.journal import (
    SEGMENT_HEADER_BYTES,
    JournalError,
    Record,
    decode_record,
    encode_mark,
)

_TAKE_ONE: Final = "take one with the release that wrote the journal: trading journal snapshot"


def upgrade(folder: Path) -> Path:
    """Write a snapshot of these rules behind a journal of rules 1; return its path.

    The engine must be stopped. It may be called again after it was cut off.

    Raises
    ------
    JournalError
        The journal is in use, needs no upgrade, or has no snapshot of rules 1 at its end.
    """
    lock = JournalLock(folder)
    try:
        return _upgrade(folder)
    finally:
        lock.release()


def _upgrade(folder: Path) -> Path:
    found = next((found for path in newest_first(folder) if (found := read_state(path))), None)
    if found is None:
        raise JournalError(f"{folder} has no snapshot; {_TAKE_ONE}")
    place, _, state = found
    if not rules_1.is_of_rules_1(state):
        raise JournalError(f"{folder} is not of rules 1: its newest snapshot is of other rules")
    tail = _tail(folder, place)
    engine = Engine()
    engine.restore(rules_1.carried_over(state))
    writer = JournalWriter(folder, tail, shard=place.shard, epoch=tail.epoch, durability="fsync")
    state_hash = engine.state_hash()
    record = encode_mark(tail.next_sequence, place.time_ns, os.getpid(), state_hash)
    writer.append(record, 0)
    writer.close()
    return write_snapshot(folder, engine, _place_of_mark(folder, place, tail.epoch))


def _tail(folder: Path, place: Place) -> Tail:
    """Return where the journal ends; raise unless nothing was commanded behind the snapshot."""
    tail = Tail(place.segment, place.end_offset, place.sequence + 1, place.epoch, 0)
    for number, offset, record in _records_behind(folder, place):
        if record.count:
            raise JournalError(f"the newest snapshot is not at the journal's end; {_TAKE_ONE}")
        epoch = max(tail.epoch, record.epoch().epoch)
        tail = replace(tail, number=number, offset=offset + len(record.data), epoch=epoch)
    return tail


def _records_behind(folder: Path, place: Place) -> Iterator[tuple[int, int, Record]]:
    for path in segment_paths(folder):
        number = segment_number(path)
        if number < place.segment:
            continue
        data = path.read_bytes()
        decode_header(path, data)
        at = place.end_offset if number == place.segment else SEGMENT_HEADER_BYTES
        while (record := decode_record(data, at)) is not None:
            yield number, at, record
            at += len(record.data)


def _place_of_mark(folder: Path, place: Place, epoch: int) -> Place:
    """Return the place of the last record, the mark that has just been written."""
    number, offset, record = list(_records_behind(folder, place))[-1]
    return replace(
        place,
        segment=number,
        record_offset=offset,
        end_offset=offset + len(record.data),
        record_check=record.check,
        epoch=epoch,
    )
