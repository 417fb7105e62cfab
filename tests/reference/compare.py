"""One seed through the core and the naive market, compared command by command."""

import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from hotpath.core.engine import Engine
from tests.reference import canonical
from tests.reference.command import Command
from tests.reference.engine import NaiveEngine
from tests.reference.generator import Generator
from tests.reference.invariants import Ledger, check
from tests.reference.model import Event
from tests.reference.run import SETTINGS, count_reached, note_exempt

LADDER_TICKS: Final = 32  # so that the prices beside the ladder are used as well
LIMITS: Final[dict[str, Any]] = {**SETTINGS, "ladder_ticks": LADDER_TICKS}
DIGEST_EVERY: Final = 1_000  # commands


@dataclass
class Outcome:
    """What one seed gave: how far it went, the first difference, what it reached, its digests."""

    seed: int
    commands: int = 0
    difference: str = ""
    reached: Counter[str] = field(default_factory=Counter)
    digests: list[int] = field(default_factory=list)


def run(seed: int, commands: int, check_every: int) -> Outcome:
    """Compare both for one seed; stop at the first difference."""
    outcome = Outcome(seed)
    generator, fast, naive = Generator(seed), Engine(**LIMITS), NaiveEngine(**SETTINGS)
    fast.look_ahead.from_orders = 0  # always, not in large books alone
    fast.state.ids.rows_a_step = 1
    ledger, exempt, digest = Ledger(), set[int](), _Digest(outcome.digests)
    for number in range(1, commands + 1):
        words = generator.draw()
        fast.reset_events()
        got, expected = fast.apply_words(list(words)), naive.apply_words(words)
        outcome.commands = number
        if got != expected:
            outcome.difference = f"{words}\n  core  {got}\n  naive {expected}"
            return outcome
        generator.observe(got)
        digest.note(fast, number, got)
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
    elif not _goes_on(snapshot, fast, generator):
        outcome.difference = "the engine restored from its snapshot goes on in another way"
    return outcome


def digests(seed: int, commands: int) -> list[int]:
    """Return what the loaded build alone makes of a seed: a digest each DIGEST_EVERY commands."""
    generator, fast, found = Generator(seed), Engine(**LIMITS), list[int]()
    digest = _Digest(found)
    for number in range(1, commands + 1):
        fast.reset_events()
        got = fast.apply_words(generator.draw())
        generator.observe(got)
        digest.note(fast, number, got)
    return found


class _Digest:
    """A checksum over all events so far, and over the state each time that one is kept."""

    def __init__(self, kept: list[int]) -> None:
        self._kept = kept
        self._value = 0

    def note(self, engine: Engine, number: int, events: list[Event]) -> None:
        self._value = zlib.crc32(repr(events).encode(), self._value)
        if number % DIGEST_EVERY == 0:
            self._value = zlib.crc32(repr(engine.state_hash()).encode(), self._value)
            self._kept.append(self._value)


def _goes_on(snapshot: bytes, fast: Engine, generator: Generator) -> bool:
    """Say whether an engine restored from a snapshot answers as the one that it was taken of."""
    restored = Engine(**LIMITS)
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
