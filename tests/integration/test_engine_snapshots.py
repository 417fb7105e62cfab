"""Snapshots of a running engine's journal: a restart from one is a restart from the whole."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import JournalScan, segment_paths
from hotpath.runtime.journal.recovery import recover
from hotpath.runtime.journal.snapshot_names import newest_first, snapshot_path
from hotpath.runtime.journal.snapshot_writer import SnapshotWriter
from infra.journal.from_engine import snapshot_from_engine
from infra.local.errors import StackError
from shared.domain import records as r
from shared.wire.journal import BATCH, JournalDamaged
from tests.support.engine import (
    ROOT,
    EngineProcess,
    engine,
    engine_process,
    limit_order,
    market,
)

__all__ = ["engine"]


def follow_once(engine: EngineProcess) -> str:
    """Run the follower until it has written one snapshot; return its log."""
    done = subprocess.run(
        [sys.executable, "-m", "hotpath.runtime.standby.follower", "--once"],
        cwd=ROOT,
        env=os.environ | {"TRADING_JOURNAL": str(engine.journal)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def trade(engine: EngineProcess, first: int, orders: int) -> None:
    dice = random.Random(first)
    with engine.client() as client:
        client.submit_many(
            [
                limit_order(1 + n % 3, first + n, dice.choice((r.BUY, r.SELL)), price, 1 + n % 5)
                for n in range(orders)
                for price in (dice.randint(9_990, 10_010),)
            ]
        )


def test_a_restart_from_a_snapshot_and_the_tail_gives_the_same_state(
    engine: EngineProcess,
) -> None:
    trade(engine, 1, 500)
    log = follow_once(engine)
    assert "wrote snapshot-" in log
    trade(engine, 1000, 300)
    with engine.client() as client:
        before = client.status()
    engine.kill()
    engine.start()
    assert "from a snapshot of 510" in engine.log()
    with engine.client() as client:
        after = client.status()
    assert (after.sequence, after.state_hash) == (before.sequence, before.state_hash)
    assert after.epoch == before.epoch + 1
    assert recover(engine.journal).engine.state_hash() == before.state_hash


def test_cut_anywhere_a_snapshot_and_the_rest_equal_never_having_stopped(
    engine: EngineProcess, tmp_path: Path
) -> None:
    """Over 100 random cuts; each snapshot is made from the one before it."""
    for number in range(120):
        trade(engine, 1 + 100 * number, random.Random(number).randint(1, 30))
        assert SnapshotWriter(engine.journal, keep=1).advance(1) is not None
        trade(engine, 50 + 100 * number, random.Random(number).randint(0, 5))
        if number % 20 == 0:
            engine.kill()
            engine.start()
        with_snapshot = recover(engine.journal, from_snapshot=True)
        assert with_snapshot.snapshot_sequence > 0
        with engine.client() as client:
            status = client.status()
        assert with_snapshot.engine.state_hash() == status.state_hash
        assert with_snapshot.sequence == status.sequence
    whole = recover(engine.journal)
    assert whole.engine.snapshot_bytes() == with_snapshot.engine.snapshot_bytes()


def test_a_damaged_snapshot_is_passed_over_for_an_older_one(engine: EngineProcess) -> None:
    writer = SnapshotWriter(engine.journal)
    for first in (1, 100, 200):
        trade(engine, first, 20)
        assert writer.advance(1) is not None
    newest, middle, oldest = newest_first(engine.journal)
    expected = recover(engine.journal).engine.state_hash()
    for path, position in ((newest, -100), (middle, 20)):
        data = bytearray(path.read_bytes())
        data[position] ^= 1
        path.write_bytes(data)
        recovered = recover(engine.journal, from_snapshot=True)
        assert recovered.engine.state_hash() == expected
    assert f"{recovered.snapshot_sequence:016}" in oldest.name
    oldest.write_bytes(b"")
    assert recover(engine.journal, from_snapshot=True).snapshot_sequence == 0


def test_a_snapshot_ahead_of_its_journal_does_not_count(engine: EngineProcess) -> None:
    """In mode `os` a power cut may take from the journal what a snapshot has seen."""
    trade(engine, 1, 20)
    assert SnapshotWriter(engine.journal).advance(1) is not None
    engine.kill()
    (path,) = segment_paths(engine.journal)
    data = path.read_bytes()
    used = len(data.rstrip(b"\0"))
    path.write_bytes(data[: used - 200] + bytes(len(data) - used + 200))
    recovered = recover(engine.journal, from_snapshot=True)
    assert recovered.snapshot_sequence == 0
    assert recovered.tail.torn_bytes > 0


def test_only_the_newest_snapshots_stay_and_none_is_made_of_nothing_new(
    engine: EngineProcess,
) -> None:
    writer = SnapshotWriter(engine.journal, keep=2)
    assert writer.advance(1) is not None
    for first in (1, 100, 200):
        trade(engine, first, 10)
        assert writer.advance(11) is None
        assert writer.advance(10) is not None
    assert writer.advance(1) is None
    assert len(list(newest_first(engine.journal))) == 2


@pytest.mark.parametrize("until_behind", [0, 1, 7])
def test_a_moment_before_the_newest_snapshot_is_rebuilt_from_an_older_one(
    engine: EngineProcess, until_behind: int
) -> None:
    writer = SnapshotWriter(engine.journal)
    trade(engine, 1, 20)
    writer.advance(1)
    trade(engine, 100, 20)
    writer.advance(1)
    engine.kill()
    engine.start()  # it notes the state's hash, which is of a later moment
    until = recover(engine.journal).sequence - until_behind
    expected = recover(engine.journal, until=until).engine.state_hash()
    assert recover(engine.journal, until=until, from_snapshot=True).engine.state_hash() == expected


def test_an_engine_on_a_damaged_journal_saves_its_own_state_and_starts_from_it(
    tmp_path: Path,
) -> None:
    with engine_process(tmp_path, TRADING_DURABILITY="fsync") as engine:
        with engine.client() as client:
            client.submit_many(market(accounts=3))
        trade(engine, 1, 40)
        damage_first_batch(engine.journal)
        with pytest.raises(JournalDamaged):
            SnapshotWriter(engine.journal).advance(1)
        with engine.client() as client:
            before = client.status()
        found = snapshot_from_engine(engine.journal)
        assert Path(found["snapshot"]) == snapshot_path(engine.journal, before.sequence)
        trade(engine, 1000, 10)
        with engine.client() as client:
            later = client.status()
        engine.kill()
        engine.start()
        assert f"from a snapshot of {before.sequence}" in engine.log()
        with engine.client() as client:
            assert client.status().state_hash == later.state_hash


def damage_first_batch(journal: Path) -> None:
    path, offset, _ = next(place for place in JournalScan(journal) if place[2].kind == BATCH)
    with path.open("r+b") as segment:
        segment.seek(offset + 60)
        (byte,) = segment.read(1)
        segment.seek(offset + 60)
        segment.write(bytes([byte ^ 1]))


def test_no_engine_no_snapshot_of_its_state(engine: EngineProcess) -> None:
    engine.kill()
    with pytest.raises(StackError, match="no engine is open"):
        snapshot_from_engine(engine.journal)
