"""One round of one Python engine in a process of its own; prints one JSON document.

    python -m tests.bench worker ENGINE FILE COMMANDS RATE FOLDER

The build of the core is TRADING_CORE's. FILE is what `workloads.write` wrote; the first COMMANDS
of its measured ones are applied; FOLDER takes the journal.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

import google_crc32c
from librt.vecs import vec
from mypy_extensions import i64

from hotpath import build
from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.journal.reader import Tail
from hotpath.runtime.journal.writer import JournalWriter
from shared.domain import records as r
from shared.wire.journal import EpochMark, encode_epoch
from tests.bench.workloads import Workload, read

_BATCH = 1024  # commands between two resets of the event buffer
_RECORD_BATCH = 4096  # commands of one record
_LATENCY_COMMANDS = 50_000


def main(engine: str, file: str, commands: str, rate: str, folder: str) -> int:
    workload, count = read(Path(file)), int(commands)
    if engine == "pure-python":
        from tests.bench.python_book import measure

        result = measure(workload, count)
    elif engine == "core-memory":
        from tests.bench.memory import measure as measure_memory

        result = measure_memory(count)
    elif engine == "noise":
        result = {"latency_ns": open_loop(lambda _at: None, count, int(rate))}
    else:
        result = measure_core(engine, workload, count, int(rate), Path(folder))
    print(json.dumps(result))
    return 0


def measure_core(
    engine: str, workload: Workload, count: int, rate: int, folder: Path
) -> dict[str, object]:
    """Return nanoseconds per command, a checksum over all events, and open-loop latencies."""
    core = _staged(workload, engine != "core")
    journal = _Journal(core, folder, engine, workload) if engine.startswith("core+risk+") else None
    commands = vec[i64](workload.words)
    end = workload.measured_from + count * r.COMMAND_WORDS
    step = (_RECORD_BATCH if journal else _BATCH) * r.COMMAND_WORDS
    elapsed = 0
    for at in range(workload.measured_from, end, step):
        until = min(at + step, end)
        started = time.perf_counter_ns()
        if journal:
            journal.apply(at, until)
        else:
            core.apply_many(commands, at, until)
        elapsed += time.perf_counter_ns() - started
        core.reset_events()
    if journal:
        journal.close()
    result: dict[str, object] = {
        "ns_per_command": elapsed / count,
        "compiled": build.core_build().compiled,
        "checksum": _checksum(workload, end) if engine == "core+risk" else 0,
    }
    if rate:
        result["latency_ns"] = _latencies(engine, workload, rate)
    return result


def _staged(workload: Workload, risk: bool) -> Engine:
    """Return an engine with the workload's accounts and resting orders, its tables large enough."""
    core = Engine(
        max_instruments=workload.instruments,
        expected_ids=len(workload.words) // r.COMMAND_WORDS,
        risk=risk,
    )
    commands = vec[i64](workload.words[: workload.measured_from])
    core.apply_many(commands, 0, workload.measured_from)
    core.reset_events()
    return core


def _latencies(engine: str, workload: Workload, rate: int) -> list[int]:
    core = _staged(workload, engine != "core")
    commands = vec[i64](workload.words)
    first = workload.measured_from

    def apply(number: int) -> None:
        core.apply(commands, first + number * r.COMMAND_WORDS)
        core.reset_events()

    return open_loop(apply, min(_LATENCY_COMMANDS, workload.commands), rate)


def open_loop(apply: Callable[[int], object], count: int, rate: int) -> list[int]:
    """Return done - due of each command, in ns; one is due every 1/rate s, however late we are."""
    clock, gap_ns, late = time.perf_counter_ns, 1_000_000_000 // rate, [0] * count
    start = clock() + 1_000_000
    for number in range(count):
        due = start + number * gap_ns
        while clock() < due:
            pass
        apply(number)
        late[number] = clock() - due
    return late


def _checksum(workload: Workload, end: int) -> int:
    """Return a checksum over all event words. A pass of its own: it would disturb the caches."""
    core = _staged(workload, True)
    commands, checksum = vec[i64](workload.words), 0
    step = _BATCH * r.COMMAND_WORDS
    for at in range(workload.measured_from, end, step):
        core.apply_many(commands, at, min(at + step, end))
        for word in memoryview(core.events_bytes()).cast("q"):
            checksum = (checksum * 31 + word) & 0xFFFF_FFFF_FFFF_FFFF
        core.reset_events()
    return checksum


class _Journal:
    """The ring loop's own records and ways to write: `fsync` syncs each batch."""

    def __init__(self, core: Engine, folder: Path, engine: str, workload: Workload) -> None:
        durability = "fsync" if engine.endswith("fsync") else "os"
        first = workload.words[workload.measured_from + r.C_SEQUENCE]
        tail = Tail(0, 0, first, 0, 0)
        self._writer = JournalWriter(folder, tail, shard=1, epoch=1, durability=durability)
        # As an engine does before it serves anybody: the segment is there, and its epoch in it.
        self._writer.prepare_first()
        self._writer.append(encode_epoch(first, 1, EpochMark(1, 1, core.state_hash())), 0)
        self._writer.sync()
        self._bytes = workload.words.tobytes()
        self._applier = BatchApplier(core)

    def apply(self, at: int, until: int) -> None:
        writer, end, made = self._writer, self._writer.end, self._applier.made
        count = (until - at) // r.COMMAND_WORDS
        self._applier.replay(self._bytes, count, at * 8)
        head, body = made.record(end.synced_offset, [], google_crc32c.value)
        if writer.waits_for_sync or not end.append(head, body, count):
            writer.append(head + body, count)
            writer.make_durable()

    def close(self) -> None:
        self._writer.close()
