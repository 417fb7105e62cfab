"""Snapshots beside the journal: written whole or not at all, trusted only with their record.

header  magic 8 | format u32 | shard u32 | sequence i64 | time ns i64 | epoch i64 | state hash i64
        | segment u32 | reserved u32 | record offset i64 | end offset i64 | bytes i64
        | crc32c of the header u32 | crc32c of the state u32                        (96 bytes)
state   as the core gives it
"""

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import Struct, error
from typing import Final

import google_crc32c

from hotpath.core.api import Engine
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.names import segment_path
from hotpath.runtime.journal.snapshot_names import newest_first, snapshot_path
from shared.wire.journal import MAX_RECORD_BYTES, decode_record

FORMAT_VERSION: Final = 1
# An engine that syncs its journal on the same disk waits behind no more than a few of these.
_PIECE_BYTES: Final = 256 << 10
_MAGIC: Final = b"TRDSNAP\x01"
_HEADER: Final = Struct("<8sIIqqqqIIqqqII")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the journal goes on behind a snapshot: its last record is at `record_offset`.

    `record_check` is that record's checksum. It covers the time, so no other history has it.
    """

    segment: int
    record_offset: int
    end_offset: int
    record_check: int
    sequence: int
    time_ns: int
    epoch: int
    shard: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state that was rebuilt, and the hash that it had when it was written."""

    engine: Engine
    place: Place
    state_hash: int


def write_snapshot(
    directory: Path,
    engine: Engine,
    place: Place,
    files: JournalFiles | None = None,
    pause_s: float = 0.0,
) -> Path:
    """Write the state durably and give it its name last; raise OSError.

    It goes to the disk in pieces with pauses between them, and is synced once, at the end: with
    each sync of a new file the file system commits, and a write to the journal may wait for that.

    Raises ValueError when the bytes do not lead back to the same state: nothing is written then.
    """
    state = engine.snapshot_bytes()
    check = Engine()
    check.restore(state)
    if check.state_hash() != engine.state_hash():
        raise ValueError(f"the snapshot of sequence {place.sequence} is not the state it is of")
    files = files or JournalFiles()
    path = snapshot_path(directory, place.sequence)
    new = path.with_suffix(".new")
    data = _header(engine.state_hash(), place, state) + state
    descriptor = files.create(new, len(data))
    try:
        for at in range(0, len(data), _PIECE_BYTES):
            files.write(descriptor, data[at : at + _PIECE_BYTES], at)
            files.begin_sync(descriptor, at, _PIECE_BYTES)
            if pause_s:
                time.sleep(pause_s)
        files.sync(descriptor)
    finally:
        os.close(descriptor)
    files.rename(new, path)
    return path


def load_newest(directory: Path, shard: int | None, until: int | None = None) -> Snapshot | None:
    """Return the newest sound snapshot at or before `until` whose record the journal holds."""
    for path in newest_first(directory):
        found = load(path, until)
        if found is not None and (shard is None or found.place.shard == shard):
            return found
    return None


def load(path: Path, until: int | None = None) -> Snapshot | None:
    """Return a snapshot; None when it is damaged, too new, ahead of the journal, of other rules."""
    found = read_state(path)
    if found is None or (until is not None and found[0].sequence > until):
        return None
    place, state_hash, state = found
    # The bytes were shown to lead to this state when they were written, and have their digest.
    engine = Engine()
    try:
        with _no_collections():
            engine.restore(state)
    except ValueError:  # of other rules
        return None
    return Snapshot(engine, place, state_hash)


def read_state(path: Path) -> tuple[Place, int, bytes] | None:
    """Return a snapshot's place, hash and bytes, of whatever rules; None: damaged, or ahead."""
    data = path.read_bytes()
    try:
        magic, version, shard, sequence, time_ns, epoch, state_hash, *rest = _HEADER.unpack_from(
            data
        )
    except error:
        return None
    segment, record_check, record_offset, end_offset, size, header_crc, state_crc = rest
    state = data[_HEADER.size :]
    is_sound = (
        magic == _MAGIC
        and version == FORMAT_VERSION
        and header_crc == google_crc32c.value(data[: _HEADER.size - 8])
        and size == len(state)
        and state_crc == google_crc32c.value(state)
    )
    last = (segment, record_offset, end_offset, record_check)
    place = Place(*last, sequence, time_ns, epoch, shard)
    if not is_sound or not _is_journaled(path, place):
        return None
    return place, state_hash, state


@contextmanager
def _no_collections() -> Iterator[None]:
    """Keep the garbage collector from looking at millions of rows that are all still needed."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _header(state_hash: int, place: Place, state: bytes) -> bytes:
    head = _HEADER.pack(
        _MAGIC,
        FORMAT_VERSION,
        place.shard,
        place.sequence,
        place.time_ns,
        place.epoch,
        state_hash,
        place.segment,
        place.record_check,
        place.record_offset,
        place.end_offset,
        len(state),
        0,
        0,
    )[:-8]
    checks = (int(google_crc32c.value(head)), int(google_crc32c.value(state)))
    return head + b"".join(check.to_bytes(4, "little") for check in checks)


def _is_journaled(path: Path, place: Place) -> bool:
    """Return whether the journal still holds the snapshot's last record.

    After a power cut in mode `os` a snapshot may be ahead of the journal, which then counts.
    """
    try:
        with segment_path(path.parent, place.segment).open("rb") as file:
            file.seek(place.record_offset)
            size = place.end_offset - place.record_offset
            record = decode_record(file.read(min(size, MAX_RECORD_BYTES)))
    except (OSError, ValueError):
        return False
    return (
        record is not None
        and record.last_sequence == place.sequence
        and record.check == place.record_check
        and len(record.data) == place.end_offset - place.record_offset
    )
