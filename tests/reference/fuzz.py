"""Drive the core and the naive market with the same seeded commands and compare them.

    python -m tests.reference --commands 200000 --seeds 4

Events are compared after every command, state hashes and invariants every `--check` commands, and
snapshots at the end, where the core also goes on from its own snapshot. `--jobs` processes share
the seeds.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Any

from hotpath.core.engine import Engine
from shared.domain.order_rules import order_rules
from shared.domain.reject_codes import CancelReason, RejectCode
from tests.reference import canonical
from tests.reference.command import Command
from tests.reference.engine import NaiveEngine
from tests.reference.generator import Generator
from tests.reference.invariants import Ledger, check
from tests.reference.run import EVENTS, SETTINGS, count_reached, note_exempt

_SUMMARY = "Drive the core and the naive market with the same seeded commands; compare."
LADDER_TICKS = 32  # so that the prices beside the ladder are used as well
OFTEN = 100  # how often a long run has to reach everything


@dataclass
class Outcome:
    seed: int
    commands: int = 0
    difference: str = ""
    reached: Counter[str] = field(default_factory=Counter)


def run(seed: int, commands: int, check_every: int) -> Outcome:
    """Compare both for one seed; stop at the first difference."""
    outcome = Outcome(seed)
    limits: dict[str, Any] = {**SETTINGS, "ladder_ticks": LADDER_TICKS}
    generator, fast, naive = Generator(seed), Engine(**limits), NaiveEngine(**SETTINGS)
    ledger, exempt = Ledger(), set[int]()
    for number in range(1, commands + 1):
        words = generator.draw()
        fast.reset_events()
        got, expected = fast.apply_words(list(words)), naive.apply_words(words)
        outcome.commands = number
        if got != expected:
            outcome.difference = f"{words}\n  core  {got}\n  naive {expected}"
            return outcome
        generator.observe(got)
        note_exempt(words, exempt)
        count_reached(outcome.reached, naive, Command(tuple(words)), got)
        if check_every == 1:
            ledger.follow(naive.market, got)
        if number % check_every == 0 or number == commands:
            check(naive.market, exempt)
            if fast.state_hash() != canonical.state_hash(naive.market):
                outcome.difference = f"{words}\n  state hashes differ"
                return outcome
    snapshot = fast.snapshot_bytes()
    if snapshot != canonical.snapshot_bytes(naive.market):
        outcome.difference = "snapshots differ"
    elif not _goes_on(snapshot, fast, generator, limits):
        outcome.difference = "the engine restored from its snapshot goes on in another way"
    return outcome


def _goes_on(snapshot: bytes, fast: Engine, generator: Generator, limits: dict[str, Any]) -> bool:
    """Say whether an engine restored from a snapshot answers as the one that it was taken of."""
    restored = Engine(**limits)
    restored.restore(snapshot)
    if restored.snapshot_bytes() != snapshot:
        return False
    for _ in range(200):
        words = generator.draw()
        fast.reset_events()
        got = fast.apply_words(list(words))
        if restored.apply_words(list(words)) != got:
            return False
        generator.observe(got)
    return restored.state_hash() == fast.state_hash()


def every_name() -> set[str]:
    """Return all that a long run has to reach: types, times, modes, sessions, events, codes."""
    values = order_rules().values
    wanted = {f"code {code.name}" for code in RejectCode if code.name != "ENGINE_BUSY"}
    wanted |= {f"event {name}" for name in EVENTS.values()}
    wanted |= {f"reason {reason.name}" for reason in CancelReason}
    wanted |= {f"type {name}" for name in values["type"]}
    wanted |= {f"time {name}" for name in values["time_in_force"]}
    wanted |= {f"mode {name}" for name in values["self_trade"]}
    return wanted | {f"session {name}" for name in values["session"]}


def _outcomes(seeds: range, commands: int, check_every: int, jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        for seed in seeds:
            yield run(seed, commands, check_every)
        return
    with ProcessPoolExecutor(jobs, get_context("fork")) as pool:
        tasks = [pool.submit(run, seed, commands, check_every) for seed in seeds]
        for task in tasks:
            yield task.result()


def main() -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=_SUMMARY)
    parser.add_argument("--commands", type=int, default=200_000, help="in all, over the seeds")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--check", type=int, default=1000, help="compare the state so often")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    arguments = parser.parse_args()
    reached: Counter[str] = Counter()
    total = differences = 0
    each = max(1, arguments.commands // arguments.seeds)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    for outcome in _outcomes(seeds, each, arguments.check, arguments.jobs):
        total += outcome.commands
        reached += outcome.reached
        if outcome.difference:
            differences += 1
            print(f"seed {outcome.seed}, command {outcome.commands}: {outcome.difference}")
            print(
                "reproduce: python -m tests.reference"
                f" --first-seed {outcome.seed} --commands {outcome.commands} --check 1"
            )
    for name in sorted(set(reached) | every_name()):
        print(f"{reached[name]:>10}  {name}{'' if reached[name] >= OFTEN else '  (rare)'}")
    print(f"commands={total} differences={differences}")
    return 1 if differences else 0
