"""`trading bench snapshot`: a restart from a snapshot, and answers while one is being written.

Open loop over TCP, one client: each latency counts from when the command was due. Rounds with and
without a snapshot writer take turns in one run, so that noise of the machine meets both.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from hotpath.runtime.journal.snapshot_names import newest_first
from shared.domain import records as r
from shared.wire import frames
from shared.wire.tokens import SCOPES
from tests.bench.journals import write_journal
from tests.support.engine import ROOT, EngineProcess, limit_order

_ACCOUNT: Final = 1
_NO_WRITER_S: Final = 3.0
_MOST_S: Final = 60.0


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="trading bench snapshot")
    parser.add_argument("--commands", type=int, default=1_000_000, help="journaled beforehand")
    parser.add_argument("--rate", type=int, default=5_000, help="commands a second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="bench-snapshot-") as name:
        found = _measure(Path(name), options.commands, options.rate, options.rounds)
    if options.json:
        print(json.dumps(found))
        return 0
    print(f"restart of {found['commands']} commands: {found['restart_s']:.2f} s from the snapshot")
    for number, row in enumerate(found["rounds"], 1):
        print(
            f"round {number}: p99 {row['without_p99_us']:.0f} us without, "
            f"{row['with_p99_us']:.0f} us with a writer ({row['writer_s']:.1f} s)"
        )
    print(f"p99 while a snapshot is written: {found['ratio']:.2f} x that without (median)")
    return 0


def _measure(folder: Path, commands: int, rate: int, rounds: int) -> dict[str, Any]:
    engine = EngineProcess(folder, TRADING_SEGMENT_BYTES=str(64 << 20))
    write_journal(engine.journal, commands)
    rows = []
    try:
        engine.start(TRADING_DURABILITY="os")
        _writer(engine).wait()
        client = _Client(engine, rate)
        for _ in range(rounds):
            ends_s = time.perf_counter() + _NO_WRITER_S
            without = client.run(lambda ends_s=ends_s: time.perf_counter() < ends_s)  # type: ignore[misc]
            writer, started_s = _writer(engine), time.perf_counter()
            during = client.run(lambda writer=writer: writer.poll() is None)  # type: ignore[misc]
            row = {"without_p99_us": _p99(without), "with_p99_us": _p99(during)}
            rows.append(row | {"writer_s": time.perf_counter() - started_s})
        client.close()
        snapshots = len(list(newest_first(engine.journal)))
        engine.kill()
        started_s = time.perf_counter()
        engine.start(TRADING_DURABILITY="os")
        restart_s = time.perf_counter() - started_s
    finally:
        engine.close()
    ratios = [row["with_p99_us"] / row["without_p99_us"] for row in rows]
    return {
        "commands": commands,
        "rate": rate,
        "restart_s": restart_s,
        "snapshots": snapshots,
        "rounds": rows,
        "ratio": statistics.median(ratios),
    }


def _writer(engine: EngineProcess) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "hotpath.runtime.standby.follower", "--once"],
        cwd=ROOT,
        env=os.environ | {"TRADING_JOURNAL": str(engine.journal)},
        stderr=subprocess.DEVNULL,
    )


class _Client:
    """Sends orders at a fixed rate and waits for answers without sleeping."""

    def __init__(self, engine: EngineProcess, rate: int) -> None:
        host, _, port = engine.address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        token = engine.issuer.service(SCOPES)
        self._socket.sendall(frames.encode_logon(frames.Logon(frames.SERVICE, token)))
        self._buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        self._step_s = 1 / rate
        self._number = 1 << 24  # beyond the ids of the journal made beforehand
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
                self._socket.sendall(frames.encode_command(self._number, order.words()))
                next_s += self._step_s
                looks += 1
                if looks % 64 == 0:
                    is_open = goes_on()
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                continue
            answered_s = time.perf_counter()
            for frame in self._buffer.feed(data):
                if frames.frame_type(frame) == frames.COMMAND_RESULT:
                    request = frames.decode_result(frame).request
                    latencies.append(answered_s - due.pop(request))
        return latencies

    def close(self) -> None:
        self._socket.close()


def _p99(latencies: list[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98] * 1e6
