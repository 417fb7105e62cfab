"""Seeds of the simulator: some new ground each day, and all that ever found something."""

import datetime
from pathlib import Path

import pytest

from tests.sim.simulation import Outcome, Simulation
from tests.sim.world import LYING_DISK

# A crash between naming a segment and syncing its folder, then a power cut: the segment was gone.
FAILED_ONCE = (1, 4, 7, 11, 47)
NEW_SEEDS = 5


def today() -> int:
    """Return a seed that changes daily, so that a failure can be repeated all day."""
    return datetime.datetime.now(datetime.UTC).toordinal() * 1_000


def run(seed: int, folder: Path, broken: str = "") -> Outcome:
    return Simulation(seed, folder, broken).run()


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_what_failed_once_holds(seed: int, tmp_path: Path) -> None:
    assert run(seed, tmp_path).problems == []


@pytest.mark.parametrize("number", range(NEW_SEEDS))
def test_no_fault_breaks_a_promise_and_calm_brings_everything_to_its_end(
    number: int, tmp_path: Path
) -> None:
    outcome = run(today() + number, tmp_path)
    assert (outcome.seed, outcome.problems) == (today() + number, [])
    assert outcome.commands > 100
    assert outcome.trades > 10


def test_one_seed_gives_one_run(tmp_path: Path) -> None:
    first, second = run(7, tmp_path / "first"), run(7, tmp_path / "second")
    assert first == second


def test_a_disk_that_lies_about_a_sync_is_found_out(tmp_path: Path) -> None:
    found = [run(seed, tmp_path / str(seed), LYING_DISK).problems for seed in (1, 2)]
    assert any(found)
