"""Writes the golden journal of the current rules version. Run it only for a new rules version.

    python -m tests.golden.make_core_journal

One line per command (its words, with those of a batch's commands), then one line
`events <sha256> state <hash> snapshot <sha256>`.
"""

import hashlib
from pathlib import Path

from hotpath.core.api import Engine
from shared.domain.records import RULES_VERSION
from tests.reference.generator import Generator

COMMANDS = 1_500


def golden_path(rules_version: int) -> Path:
    return Path(__file__).with_name(f"core_rules_{rules_version}.txt")


def outcome(commands: list[list[int]]) -> str:
    """Return the line that stands for all events and the final state."""
    engine, events = Engine(), hashlib.sha256()
    for words in commands:
        engine.reset_events()
        engine.apply_words(words)
        events.update(engine.events_bytes())
    snapshot = hashlib.sha256(engine.snapshot_bytes()).hexdigest()
    return f"events {events.hexdigest()} state {engine.state_hash()} snapshot {snapshot}"


def main() -> None:
    path = golden_path(RULES_VERSION)
    if path.exists():
        raise SystemExit(f"{path.name} exists: raise RULES_VERSION first, and say why in DECISIONS")
    generator, engine, commands = Generator(2026), Engine(), []
    for _ in range(COMMANDS):
        commands.append(generator.draw())
        generator.observe(engine.apply_words(commands[-1]))
    lines = [" ".join(map(str, words)) for words in commands]
    path.write_text("\n".join([*lines, outcome(commands)]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
