"""`trading bench snapshot`: what a snapshot that is being written costs the engine's answers.

Open loop over TCP, one client: each latency counts from when the command was due. Rounds with and
without a writer take turns, and who comes first takes turns, so that noise meets both. The writer
is started as the follower starts it.
"""

import argparse
import json
import os
import platform
import select
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

from hotpath.runtime.journal.snapshot_names import newest_first
from hotpath.runtime.standby.follower import start_writer
from shared.domain import records as r
from shared.wire import frames
from shared.wire.tokens import SCOPES
from tests.bench.document import replace_section
from tests.bench.journals import write_journal
from tests.support.engine import EngineProcess, limit_order

GOAL: Final = 1.2  # times the p99 without a writer
_ACCOUNT: Final = 1
_NO_WRITER_S: Final = 3.0
_MOST_S: Final = 60.0
_LONGEST_PAUSE_S: Final = 0.01
# Each client's, beyond the ids of the journal made beforehand: a known id is answered from there.
_FIRST_NUMBERS: Final = count(1 << 24, 1 << 22)


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="trading bench snapshot")
    parser.add_argument("--commands", type=int, default=1_000_000, help="journaled beforehand")
    parser.add_argument("--rate", type=int, default=2_000, help="commands a second")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--durability", default="os,fsync")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write-doc", action="store_true")
    options = parser.parse_args(words)
    document: dict[str, Any] = {
        "commands": options.commands,
        "rate": options.rate,
        "goal_ratio": GOAL,
        "rows": [],
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
    }
    with tempfile.TemporaryDirectory(prefix="bench-snapshot-") as name:
        engine = EngineProcess(Path(name), TRADING_SEGMENT_BYTES=str(64 << 20))
        write_journal(engine.journal, options.commands)
        for durability in options.durability.split(","):
            row = _measure(engine, durability, options.rate, options.rounds)
            document["rows"].append(row)
            print(_text(row), file=sys.stderr if options.json else sys.stdout, flush=True)
    document["load_average"] = [round(load, 2) for load in os.getloadavg()]
    if options.json:
        print(json.dumps(document))
    if options.write_doc:
        replace_section("snapshot", _markdown(document))
    return 0


def _measure(engine: EngineProcess, durability: str, rate: int, rounds: int) -> dict[str, Any]:
    found = []
    try:
        engine.start(TRADING_DURABILITY=durability)
        _write(engine).wait()  # what the first one has to replay is no round's
        client = _Client(engine, rate)
        client.run(_for(_NO_WRITER_S))
        for number in range(rounds):
            names = ("without", "with") if number % 2 == 0 else ("with", "without")
            row: dict[str, float] = {}
            for name in names:
                row |= _without(client) if name == "without" else _during(client, engine)
            found.append(row)
        client.close()
    finally:
        engine.close()
    without = statistics.median(row["without_p99_us"] for row in found)
    during = statistics.median(row["with_p99_us"] for row in found)
    newest = next(iter(newest_first(engine.journal)))
    return {
        "durability": durability,
        "snapshot_bytes": newest.stat().st_size,
        "without_p99_us": without,
        "with_p99_us": during,
        "ratio": during / without,
        "rounds": found,
    }


def _without(client: "_Client") -> dict[str, float]:
    return {"without_p99_us": _p99(client.run(_for(_NO_WRITER_S)))}


def _during(client: "_Client", engine: EngineProcess) -> dict[str, float]:
    """Measure while one snapshot is made, from the start of its writer's process to its end."""
    started_s = time.perf_counter()
    writer = _write(engine)
    latencies = client.run(lambda: writer.poll() is None)
    if writer.returncode:
        raise RuntimeError(f"the writer ended with {writer.returncode}")
    return {"with_p99_us": _p99(latencies), "writer_s": time.perf_counter() - started_s}


def _for(seconds: float) -> Callable[[], bool]:
    end_s = time.perf_counter() + seconds
    return lambda: time.perf_counter() < end_s


def _write(engine: EngineProcess) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"TRADING_JOURNAL": str(engine.journal)}
    return start_writer(environment, stderr=subprocess.DEVNULL)


class _Client:
    """Sends orders at a fixed rate, and sleeps until the next is due or an answer comes.

    One that never slept would have a core to itself, and engine and writer the other one.
    """

    def __init__(self, engine: EngineProcess, rate: int) -> None:
        host, _, port = engine.address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        token = engine.issuer.service(SCOPES)
        self._socket.sendall(frames.encode_logon(frames.Logon(frames.SERVICE, token)))
        self._buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._unsent = bytearray()
        self._step_s = 1 / rate
        self._number = next(_FIRST_NUMBERS)
        self._socket.setblocking(False)

    def run(self, goes_on: Callable[[], bool]) -> list[float]:
        """Return the latency of each command, in seconds, of those due while it `goes_on`."""
        due: dict[int, float] = {}
        latencies: list[float] = []
        next_s = time.perf_counter()
        until_s = next_s + _MOST_S
        is_open, looks = True, 0
        while is_open or due:
            now_s = time.perf_counter()
            assert now_s < until_s, "the engine does not keep up"
            if is_open and now_s >= next_s:
                self._number += 1
                order = limit_order(_ACCOUNT, self._number, r.BUY, 1, 1)
                due[self._number] = next_s
                self._unsent += frames.encode_command(self._number, order.words())
                next_s += self._step_s
                looks += 1
                if looks % 64 == 0:
                    is_open = goes_on()
            answered = self._exchange(next_s)
            answered_s = time.perf_counter()
            for frame in answered:
                if frames.frame_type(frame) == frames.COMMAND_RESULT:
                    request = frames.decode_result(frame).request
                    latencies.append(answered_s - due.pop(request))
        return latencies

    def _exchange(self, until_s: float) -> list[bytes]:
        """Send and receive what goes until then; return the frames that came."""
        pause_s = min(max(until_s - time.perf_counter(), 0.0), _LONGEST_PAUSE_S)
        select.select([self._socket], [self._socket] if self._unsent else [], [], pause_s)
        with suppress(BlockingIOError):
            if self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        with suppress(BlockingIOError):
            return list(self._buffer.feed(self._socket.recv(1 << 16)))
        return []

    def close(self) -> None:
        self._socket.close()


def _p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98] * 1e6


def _text(row: dict[str, Any]) -> str:
    told = (
        f"{row['durability']}: p99 {row['with_p99_us']:.0f} us while a snapshot of"
        f" {row['snapshot_bytes']:,} bytes is written, {row['without_p99_us']:.0f} us without:"
        f" {row['ratio']:.2f} x (goal {GOAL})"
    )
    lines = [told]
    lines += [
        f"  round {number}: {found['without_p99_us']:.0f} us without,"
        f" {found['with_p99_us']:.0f} us with a writer ({found['writer_s']:.1f} s)"
        for number, found in enumerate(row["rounds"], 1)
    ]
    return "\n".join(lines)


def _markdown(document: dict[str, Any]) -> str:
    told = (
        "Generated by `trading bench snapshot --write-doc`. p99 from the moment a command is due to"
        f"\nits answer, open loop over TCP, {document['rate']:,} commands a second,"
        f" {document['commands']:,} journaled before; the\ngoal is a ratio of {GOAL}. Medians of"
        f" rounds that take turns, all in brackets.\nMachine: {document['machine']}, load average"
        f" {document['load_average'][0]}."
    )
    lines = [
        told,
        "",
        "| durability | snapshot bytes | p99 without µs | with a writer µs | ratio | writer s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row['durability']} | {row['snapshot_bytes']:,} | {_all(row, 'without_p99_us')}"
        f" | {_all(row, 'with_p99_us')} | {row['ratio']:.2f}"
        f" | {statistics.median(found['writer_s'] for found in row['rounds']):.1f} |"
        for row in document["rows"]
    ]
    return "\n".join(lines)


def _all(row: dict[str, Any], key: str) -> str:
    return f"{row[key]:,.0f} ({' '.join(f'{found[key]:,.0f}' for found in row['rounds'])})"
