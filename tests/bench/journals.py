"""Journals for measurements: a generated command stream, applied by the core and journaled."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.reader import Tail
from hotpath.runtime.journal.writer import JournalWriter
from shared.domain import records as r
from shared.wire.journal import encode_batch
from tests.bench.workloads import MIXES, Generator

BATCH_COMMANDS: Final = 64  # of one group commit
_TRACED: Final = 10  # every so many commands carry a trace
_START_NS: Final = 1_700_000_000_000_000_000
_STEP_NS: Final = 50_000


def write_journal(
    folder: Path, commands: int, *, mix: str = "it", instruments: int = 10, resting: int = 200
) -> tuple[int, int]:
    """Write a journal of about `commands` commands behind a stage that opens the market.

    Return the sequences of the stage's last command and of the last one.
    """
    workload = Generator(MIXES[mix], instruments, resting, seed=7).generate(commands)
    rows = list(_commands(workload.words.tobytes()))
    folder.mkdir(parents=True, exist_ok=True)
    applier = BatchApplier(Engine(max_instruments=instruments))
    tail = Tail(0, 0, 1, 0, 0)
    writer = JournalWriter(folder, tail, shard=0, epoch=1, durability="os")
    for first in range(0, len(rows), BATCH_COMMANDS):
        batch = rows[first : first + BATCH_COMMANDS]
        time_ns = _START_NS + first * _STEP_NS
        applier.apply(batch, 0, first + 1, time_ns)
        traces = [(n, _trace(first + n)) for n in range(len(batch)) if (first + n) % _TRACED == 0]
        record = encode_batch(
            first + 1, time_ns, applier.event_counts, applier.commands, applier.events, traces
        )
        assert len(applier.event_counts) == len(batch)
        writer.append(record, len(batch))
    writer.close()
    return len(rows) - commands, len(rows)


def _commands(words: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(words):
        end = at + 8 * r.command_words(words[at])
        yield words[at:end]
        at = end


def _trace(number: int) -> bytes:
    return (number + 1).to_bytes(16, "big") + (number + 1).to_bytes(8, "big")
