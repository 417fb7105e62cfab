"""Drive the core and the naive market with the same seeded commands and compare them.

    python -m tests.reference --commands 200000 --seeds 4

Events are compared after every command, state hashes and invariants every `--check` commands, and
snapshots at the end, where the core also goes on from its own snapshot. The compiled core is
compared with the naive market, and the interpreted core with the compiled one, by digests of all
events and of the state each 1,000 commands. Without a compiled build the interpreted core is
compared with the naive market. `--jobs` processes share the seeds.
"""

import argparse
import os
from collections import Counter
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Final

from hotpath.build import CoreBuildError, check_build, select_core

# The core is loaded in the processes of the pools only: each has one of the two builds. So nothing
# that is compiled may be imported here, codes included.

_SUMMARY: Final = "Drive the core and the naive market with the same seeded commands; compare."
OFTEN: Final = 100  # how often a long run has to reach everything
BUILDS: Final = ("compiled", "interpreted")


def builds_here() -> tuple[str, ...]:
    """Return the builds that there are: the compiled one first, if it is current."""
    try:
        check_build()
    except CoreBuildError:
        return BUILDS[1:]
    return BUILDS


class Fuzz:
    """One run over some seeds; prints differences as they are found."""

    def __init__(self, commands: int, check_every: int, builds: tuple[str, ...]) -> None:
        self.commands = commands
        self.check_every = check_every
        self.builds = builds
        self.total = self.differences = 0
        self.reached: Counter[str] = Counter()

    def run(self, seeds: range, jobs: int) -> None:
        pools = [_pool(build, jobs) for build in self.builds]
        try:
            with_naive: list[Future[Any]] = []
            alone: list[Future[Any]] = []
            for seed in seeds:
                with_naive.append(pools[0].submit(_compare, seed, self.commands, self.check_every))
                if len(pools) > 1:
                    alone.append(pools[1].submit(_digests, seed, self.commands))
            for number, seed in enumerate(seeds):
                outcome = with_naive[number].result()
                other = alone[number].result() if alone else outcome.digests
                self._count(seed, outcome, other)
        finally:
            for pool in pools:
                pool.shutdown(cancel_futures=True)

    def _count(self, seed: int, outcome: Any, other: list[int]) -> None:
        self.total += outcome.commands
        self.reached += outcome.reached
        if outcome.difference:
            self._tell(seed, outcome.commands, outcome.difference)
        elif outcome.digests != other:
            same = sum(a == b for a, b in zip(outcome.digests, other, strict=True))
            self._tell(seed, (same + 1) * 1_000, "compiled and interpreted core differ")

    def _tell(self, seed: int, commands: int, difference: str) -> None:
        self.differences += 1
        print(f"seed {seed}, command {commands}: {difference}")
        print(
            "reproduce: python -m tests.reference"
            f" --first-seed {seed} --commands {commands} --check 1",
            flush=True,
        )


def _pool(build: str, jobs: int) -> ProcessPoolExecutor:
    context = get_context("spawn")
    return ProcessPoolExecutor(jobs, context, initializer=_load, initargs=(build,))


def _load(build: str) -> None:
    os.environ["TRADING_CORE"] = build
    select_core(build)


def _compare(seed: int, commands: int, check_every: int) -> Any:
    from tests.reference import compare

    return compare.run(seed, commands, check_every)


def _digests(seed: int, commands: int) -> list[int]:
    from tests.reference import compare

    return compare.digests(seed, commands)


def every_name() -> set[str]:
    """Return all that a long run has to reach: types, times, modes, sessions, events, codes."""
    from shared.domain.order_rules import order_rules
    from shared.domain.reject_codes import CancelReason, RejectCode
    from tests.reference.run import EVENTS

    values = order_rules().values
    wanted = {f"code {code.name}" for code in RejectCode}
    wanted |= {f"event {name}" for name in EVENTS.values()}
    wanted |= {f"reason {reason.name}" for reason in CancelReason}
    wanted |= {f"type {name}" for name in values["type"]}
    wanted |= {f"time {name}" for name in values["time_in_force"]}
    wanted |= {f"mode {name}" for name in values["self_trade"]}
    return wanted | {f"session {name}" for name in values["session"]}


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=_SUMMARY)
    parser.add_argument("--commands", type=int, default=200_000, help="in all, over the seeds")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--check", type=int, default=1000, help="compare the state so often")
    parser.add_argument("--jobs", type=int, default=1, help="processes of each build")
    parser.add_argument("--builds", nargs="+", choices=BUILDS, help="default: those that are here")
    arguments = parser.parse_args()
    builds = tuple(arguments.builds or builds_here())
    each = max(1, arguments.commands // arguments.seeds)
    fuzz = Fuzz(each, arguments.check, builds)
    fuzz.run(range(arguments.first_seed, arguments.first_seed + arguments.seeds), arguments.jobs)
    for name in sorted(set(fuzz.reached) | every_name()):
        count = fuzz.reached[name]
        print(f"{count:>10}  {name}{'' if count >= OFTEN else '  (rare)'}")
    against = ", ".join(("naive", *builds))
    print(f"commands={fuzz.total} differences={fuzz.differences} ({against})")
    return 1 if fuzz.differences else 0
