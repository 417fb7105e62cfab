"""Drive the core and the naive book with the same seeded commands and compare them.

    python -m tests.reference --commands 200000 --seeds 2

Events are compared after every command, state and invariants every `--check` commands. TRADING_CORE
chooses the build of the core (`compiled`, `interpreted`, `auto`).
"""

import argparse
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hotpath.core.api import Engine
from shared.domain import records as r
from shared.domain.reject_codes import CancelReason, RejectCode
from tests.reference.canonical import snapshot_bytes, state_hash
from tests.reference.command_mix import CommandMix
from tests.reference.invariants import check_invariants
from tests.reference.naive_book import NaiveEngine

_SUMMARY = "Drive the core and the naive book with the same seeded commands; compare."

# Small tables, so that CAPACITY and the bound on trades are reached.
LIMITS = {
    "max_orders": 400,
    "max_accounts": 7,
    "max_instruments": 4,
    "max_levels": 1 << 13,
    "max_holds": 20,
    "max_trades": 4,
}


@dataclass
class Outcome:
    commands: int = 0
    difference: str = ""
    events: Counter[str] = field(default_factory=Counter)


def run(seed: int, commands: int, check_every: int) -> Outcome:
    """Compare both for one seed; stop at the first difference."""
    mix = CommandMix(seed)
    limits: dict[str, Any] = {**LIMITS, "max_ids": max(500, commands * 3 // 10)}
    fast, naive = Engine(**limits), NaiveEngine(**limits)
    outcome = Outcome()
    for number in range(1, commands + 1):
        words = mix.draw()
        fast.reset_events()
        got, expected = fast.apply_words(words), naive.apply_words(words)
        outcome.commands = number
        if got != expected:
            outcome.difference = f"{words}\n  core  {got}\n  naive {expected}"
            return outcome
        mix.observe(got)
        outcome.events.update(map(_name, got))
        if number % check_every == 0 or number == commands:
            check_invariants(fast)
            if fast.state_hash() != state_hash(naive):
                outcome.difference = f"{words}\n  state hashes differ"
                return outcome
    if fast.snapshot_bytes() != snapshot_bytes(naive):
        outcome.difference = "snapshots differ"
    return outcome


_EVENT_NAMES = {
    getattr(r, name): name
    for name in (
        "ORDER_ACCEPTED",
        "TRADE_EXECUTED",
        "ORDER_RESTED",
        "ORDER_CANCELLED",
        "ORDER_REPLACED",
        "CASH_CHANGED",
        "POSITION_CHANGED",
        "ACCOUNT_ADDED",
        "INSTRUMENT_ADDED",
        "LIMITS_CHANGED",
        "ACCOUNT_STATE_CHANGED",
        "INSTRUMENT_STATE_CHANGED",
        "MASS_CANCELLED",
    )
}


def every_name() -> set[str]:
    """Return all that a run should have seen: each event, refusal and reason of a cancel."""
    names = set(_EVENT_NAMES.values()) - {"ORDER_CANCELLED"}
    names |= {f"ORDER_CANCELLED {reason.name}" for reason in CancelReason}
    refusals = set(RejectCode) - {RejectCode.ENGINE_BUSY}  # the gateway's own
    return names | {f"REJECTED {code.name}" for code in refusals}


def _name(event: tuple[int, ...]) -> str:
    kind, code = event[0] & 0xFF, event[0] >> 16 & 0xFFFF
    if kind == r.REJECTED:
        return f"REJECTED {RejectCode(code).name}"
    if kind == r.ORDER_CANCELLED:
        return f"ORDER_CANCELLED {CancelReason(code).name}"
    return _EVENT_NAMES[kind]


def main(mode: str) -> int:
    """Run what the command line asks for; `mode` is the build of the core. Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference", description=_SUMMARY)
    parser.add_argument("--commands", type=int, default=200_000, help="in all, over the seeds")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--check", type=int, default=1000, help="compare the state so often")
    arguments = parser.parse_args()
    seen: Counter[str] = Counter()
    total = differences = 0
    each = max(1, arguments.commands // arguments.seeds)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        outcome = run(seed, each, arguments.check)
        total += outcome.commands
        seen += outcome.events
        if outcome.difference:
            differences += 1
            print(f"seed {seed}, command {outcome.commands}: {outcome.difference}")
            print(
                "reproduce: python -m tests.reference"
                f" --first-seed {seed} --commands {outcome.commands} --check 1"
            )
    for name, count in sorted(seen.items()):
        print(f"{count:>10}  {name}")
    print(f"core={mode} commands={total} differences={differences}")
    return 1 if differences else 0
