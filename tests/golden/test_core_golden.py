"""Journals of every rules version still give the same events, state and snapshot, byte for byte."""

from shared.domain.records import RULES_VERSION
from tests.golden.make_core_journal import golden_path, outcome


def test_the_golden_journal_of_this_rules_version_replays_to_the_same_bytes() -> None:
    *lines, expected = golden_path(RULES_VERSION).read_text(encoding="utf-8").splitlines()
    commands = [[int(word) for word in line.split()] for line in lines]
    assert outcome(commands) == expected
