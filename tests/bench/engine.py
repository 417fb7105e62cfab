"""`trading bench engine`: the core beside what it is compared with, on the same commands.

Every round of every engine is a process of its own; rounds go round and round over workloads and
engines, so that a disturbance of the machine hits all alike, and medians are reported.
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.bench import report
from tests.bench.document import replace_main
from tests.bench.workloads import WORKLOADS, cached

ROOT: Final = Path(__file__).resolve().parents[2]
CPP_SOURCE: Final = Path(__file__).parent / "cpp" / "baseline.cpp"
JAVA_FOLDER: Final = Path(__file__).parent / "java"
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "trading-bench"
RATE: Final = 200_000  # commands a second of the open loop

ENGINES: Final = (
    "core",
    "core+risk",
    "core+risk+journal",
    "core+risk+fsync",
    "cpp-bare",
    "cpp+risk",
    "interpreted",
    "pure-python",
    "exchange-core",
)
_MAVEN_TIMEOUT_S: Final = 120
_JAVA_WARM_UP_S: Final = 6  # in each process; five passes after that count
_JAVA_HEAP: Final = ("-Xms3g", "-Xmx3g", "-XX:+UseSerialGC", "-XX:+UseTransparentHugePages")
# All run in huge pages, as the engine does in service (infra/ec2/placement.conf).
_HUGE_PAGES: Final = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}

# These are slow: fewer commands, in the small workloads only.
SLOW_COMMANDS: Final = {"interpreted": 5_000, "pure-python": 1_000}
SMALL_WORKLOADS: Final = ("ec1k", "it1k")


@dataclass
class Samples:
    """What the rounds of one engine on one workload gave."""

    compiled: bool = False
    ns_per_command: list[float] = field(default_factory=list)
    latency_ns: list[int] = field(default_factory=list)
    checksum: int = 0

    def add(self, result: dict[str, Any]) -> None:
        self.compiled = bool(result["compiled"])
        self.ns_per_command.append(float(result["ns_per_command"]))
        self.latency_ns += result.get("latency_ns", [])
        self.checksum = int(result.get("checksum", 0))

    def row(self, workload: str, engine: str) -> dict[str, Any]:
        median = statistics.median(self.ns_per_command)
        return {
            "workload": workload,
            "engine": engine,
            "compiled": self.compiled,
            "ns_per_command": round(median, 1),
            "million_per_second": round(1000 / median, 3),
            "latency_us": percentiles_us(self.latency_ns),
            "longest_us": round(max(self.latency_ns) / 1000, 1) if self.latency_ns else None,
        }


def percentiles_us(latency_ns: list[int]) -> dict[str, float] | None:
    """Return the 50th, 99th and 99.9th percentile in microseconds; None without samples."""
    if not latency_ns:
        return None
    ordered = sorted(latency_ns)
    shares = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999}
    return {name: ordered[int(len(ordered) * share)] / 1000 for name, share in shares.items()}


class Bench:
    def __init__(self, commands: int, folder: Path, tell: Callable[[str], None]) -> None:
        self.commands = commands
        self.folder = folder
        self.tell = tell
        self.skipped: dict[str, str] = {}
        self.program = folder / "baseline"
        self.classpath = ""

    def prepare(self, engines: list[str]) -> list[str]:
        """Build what is built here; return the engines that can run, note why others cannot."""
        for engine in engines:
            reason = self._obstacle(engine)
            if reason:
                self.skipped[engine] = reason
                self.tell(f"{engine} is left out: {reason}")
        return [engine for engine in engines if engine not in self.skipped]

    def _obstacle(self, engine: str) -> str:
        if engine.startswith("cpp"):
            if not shutil.which("g++"):
                return "g++ is not installed"
            if not self.program.exists():
                flags = ["-O3", "-march=native", "-std=c++17", "-o", str(self.program)]
                subprocess.run(["g++", *flags, str(CPP_SOURCE)], check=True)
        elif engine == "exchange-core":
            return self._build_java()
        elif engine == "pure-python" and not _imports("lightmatchingengine"):
            return "lightmatchingengine is not installed (the `bench` extra has it)"
        elif engine.startswith("core") and not _has_compiled_core():
            return "there is no compiled core; run `make wheel`"
        return ""

    def _build_java(self) -> str:
        """Compile the harness of exchange-core's book; return why that cannot be done, or ""."""
        missing = [tool for tool in ("mvn", "javac") if not shutil.which(tool)]
        if missing:
            return f"{missing[0]} is not installed"
        paths = self.folder / "classpath"
        goal = ["dependency:build-classpath", f"-Dmdep.outputFile={paths}"]
        maven = ["mvn", "-q", "-f", str(JAVA_FOLDER / "pom.xml"), *goal]
        try:
            subprocess.run(maven, check=True, capture_output=True, timeout=_MAVEN_TIMEOUT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return "Maven does not serve it here"
        self.classpath = f"{self.folder}:{paths.read_text(encoding='utf-8').strip()}"
        source = str(JAVA_FOLDER / "ExchangeCoreBook.java")
        compiler = ["javac", "-d", str(self.folder), "-cp", self.classpath, source]
        subprocess.run(compiler, check=True, capture_output=True)
        return ""

    def rounds(
        self, workloads: list[str], engines: list[str], count: int
    ) -> Iterator[tuple[str, str, dict[str, Any]]]:
        files = {}
        for name in workloads:
            self.tell(f"workload {name}")
            files[name] = cached(name, self.commands, CACHE)
        for number in range(count):
            self.tell(f"round {number + 1} of {count}")
            for name, file in files.items():
                for engine in engines:
                    if engine not in SLOW_COMMANDS or (name in SMALL_WORKLOADS and number < 3):
                        yield name, engine, self.measure(engine, file)

    def measure(self, engine: str, file: Path) -> dict[str, Any]:
        """Return what one round of an engine on a workload gives."""
        if engine.startswith("cpp"):
            return self._measure_cpp("risk" if engine == "cpp+risk" else "bare", file)
        if engine == "exchange-core":
            return self._measure_java(file)
        commands = min(SLOW_COMMANDS.get(engine, self.commands), self.commands)
        latency = engine in ("core", "core+risk")
        name = "core+risk" if engine == "interpreted" else engine
        return self.worker(name, file, commands, RATE if latency else 0, engine == "interpreted")

    def worker(
        self, engine: str, file: Path, commands: int, rate: int, interpreted: bool = False
    ) -> dict[str, Any]:
        compiled = not interpreted and _has_compiled_core()
        mode = "compiled" if compiled else "interpreted"
        with tempfile.TemporaryDirectory(dir=self.folder) as journal:
            arguments = [engine, str(file), str(commands), str(rate), journal]
            document = _run([sys.executable, "-m", "tests.bench", "worker", *arguments], mode)
        result: dict[str, Any] = json.loads(document)
        if engine.startswith("core"):
            assert result["compiled"] == compiled, f"{engine} ran another build of the core"
        return result

    def _measure_cpp(self, mode: str, file: Path) -> dict[str, Any]:
        head, *latencies = _run([str(self.program), mode, str(file), str(RATE)]).splitlines()
        nanoseconds, checksum = head.split()
        return {
            "compiled": True,
            "ns_per_command": float(nanoseconds),
            "checksum": int(checksum),
            "latency_ns": [int(line) for line in latencies],
        }

    def _measure_java(self, file: Path) -> dict[str, Any]:
        harness = ["ExchangeCoreBook", str(file), str(_JAVA_WARM_UP_S)]
        command = ["java", *_JAVA_HEAP, "-cp", self.classpath, *harness]
        return {"compiled": True, "ns_per_command": float(_run(command))}


def _run(command: list[str], mode: str = "auto") -> str:
    environment = os.environ | _HUGE_PAGES | {"TRADING_CORE": mode}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _imports(module: str) -> bool:
    probe = [sys.executable, "-c", f"import {module}"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _has_compiled_core() -> bool:
    from hotpath import build

    try:
        build.check_build()
    except build.CoreBuildError:
        return False
    return True


def _check_same_events(samples: dict[tuple[str, str], Samples], workload: str) -> None:
    """The yardstick counts only if it does the same work: its events are the core's."""
    ours, theirs = samples.get((workload, "core+risk")), samples.get((workload, "cpp+risk"))
    if ours and theirs and ours.checksum & (1 << 63) - 1 != theirs.checksum:
        raise SystemExit(f"{workload}: the C++ yardstick gave other events than the core")


def run(arguments: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure what the command line asks for; return the document that `--json` prints."""
    with tempfile.TemporaryDirectory(prefix="trading-bench-", dir=ROOT) as folder:
        bench = Bench(arguments.commands, Path(folder), tell)
        engines = bench.prepare(arguments.engines.split(","))
        workloads = arguments.workloads.split(",")
        samples: dict[tuple[str, str], Samples] = {}
        for workload, engine, result in bench.rounds(workloads, engines, arguments.rounds):
            samples.setdefault((workload, engine), Samples()).add(result)
        for workload in workloads:
            _check_same_events(samples, workload)
        tell("noise floor and memory")
        first = cached(workloads[0], arguments.commands, CACHE)
        noise = bench.worker("noise", first, 50_000, RATE)["latency_ns"]
        memory = bench.worker("core-memory", first, arguments.resting, 0)
    return {
        "noise": {**(percentiles_us(noise) or {}), "commands_per_second": RATE},
        "rows": [samples[key].row(*key) for key in sorted(samples, key=_place_in_table)],
        "bytes_per_resting_order": memory["bytes_per_resting_order"],
        "resting_orders": arguments.resting,
        "rounds": arguments.rounds,
        "commands": arguments.commands,
        "skipped": bench.skipped,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python"
        f" {platform.python_version()}",
    }


def _place_in_table(key: tuple[str, str]) -> tuple[int, int]:
    return list(WORKLOADS).index(key[0]), ENGINES.index(key[1])


def main(words: list[str]) -> int:
    """Run `trading bench engine` with these arguments; return the exit code."""
    parser = argparse.ArgumentParser(prog="trading bench engine", description=__doc__)
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--commands", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--resting", type=int, default=1_000_000, help="orders for the memory row")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--quick", action="store_true", help="few commands and rounds, for CI")
    parser.add_argument("--write-doc", action="store_true", help="write docs/PERFORMANCE.md")
    arguments = parser.parse_args(words)
    if arguments.quick:
        arguments.workloads, arguments.commands = "ec1k,it1k", 20_000
        arguments.rounds, arguments.resting = 2, 50_000
    document = run(arguments, lambda line: print(line, file=sys.stderr, flush=True))
    print(json.dumps(document) if arguments.json else report.table(document))
    if arguments.write_doc:
        replace_main(report.markdown(document))
    return 0
