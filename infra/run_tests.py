"""`make test`: the core's own suite on both builds of the core, and all other tests once.

The passes share no server, port or folder, and most of what they do is wait for processes: so two
of them run side by side, the longest first. `--jobs 1` runs one after the other.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from hotpath.build import ROOT, ensure_core_build

# All other folders of tests/ make one more pass.
GROUPS: Final = (("e2e", "security"), ("integration",), ("chaos", "fuzz", "sim", "bench"))
CORE_FOLDERS: Final = ("unit", "property", "golden")  # where the core's own suite lies
_NOTHING_FOUND: Final = 5  # pytest's exit code when no test is chosen, as with -k
# As pytest tells them; what is deselected in one pass runs in another.
_TOLD: Final = ("failed", "passed", "skipped", "xfailed", "xpassed", "warning", "error")
_PLURAL: Final = ("warning", "error")
_COUNT: Final = re.compile(
    r"(\d+) (passed|failed|errors?|skipped|deselected|xfailed|xpassed|warnings?)\b"
)


@dataclass(frozen=True)
class Pass:
    """One run of pytest: some folders, on one build of the core."""

    name: str
    mode: str
    markers: str
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """How a pass ended: pytest's exit code, and the counts of its closing line."""

    code: int
    counts: Counter[str]


def main() -> int:
    """Run all passes; return the exit code of the first that failed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("pytest", nargs="*", help="arguments for every pass, after --")
    options = parser.parse_args()

    started = time.monotonic()
    runner = Runner(options.pytest)
    with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        first = pool.submit(runner.run, core_pass("interpreted"))  # while the core compiles
        choice = ensure_core_build(runner.say)
        runner.say(f"core: {choice.mode} {choice.reason} ({time.monotonic() - started:.1f} s)")
        passes = other_passes(choice.mode)
        if choice.mode == "compiled":
            passes.append(core_pass("compiled"))
        outcomes = [*pool.map(runner.run, passes), first.result()]
    if choice.mode != "compiled":
        runner.say(f"THE COMPILED CORE IS NOT TESTED: {choice.reason}")
    return conclude(outcomes, time.monotonic() - started)


def core_pass(mode: str) -> Pass:
    """Return the core's own suite on one of its builds."""
    return Pass(f"core, {mode}", mode, "core", CORE_FOLDERS)


def other_passes(mode: str) -> list[Pass]:
    """Return all other tests: each folder is in one pass."""
    grouped = {folder for group in GROUPS for folder in group}
    rest = tuple(folder for folder in folders_with_tests() if folder not in grouped)
    return [Pass(", ".join(group), mode, "not core", group) for group in (*GROUPS, rest)]


def folders_with_tests() -> list[str]:
    """Return the folders of tests/ that hold tests."""
    folders = {
        file.relative_to(ROOT / "tests").parts[0] for file in ROOT.glob("tests/**/test_*.py")
    }
    return sorted(folders)


class Runner:
    """Runs passes, several at once; what each says is printed as a whole when it has ended."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments
        self._printing = threading.Lock()

    def run(self, wanted: Pass) -> Outcome:
        """Run a pass and print what it said."""
        self.say(f"{wanted.name}: started")
        began = time.monotonic()
        left_out = [name for name in folders_with_tests() if name not in wanted.folders]
        done = subprocess.run(
            [
                *(sys.executable, "-m", "infra.supervise"),
                *(sys.executable, "-m", "pytest", "-m", wanted.markers, "--durations=20"),
                *(f"--ignore=tests/{name}" for name in left_out),
                *self._arguments,
            ],
            cwd=ROOT,
            env=os.environ | {"TRADING_CORE": wanted.mode},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        with self._printing:
            print(f"== {wanted.name} ({time.monotonic() - began:.0f} s)\n{done.stdout}", flush=True)
        return Outcome(done.returncode, counts(done.stdout))

    def say(self, line: str) -> None:
        with self._printing:
            print(f"== {line.strip()}", flush=True)


def counts(output: str) -> Counter[str]:
    """Return what pytest's closing line counts."""
    closing = output.rstrip().rpartition("\n")[2]
    return Counter({word.rstrip("s"): int(number) for number, word in _COUNT.findall(closing)})


def conclude(outcomes: Sequence[Outcome], seconds: float) -> int:
    """Print one closing line for all passes, as pytest would; return the exit code."""
    codes = [outcome.code for outcome in outcomes]
    failures = [code for code in codes if code not in (0, _NOTHING_FOUND)]
    if not failures and 0 not in codes:
        failures = [_NOTHING_FOUND]
    total = sum((outcome.counts for outcome in outcomes), Counter[str]())
    text = ", ".join(
        f"{total[word]} {word}{'s' if word in _PLURAL and total[word] > 1 else ''}"
        for word in _TOLD
        if total[word]
    )
    line = f" {text or 'no tests ran'} in {seconds:.2f}s "
    print(f"{line:=^100}", flush=True)
    return failures[0] if failures else 0


if __name__ == "__main__":
    sys.exit(main())
