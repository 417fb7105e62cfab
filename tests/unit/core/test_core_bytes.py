"""The engine's byte-level ways in and out: what the runtime and the journal use."""

import struct

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core.api import Engine
from shared.domain import records as r
from tests.reference.command_mix import CommandMix


def stamped_commands(seed: int, count: int) -> list[list[int]]:
    """Return commands as the sequencer would have journaled them."""
    mix, engine = CommandMix(seed), Engine()
    commands = []
    for _ in range(count):
        commands.append(mix.draw())
        mix.observe(engine.apply_words(commands[-1]))
    return commands


def packed(words: list[int]) -> bytes:
    return struct.pack(f"<{len(words)}q", *words)


def test_all_ways_in_give_the_same_events_and_state() -> None:
    commands = stamped_commands(3, 1_000)
    by_words, by_bytes, by_stamp, at_once = (Engine() for _ in range(4))
    for words in commands:
        by_words.apply_words(words)
        by_bytes.apply_bytes(b"header" + packed(words), 6)
        unstamped = list(words)
        unstamped[r.C_SEQUENCE], unstamped[r.C_TIME_NS] = -5, -6
        stamps = (words[r.C_SEQUENCE], words[r.C_TIME_NS])
        by_stamp.apply_stamped(packed(unstamped), 0, *stamps)
    flat = [word for words in commands for word in words]
    at_once.apply_many(vec[i64](flat), 0, len(flat))
    for engine in (by_bytes, by_stamp, at_once):
        assert engine.events_bytes() == by_words.events_bytes()
        assert engine.snapshot_bytes() == by_words.snapshot_bytes()
        assert engine.state_hash() == by_words.state_hash()


def test_events_pile_up_until_they_are_reset() -> None:
    engine = Engine()
    commands = stamped_commands(4, 60)
    for words in commands:
        engine.apply_words(words)
    everything = engine.events_bytes()
    assert len(everything) == engine.event_count * r.EVENT_WORDS * 8 == engine.event_words * 8
    assert engine.event_count >= len(commands)
    assert b"".join(packed(list(event)) for event in engine.event_tuples()) == everything
    engine.reset_events()
    assert engine.events_bytes() == b""
    assert engine.sequence == len(commands)
