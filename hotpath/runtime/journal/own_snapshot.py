"""A snapshot of the engine's own state, for a journal that cannot lead to it any more.

All others are made from the journal. Where its bytes were damaged under a running engine, its
memory still has the state: a person asks for it by SIGUSR2, and the engine pauses meanwhile.
"""

import logging
import os
import time
from pathlib import Path

from hotpath.core.api import Engine
from hotpath.runtime.journal.snapshots import Place, write_snapshot
from hotpath.runtime.journal.writer import JournalWriter
from shared.wire.journal import decode_record, encode_mark

log = logging.getLogger("engine")


class OwnSnapshot:
    """Writes one between two batches, each time that it was asked for."""

    def __init__(
        self, engine: Engine, journal: JournalWriter, directory: Path, shard: int, epoch: int
    ) -> None:
        self._engine = engine
        self._journal = journal
        self._directory = directory
        self._shard = shard
        self._epoch = epoch
        self._is_asked = False

    def ask(self, *_: object) -> None:
        """Take note of the wish; a signal's handler."""
        self._is_asked = True

    def tidy(self, sequence: int) -> None:
        """Write it if it was asked for; `sequence` is of the last command. Raises JournalFailed.

        A mark is journaled first: the record that the snapshot stands behind.
        """
        if not self._is_asked:
            return
        self._is_asked = False
        started_s, time_ns = time.monotonic(), time.time_ns()
        mark = encode_mark(sequence + 1, time_ns, os.getpid(), self._engine.state_hash())
        self._journal.append(mark, 0)
        self._journal.sync()
        number, end = self._journal.place
        record = decode_record(mark)
        assert record is not None, "it was just encoded"
        place = Place(
            segment=number,
            record_offset=end - len(mark),
            end_offset=end,
            record_check=record.check,
            sequence=sequence,
            time_ns=time_ns,
            epoch=self._epoch,
            shard=self._shard,
        )
        try:
            path = write_snapshot(self._directory, self._engine, place)
        except (OSError, ValueError) as error:
            log.error("no snapshot of the own state: %s", error)
            return
        log.warning("wrote %s from memory in %.2f s", path.name, time.monotonic() - started_s)
