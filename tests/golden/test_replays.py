"""A journal gives the same events and state in any process, whatever build and hash seed it has."""

from dataclasses import replace
from pathlib import Path

from hotpath.runtime.journal.reader import segment_paths
from tests.bench.journals import write_journal
from tests.reference.fuzz import builds_here
from tests.reference.replays import HASH_SEEDS, differences, replay, replays


def test_fresh_processes_replay_a_journal_to_the_same_state(tmp_path: Path) -> None:
    _, last = write_journal(tmp_path, 1_000, instruments=1)
    found = replays(tmp_path)
    assert {(one.build, one.hash_seed) for one in found} == {
        (build, seed) for build in builds_here() for seed in HASH_SEEDS
    }
    assert {one.outcome for one in found} == {(last, found[0].state_hash, "")}
    assert differences(found) == 0


def test_what_cannot_be_replayed_or_ends_elsewhere_counts_as_a_difference(tmp_path: Path) -> None:
    write_journal(tmp_path, 100, instruments=1)
    sound = replay(tmp_path, "interpreted", "0")
    segment = segment_paths(tmp_path)[0]
    data = bytearray(segment.read_bytes())
    data[50_000] ^= 1  # behind what was synced: the replay ends before it
    segment.write_bytes(data)
    shorter = replay(tmp_path, "interpreted", "0")
    failed = replay(tmp_path / "nothing", "interpreted", "0")
    assert failed.failure
    assert differences([sound, replace(sound, state_hash="0"), shorter, failed]) == 3
