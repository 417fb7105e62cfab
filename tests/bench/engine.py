"""Measures the core alone: nanoseconds per command, compiled and interpreted.

    python -m tests.bench --workloads ec1k,it1k --commands 500000 --rounds 5

Run with TRADING_CORE=compiled or interpreted. Where the C++ reference of the shared folder and g++
are present, its figure for the same commands stands beside (matching and risk, no ids remembered).
"""

import argparse
import json
import os
import shutil
import statistics
import struct
import subprocess
import tempfile
import time
from pathlib import Path

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.api import Engine
from shared.domain import records as r
from tests.bench.workloads import Workload, make_workload

REFERENCE = Path(os.environ.get("TRADING_CPP_REFERENCE", "../shared/reference/baseline_engine.cpp"))
_SUMMARY = "Measure nanoseconds per command of the core alone."
_BATCH = 1024


def measure_core(workload: Workload) -> float:
    """Return nanoseconds per measured command of one round in a new engine."""
    engine = Engine(max_instruments=workload.instruments)
    commands = vec[i64](workload.words)
    end = len(workload.words)
    engine.apply_many(commands, 0, workload.measured_from)
    engine.reset_events()
    started = time.perf_counter_ns()
    at = workload.measured_from
    while at < end:
        until = min(at + _BATCH * r.COMMAND_WORDS, end)
        engine.apply_many(commands, at, until)
        engine.reset_events()
        at = until
    return (time.perf_counter_ns() - started) / workload.commands


class CppReference:
    """The shared C++ engine, compiled once, fed the orders of our workloads in its own format."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "reference"
        flags = ["-O3", "-march=native", "-std=c++17", "-o", str(self.program)]
        subprocess.run(["g++", *flags, str(source)], check=True, capture_output=True)

    def write(self, name: str, workload: Workload) -> Path:
        path = self.folder / f"{name}.bin"
        words, commands, stage = workload.words, bytearray(), 0
        at = 0
        while at < len(words):
            kind = words[at] & 0xFF
            if kind <= r.REPLACE_ORDER:
                commands += _reference_command(words[at : at + r.COMMAND_WORDS].tolist())
                stage += at < workload.measured_from
            at += r.command_words(kind)
        head = struct.pack("<4q", stage, len(commands) // 32, workload.instruments, 1001)
        path.write_bytes(head + commands)
        return path

    def measure(self, path: Path) -> float:
        """Return nanoseconds per command with risk, the median of its own rounds."""
        done = subprocess.run(
            [self.program, "1", str(path)],
            check=True,
            capture_output=True,
            text=True,
            cwd=self.folder,
        )
        words = done.stdout.split()
        return 1000 / float(words[words.index("median") + 1])


def _reference_command(words: list[int]) -> bytes:
    """Return a command as the reference reads it; its instruments count from 0."""
    kind, header = words[0] & 0xFF, words[0]
    if kind == r.PLACE_ORDER:
        is_market, is_ioc = header >> 16 & 0xFF == r.MARKET, header >> 24 & 0xFF == r.IOC
        operation = 3 if is_market else 2 if is_ioc else 1
    else:
        operation = 4 if kind == r.CANCEL_ORDER else 5
    side, instrument = header >> 8 & 0xFF, (header >> 48) - 1
    first = operation | side << 8 | instrument << 16 | words[r.C_ACCOUNT] << 32
    return struct.pack("<4q", first, words[r.C_ID], words[r.C_PRICE], words[r.C_QUANTITY])


def main(mode: str) -> int:
    """Run what the command line asks for; `mode` is the build of the core. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=_SUMMARY)
    parser.add_argument("--workloads", default="ec1k,it1k")
    parser.add_argument("--commands", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    rows = []
    with tempfile.TemporaryDirectory() as folder:
        with_reference = REFERENCE.exists() and shutil.which("g++")
        reference = CppReference(REFERENCE.resolve(), Path(folder)) if with_reference else None
        for name in arguments.workloads.split(","):
            workload = make_workload(name, arguments.commands)
            path = reference.write(name, workload) if reference else None
            core, cpp = [], []
            for _ in range(arguments.rounds):
                core.append(measure_core(workload))
                if reference and path:
                    cpp.append(reference.measure(path))
            rows.append(_row(name, mode, workload.resting, core, cpp))
            if not arguments.json:
                print(_line(rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps({"rows": rows}))
    return 0


def _row(
    name: str, mode: str, resting: int, core: list[float], cpp: list[float]
) -> dict[str, object]:
    return {
        "workload": name,
        "core": mode,
        "resting": resting,
        "ns_per_command": round(statistics.median(core), 1),
        "cpp_risk_ns_per_command": round(statistics.median(cpp), 1) if cpp else None,
    }


def _line(row: dict[str, object]) -> str:
    beside = row["cpp_risk_ns_per_command"]
    reference = f"   C++ with risk {beside} ns" if beside else ""
    return f"{row['workload']:>6}  {row['core']}  {row['ns_per_command']:>8} ns/command{reference}"
