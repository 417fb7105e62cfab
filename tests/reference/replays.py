"""Replays a journal in fresh processes: same events and state, whatever build and hash seed.

    python -m tests.reference.replays --commands 1000000

The journal holds orders of 1,000 accounts on ten instruments, in the two mixes of
`tests/bench/workloads.py`. `trading journal verify` compares the events that a replay makes with
the bytes journaled, and tells the hash of the state at the end.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hotpath.build import select_core
from tests.reference.fuzz import builds_here

ROOT: Final = Path(__file__).parents[2]
HASH_SEEDS: Final = ("0", "1", "4242")
_TIMEOUT_S: Final = 1_800


@dataclass(frozen=True, slots=True)
class Replay:
    """What one process made of a journal; `failure` says where it differs, if it does."""

    build: str
    hash_seed: str
    sequence: int = 0
    state_hash: str = ""
    failure: str = ""

    @property
    def outcome(self) -> tuple[int, str, str]:
        """Return what has to be equal in all processes."""
        return self.sequence, self.state_hash, self.failure


def replay(journal: Path, build: str, hash_seed: str) -> Replay:
    """Replay a journal in a process of its own."""
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "TRADING_CORE": build}
    command = [sys.executable, "-m", "infra.cli.main", "journal", "verify", "--json"]
    done = subprocess.run(
        [*command, "--journal", str(journal)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
    )
    if done.returncode != 0:
        return Replay(build, hash_seed, failure=done.stderr.strip() or done.stdout.strip())
    told = json.loads(done.stdout)
    return Replay(build, hash_seed, told["sequence"], told["state_hash"])


def replays(journal: Path) -> list[Replay]:
    """Replay a journal with each build that is here and each hash seed."""
    return [replay(journal, build, seed) for build in builds_here() for seed in HASH_SEEDS]


def differences(found: list[Replay]) -> int:
    """Return how many replays failed or ended elsewhere than the first."""
    return sum(bool(one.failure) or one.outcome != found[0].outcome for one in found)


def main() -> int:
    """Replay as the command line asks; return 0 when all agree."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference.replays")
    parser.add_argument("--commands", type=int, default=1_000_000)
    commands = parser.parse_args().commands
    select_core()
    from tests.bench.journals import write_journal

    wrong = 0
    with tempfile.TemporaryDirectory(prefix="replays-") as folder:
        for mix in ("ec", "it"):
            write_journal(Path(folder) / mix, commands // 2, mix=mix)
            found = replays(Path(folder) / mix)
            wrong += differences(found)
            for one in found:
                end = one.failure or f"{one.sequence} commands, state {one.state_hash}"
                print(f"{mix}  {one.build:<11}  PYTHONHASHSEED={one.hash_seed}: {end}", flush=True)
    print(f"commands={commands} differences={wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
