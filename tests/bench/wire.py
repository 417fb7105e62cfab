"""`trading bench wire`: from a command to its acknowledgement, over shared memory and TCP.

Everything is on: risk, journal, an equity venue's mix on a book of 1,000 orders. The loop is open:
latencies count from when a command was due. Beside each round stands the noise floor: by how much
a loop that does nothing is late on this machine at the same moment.
"""

import argparse
import json
import os
import platform
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hotpath import build
from infra.local import kafka
from shared.domain.commands import Command
from shared.wire.pacing import ANSWERED, Record, RingPacer, TcpPacer, lateness
from tests.bench import realtime
from tests.bench.document import replace_section
from tests.bench.pacers import (
    bench_engine,
    measured_bytes,
    quantile_us,
    ring_pacer,
    stage_of,
    tcp_pacer,
    token_of,
)
from tests.bench.publish import stream_server
from tests.bench.workloads import make_workload
from tests.support.engine import EngineProcess, http_text

_WARM_UP_S: Final = 0.5
_NOISE_S: Final = 0.3
_WINDOW: Final = 1500
# The keeper makes the next segment once one is half full, which takes a core 0.2 ms for each MiB.
# Here both cores spin, where an engine's host has one to spare: so no row fills half a segment.
_SEGMENT_BYTES_A_COMMAND: Final = 800
_SYNC: Final = "trading_engine_journal_sync_seconds"


@dataclass(frozen=True, slots=True)
class Row:
    """What is measured, and what it is to reach."""

    name: str
    transport: str
    clients: int
    durability: str
    rate: int = 0  # commands a second; 0: as fast as `in_flight` allows
    in_flight: int = _WINDOW
    round_commands: int = 0  # where there is no rate
    goal_p50_us: float = 0
    goal_p99_us: float = 0
    goal_commands_per_s: int = 0
    realtime: bool = False  # see realtime.py

    def commands(self, seconds: float) -> int:
        if self.realtime:
            seconds = min(seconds, realtime.ROUND_S)
        return int(self.rate * seconds) if self.rate else self.round_commands

    def own_cores(self) -> "Row":
        return replace(self, name=f"{self.name}-realtime", realtime=True)


_SHM: Final = Row("shm", "shm", 1, "os", 100_000, goal_p50_us=5, goal_p99_us=20)
_TCP: Final = Row("tcp", "tcp", 1, "os", 5_000, goal_p99_us=100)
_TCP64: Final = Row("tcp64", "tcp", 64, "os", 20_000, goal_p99_us=500)
ROWS: Final = (
    _SHM,
    _SHM.own_cores(),
    _TCP,
    _TCP.own_cores(),
    _TCP64,
    _TCP64.own_cores(),
    Row(
        "fsync",
        "shm",
        1,
        "fsync",
        in_flight=32_768,
        round_commands=300_000,
        goal_commands_per_s=2_000_000,
    ),
    Row("sync1", "shm", 1, "fsync", in_flight=1, round_commands=400),
    Row("replicated", "shm", 1, "replicated", in_flight=4_096, round_commands=40_000),
)


def main(words: list[str]) -> int:
    options = _options(words)
    rows = [row for row in ROWS if row.name in options.rows.split(",")]
    started_s = time.monotonic()
    most = max(row.commands(_WARM_UP_S) + options.rounds * row.commands(options.seconds)
               for row in rows)  # fmt: skip
    workload = make_workload("it1k", most)
    market = stage_of(workload)
    commands = measured_bytes(workload.words, workload.measured_from)
    documents: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="bench-wire-", dir=options.folder) as folder:
        for row in rows:
            sent = row.commands(_WARM_UP_S) + options.rounds * row.commands(options.seconds)
            reason = kafka.missing_tools() if row.durability == "replicated" else ""
            if row.realtime:
                reason = realtime.why_not()
            if reason:
                skipped[row.name] = reason
                continue
            with _started(row, Path(folder), market, sent) as engine:
                if options.pin:
                    os.sched_setaffinity(engine.process_id, {0})
                    os.sched_setaffinity(0, {1})
                documents.append(_measure(row, engine, commands, options))
            if not options.json:
                print(_text(documents[-1]), flush=True)
    document = {
        "rows": documents,
        "skipped": skipped,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "compiled": build.core_build().compiled,
        "seconds": round(time.monotonic() - started_s, 1),
    }
    if options.json:
        print(json.dumps(document))
    else:
        print(
            "".join(f"{name} is left out: {reason}\n" for name, reason in skipped.items()), end=""
        )
    if options.write_doc:
        replace_section("wire", _markdown(document))
    return 0


@contextmanager
def _started(
    row: Row, folder: Path, market: list[Command], commands: int
) -> Iterator[EngineProcess]:
    """Yield a row's engine, with Kafka where it needs it, and room for so many commands."""
    settings = {
        "TRADING_DURABILITY": row.durability,
        "TRADING_SPIN": "1",
        "ENGINE_HEALTH_LISTEN": _free_address(),
        "TRADING_SEGMENT_BYTES": str(max(64 << 20, commands * _SEGMENT_BYTES_A_COMMAND)),
        "TRADING_EXPECTED_IDS": str(commands),
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    }
    with ExitStack() as stack:
        if row.durability == "replicated":
            settings["STREAM_URL"] = stack.enter_context(stream_server("kafka"))
        yield stack.enter_context(bench_engine(folder / row.name, market, **settings))


def _options(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="trading bench wire")
    parser.add_argument("--rows", default=",".join(row.name for row in ROWS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of a round")
    parser.add_argument("--folder", help="where the journals are written")
    parser.add_argument("--pin", action="store_true", help="engine on CPU 0, client on CPU 1")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-doc", action="store_true")
    return parser.parse_args(words)


def _measure(
    row: Row, engine: EngineProcess, commands: bytes, options: argparse.Namespace
) -> dict[str, Any]:
    """Run the rounds of a row; return its document."""
    address, token = engine.address, token_of(engine)
    health = engine.environment["ENGINE_HEALTH_LISTEN"]
    pacer: RingPacer | TcpPacer
    if row.transport == "shm":
        pacer = ring_pacer(address, token)
    else:
        pacer = tcp_pacer(address, token, row.clients)
    interval_ns = 1_000_000_000 // row.rate if row.rate else 0
    sent = row.commands(_WARM_UP_S) if row.rate else row.round_commands // 10
    pacer.run(commands, 0, sent, interval_ns, row.in_flight)
    rounds = []
    for _ in range(options.rounds):
        count = row.commands(options.seconds)
        synced = _synced(health)
        with realtime.realtime((engine.process_id,)) if row.realtime else nullcontext():
            late = lateness(int(_NOISE_S * (row.rate or 5_000)), interval_ns or 200_000)
        with realtime.realtime((engine.process_id,)) if row.realtime else nullcontext():
            started_ns = time.perf_counter_ns()
            record = pacer.run(commands, sent, count, interval_ns, row.in_flight)
            seconds = (time.perf_counter_ns() - started_ns) / 1e9
        sent += count
        rounds.append(_round(row, record, seconds, late))
        if row.in_flight == 1:
            rounds[-1] |= _parts(record, synced, _synced(health))
    found = {
        "name": row.name,
        "transport": row.transport,
        "clients": row.clients,
        "durability": row.durability,
        "rate": row.rate,
        "in_flight": row.in_flight,
        "scheduling": "realtime" if row.realtime else "normal",
        "goal": {"p50_us": row.goal_p50_us, "p99_us": row.goal_p99_us,
                 "commands_per_s": row.goal_commands_per_s},
    }  # fmt: skip
    for key in rounds[0]:
        found[key] = statistics.median(it[key] for it in rounds)
    return found | {"rounds": rounds}


def _round(row: Row, record: Record, seconds: float, late: list[int]) -> dict[str, float]:
    rows = record.rows()
    refused = sum(1 for _, _, outcome in rows if outcome != ANSWERED)
    assert not refused, f"{refused} commands were refused by the gateway"
    latencies = [latency for _, latency, _ in rows]
    return {
        "p50_us": quantile_us(latencies, 0.5),
        "p99_us": quantile_us(latencies, 0.99),
        "p99_9_us": quantile_us(latencies, 0.999),
        "commands_per_s": round(len(rows) / seconds),
        "noise_p50_us": quantile_us(late, 0.5),
        "noise_p99_us": quantile_us(late, 0.99),
        "noise_p99_9_us": quantile_us(late, 0.999),
    }


def _parts(record: Record, before: tuple[float, int], after: tuple[float, int]) -> dict[str, float]:
    """Return the mean time of a command, of its sync by the device, and of all else."""
    mean_us = statistics.fmean(latency for _, latency, _ in record.rows()) / 1000
    sync_us = (after[0] - before[0]) * 1e6 / (after[1] - before[1])
    return {
        "mean_us": round(mean_us, 1),
        "sync_us": round(sync_us, 1),
        "ours_us": round(mean_us - sync_us, 1),
    }


def _synced(address: str) -> tuple[float, int]:
    """Return the seconds that the engine has spent in syncs of batches, and how many they were."""
    found = {"sum": 0.0, "count": 0.0}
    for line in http_text(f"http://{address}/metrics").splitlines():
        for name in found:
            if line.startswith(f"{_SYNC}_{name} "):
                found[name] = float(line.split()[1])
    return found["sum"], int(found["count"])


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"


# --- what is printed ------------------------------------------------------------------------------


def _title(row: dict[str, Any]) -> str:
    pace = f"{row['rate']:,}/s" if row["rate"] else f"{row['in_flight']:,} in flight"
    title = f"{row['durability']}, {row['transport']}, {row['clients']} client(s), {pace}"
    return f"{title}, real-time" if row["scheduling"] == "realtime" else title


def _goal(row: dict[str, Any]) -> str:
    goal = row["goal"]
    found = [f"p50 < {goal['p50_us']:g} µs"] if goal["p50_us"] else []
    found += [f"p99 < {goal['p99_us']:g} µs"] if goal["p99_us"] else []
    found += [f"≥ {goal['commands_per_s']:,}/s"] if goal["commands_per_s"] else []
    return ", ".join(found) or "none"


def _text(row: dict[str, Any]) -> str:
    lines = [f"{_title(row)}   (goal: {_goal(row)})"]
    for number, it in enumerate([*row["rounds"], row], 1):
        name = "median" if it is row else f"round {number}"
        lines.append(
            f"  {name:<8} p50 {it['p50_us']:8.1f}  p99 {it['p99_us']:9.1f}"
            f"  p99.9 {it['p99_9_us']:9.1f} µs  {it['commands_per_s']:>9,.0f}/s"
            f"   noise p99 {it['noise_p99_us']:8.1f}  p99.9 {it['noise_p99_9_us']:8.1f} µs"
        )
    if "ours_us" in row:
        lines.append(
            f"  of a mean of {row['mean_us']:.0f} µs the device's sync takes"
            f" {row['sync_us']:.0f} µs, all else {row['ours_us']:.0f} µs"
        )
    return "\n".join(lines)


def _markdown(document: dict[str, Any]) -> str:
    head = "| what | goal | p50 | p99 | p99.9 µs | commands/s | noise p99 | p99.9 µs |"
    lines = [
        "Generated by `trading bench wire --write-doc`. From the moment a command is due to its",
        "acknowledgement, with risk and journal; open loop, medians, all rounds in brackets.",
        "No row comes to the half of a segment, where the next one is made, and room for the ids",
        "of all orders is there from the start (`TRADING_EXPECTED_IDS`). In rows marked real-time",
        "nothing else takes the turns of engine and client for half a second at a time, as on",
        "cores of their own (`tests/bench/realtime.py`); in all others the kernel and whatever",
        "runs here share two cores with an engine and a client that never sleep.",
        f"Machine: {document['machine']}, load average {document['load_average'][0]}.",
        "",
        head,
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {_title(row)} | {_goal(row)} | {row['p50_us']:.1f} | {_all(row, 'p99_us')}"
        f" | {row['p99_9_us']:.0f} | {_all(row, 'commands_per_s')}"
        f" | {row['noise_p99_us']:.1f} | {row['noise_p99_9_us']:.0f} |"
        for row in document["rows"]
    ]
    lines += [
        f"\nOne in flight with `fsync`: a mean of {row['mean_us']:.0f} µs, of which the device's"
        f" sync {row['sync_us']:.0f} µs and all else {row['ours_us']:.0f} µs."
        for row in document["rows"]
        if "ours_us" in row
    ]
    return "\n".join(lines)


def _all(row: dict[str, Any], key: str) -> str:
    show: Callable[[float], str] = lambda value: f"{value:,.0f}"  # noqa: E731
    return f"{show(row[key])} ({' '.join(show(it[key]) for it in row['rounds'])})"
