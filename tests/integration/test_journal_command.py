"""`trading journal`: what it shows of a journal that a real engine wrote, and what it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import segment_paths
from shared.domain import records as r
from tests.support.engine import EngineProcess, engine, limit_order

__all__ = ["engine"]


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.cli.main", "journal", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def run(*arguments: str) -> str:
    done = call(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_verify_replays_to_the_running_engines_state(engine: EngineProcess) -> None:
    with engine.client() as client:
        client.submit_many([limit_order(1, n, r.BUY, 90 + n, 1) for n in range(20)])
        status = client.status()
    found = json.loads(run("verify", "--json", "--journal", str(engine.journal)))
    assert found["sequence"] == status.sequence
    assert found["state_hash"] == f"{status.state_hash:016x}"
    assert found["open_orders"] == 20


def test_replay_shows_the_book_as_it_was(engine: EngineProcess) -> None:
    with engine.client() as client:
        first = client.submit(limit_order(1, 1, r.BUY, 100, 5))
        client.submit(limit_order(2, 1, r.SELL, 100, 5))
    arguments = ["--journal", str(engine.journal), "--book", "1", "--json"]
    before = json.loads(run("replay", "--until", str(first.sequence), *arguments))
    after = json.loads(run("replay", "--until", str(first.sequence + 1), *arguments))
    assert before["bids"] == [[100, 5, 1]]
    assert after["bids"] == []


def test_a_snapshot_is_written_once_and_replay_goes_on_from_it(engine: EngineProcess) -> None:
    folder = ["--journal", str(engine.journal), "--json"]
    with engine.client() as client:
        client.submit_many([limit_order(1, n, r.BUY, 90 + n, 1) for n in range(20)])
        written = json.loads(run("snapshot", *folder))
        assert Path(written["snapshot"]).stat().st_size == written["bytes"] > 0
        assert json.loads(run("snapshot", *folder))["snapshot"] == ""
        client.submit(limit_order(1, 30, r.BUY, 80, 1))
        status = client.status()
    found = json.loads(run("replay", "--until", str(status.sequence), *folder))
    assert found["state_hash"] == f"{status.state_hash:016x}"


def test_inspect_tells_each_command_with_its_events(engine: EngineProcess) -> None:
    with engine.client() as client:
        placed = client.submit(limit_order(1, 1, r.BUY, 100, 5))
    arguments = ["--journal", str(engine.journal), "--from", str(placed.sequence)]
    (line,) = run("inspect", *arguments).splitlines()
    assert "PLACE_ORDER" in line
    assert line.endswith("ORDER_ACCEPTED")
    (document,) = run("inspect", "--json", *arguments).splitlines()
    assert json.loads(document)["sequence"] == placed.sequence


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_damage_is_named_and_the_exit_code_says_so(engine: EngineProcess, command: str) -> None:
    with engine.client() as client:
        client.submit(limit_order(1, 1, r.BUY, 100, 5))
    engine.stop()
    path: Path = segment_paths(engine.journal)[0]
    data = bytearray(path.read_bytes())
    data[120] ^= 1  # of the epoch, behind which all was written when it was synced
    path.write_bytes(data)
    done = call(command, "--journal", str(engine.journal))
    assert done.returncode == 1
    assert "is damaged at byte" in done.stderr
