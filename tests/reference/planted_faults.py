"""Does the fuzzer find faults? Lines of a copy of the core are put wrong, one at a time.

    python -m tests.reference.planted_faults [--first 5] [--most 1000000]

The copy runs interpreted; the table tells after how many commands a difference was seen.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMANDS_A_SEED = 50_000


@dataclass(frozen=True)
class Fault:
    """One line of a file of the core, and what stands there instead."""

    file: str
    sound: str
    wrong: str


FAULTS = (
    Fault("icebergs", "    orders.arrive(orders.words, order)\n", ""),
    Fault("icebergs", "min(cold[row + X_DISPLAY], ", "max(cold[row + X_DISPLAY], "),
    Fault("book", "behind = levels[dark + D_LAST_PEGGED]", "behind = levels[dark + D_LAST_SHOWN]"),
    Fault("trees", "while nodes[below + N_BIT] > bit:", "while nodes[below + N_BIT] > bit + 1:"),
    Fault("ladder", "if far < best:", "if far > best:"),
    Fault("fees", "    if part > 0:\n", "    if part > 500_000:\n"),
    Fault("promises", "(rest + leverage - 1) // leverage", "rest // leverage"),
    Fault("promises", "more = leverage - 100 if worth > 0", "more = leverage if worth > 0"),
    Fault("risk", "return after <= (-total", "return after < (-total"),
    Fault("risk", "> accounts[account + A_MAX_POSITION]", ">= accounts[account + A_MAX_POSITION]"),
    Fault("stepping", "lots: i64 = min(hand.lots, state", "lots: i64 = max(hand.lots, state"),
    Fault("stepping", "    icebergs.replenish(state, resting)\n", "    pass\n"),
    Fault(
        "leaving",
        "        if child != 0:\n            wake",
        "        if child == -1:\n            wake",
    ),
    Fault("pegs", "orders.arrived(order) < oldest", "orders.arrived(order) > oldest - (1 << 62)"),
    Fault("pegs", "(own + other + 1) // 2", "(own + other) // 2"),
    Fault("trailing", "= min(cold[row + X_STOP], price +", "= max(cold[row + X_STOP], price +"),
    Fault("work", "stop <= words[instrument + I_HIGH]", "stop < words[instrument + I_HIGH]"),
    Fault("auction", "if buying == self.count:", "if buying > 0:"),
    Fault("auction_sides", "arrived(self.resting) < orders", "arrived(self.resting) > orders"),
    Fault("throttles", "words[at + 2] >= words[at]", "words[at + 2] > words[at]"),
    Fault("sweeping", "<= sweep.expired_at", "< sweep.expired_at"),
    Fault("prices", ">= reference * bps // BASIS_POINTS", "> reference * bps // BASIS_POINTS"),
    Fault("ids", "word >> SLOT_BITS > self.until", "word >> SLOT_BITS >= self.until"),
    Fault("trial", "self.traded += lots", "self.traded += leaves"),
    Fault("entering", "would_trade() < least", "would_trade() <= least"),
    Fault("matching", "self.state.instruments.words[instrument + I_HIGH] = price", "pass"),
    Fault("state", "self.sequence + (events - 1) //", "self.sequence + 1 + events //"),
    Fault(
        "sorting",
        "pairs[at])\n        at += 2\n    return highest",
        "pairs[0])\n        at += 2\n    return highest",
    ),
    Fault("restore_orders", "count + rank + 1", "count + 1"),
)


def run(fault: Fault, most: int, first_seed: int = 1) -> int:
    """Return how many commands it took to see a fault; 0: it was not seen."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        copy = _copy(Path(folder), fault)
        done = 0
        seed = first_seed
        while done < most:
            output = _fuzz(copy, seed)
            found = re.search(r"^seed \d+, command (\d+):", output, re.MULTILINE)
            if found:
                return done + int(found[1])
            if "differences=0" not in output:
                return done + 1  # it raised
            done += COMMANDS_A_SEED
            seed += 1
    return 0


def _copy(folder: Path, fault: Fault) -> Path:
    """Return a tree in which the core has the fault, and all else is as here."""
    for name in ("shared", "tests"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "hotpath", folder / "hotpath", ignore=shutil.ignore_patterns("*.so"))
    file = folder / "hotpath" / "core" / f"{fault.file}.py"
    text = file.read_text(encoding="utf-8")
    if fault.sound not in text:
        raise SystemExit(f"{fault.file} has no {fault.sound!r} any more")
    file.write_text(text.replace(fault.sound, fault.wrong, 1), encoding="utf-8")
    return folder


def _fuzz(folder: Path, seed: int) -> str:
    arguments = [
        "--commands",
        str(COMMANDS_A_SEED),
        "--first-seed",
        str(seed),
        "--check",
        "200",
        "--builds",
        "interpreted",
    ]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "tests.reference", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description="Put lines of the core wrong; see them found.")
    parser.add_argument("--first", type=int, default=len(FAULTS), help="only so many faults")
    parser.add_argument("--most", type=int, default=1_000_000, help="commands for each")
    parser.add_argument("--jobs", type=int, default=2, help="faults tried at the same time")
    arguments = parser.parse_args()
    faults = FAULTS[: arguments.first]
    with ThreadPoolExecutor(arguments.jobs) as pool:  # each runs in a process of its own
        found = pool.map(lambda fault: run(fault, arguments.most), faults)
        unseen = sum(
            [_tell(fault, commands) for fault, commands in zip(faults, found, strict=True)]
        )
    print(f"faults={len(faults)} unseen={unseen}")
    return 1 if unseen else 0


def _tell(fault: Fault, commands: int) -> bool:
    """Print how a fault was found; return whether it was not."""
    told = f"after {commands:>7} commands" if commands else "NOT SEEN"
    print(f"{told}  {fault.file}: {fault.wrong.strip() or 'line left out'}", flush=True)
    return commands == 0


if __name__ == "__main__":
    sys.exit(main())
