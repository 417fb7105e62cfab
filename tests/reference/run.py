"""Drives the naive market with a seeded stream, and checks it after every command.

python -m tests.reference.run --commands 5000 --seed 1
"""

import argparse
from collections import Counter

from shared.domain import records as r
from shared.domain.order_rules import order_rules
from shared.domain.reject_codes import CancelReason, RejectCode
from tests.reference.command import Command
from tests.reference.engine import NaiveEngine
from tests.reference.generator import Generator
from tests.reference.invariants import Ledger, check
from tests.reference.model import Event

SETTINGS = {"max_work": 8, "max_accounts": 8, "max_instruments": 3, "max_holds": 40}
SETTINGS |= {"max_orders": 80, "max_followers": 12, "max_trades": 6, "max_ids": 20_000}
SETTINGS |= {"throttle_window_ns": 20_000, "events_of_number": 20}
NOT_EVENTS = ("FLAG_", "SESSION_", "SELF_", "UNCROSS_", "PEGGED", "PLACE_")
EVENTS = {
    value: name
    for name, value in vars(r).items()
    if name.endswith(("ED", "ING", "_HIT", "_DONE", "_PRICE", "_REMAINS"))
    and not name.startswith(NOT_EVENTS)
    and name not in ("C_PRICE", "E_PRICE", "E_OLD_PRICE", "E_SETTLED", "E_RESERVED")
    and name not in ("ACCOUNT_HALTED", "ACCOUNT_REDUCING")
}


def run(seed: int, commands: int) -> Counter[str]:
    """Run one seed; return how often each type, session, event and reject code occurred."""
    generator, engine = Generator(seed), NaiveEngine(**SETTINGS)
    ledger, reached, exempt = Ledger(), Counter[str](), set[int]()
    for number in range(commands):
        words = generator.draw()
        try:
            events = engine.apply_words(words)
            generator.observe(events)
            ledger.follow(engine.market, events)
            note_exempt(words, exempt)
            check(engine.market, exempt)
        except Exception as fault:
            fault.add_note(f"seed {seed}, command {number}: {words}")
            raise
        count_reached(reached, engine, Command(tuple(words)), events)
    return reached


def note_exempt(words: list[int], exempt: set[int]) -> None:
    """Remember accounts with margin or amended trades."""
    kind = words[0] & 0xFF
    if kind == r.SET_MARGIN:
        exempt.add(words[r.C_ACCOUNT])
    elif kind in (r.BUST_TRADE, r.CORRECT_TRADE):
        exempt.update((words[r.C_TRADE_BUYER], words[r.C_TRADE_SELLER]))


def count_reached(
    reached: Counter[str], engine: NaiveEngine, command: Command, events: list[Event]
) -> None:
    """Count what a command and its events are, and the sessions that it met."""
    values = order_rules().values
    if command.kind == r.PLACE_ORDER_EXTENDED and events[0][0] & 0xFF == r.ORDER_ACCEPTED:
        reached[f"type {values['type'][command.order_type - 1]}"] += 1
        reached[f"time {values['time_in_force'][command.time_in_force - 1]}"] += 1
        reached[f"mode {values['self_trade'][command.self_trade]}"] += 1
    for event in events:
        kind, code = event[0] & 0xFF, event[0] >> 16 & 0xFFFF
        reached[f"event {EVENTS[kind]}"] += 1
        if kind == r.ORDER_CANCELLED:
            reached[f"reason {CancelReason(code).name}"] += 1
        if kind == r.REJECTED:
            reached[f"code {RejectCode(code).name}"] += 1
    for instrument in engine.market.instruments.values():
        reached[f"session {values['session'][instrument.session - 1]}"] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name, times in sorted(run(options.seed, options.commands).items()):
        print(f"{times:8}  {name}")


if __name__ == "__main__":
    main()
