"""Kills and power cuts under load lose nothing, and the same run notices an engine that lies."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.power_cut import OnDisk, cut_power
from tests.chaos.recording_files import BREAKS, RecordingFiles
from tests.support.engine import ROOT


def run_kills(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
def test_kills_and_power_cuts_lose_change_and_repeat_nothing() -> None:
    done = run_kills("--kills", "20")
    assert done.stdout.splitlines()[-1] == "kills=20 lost=0 changed=0 duplicated=0", done.stdout
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("broken", BREAKS)
def test_an_engine_that_speaks_before_the_sync_is_found_out(broken: str) -> None:
    done = run_kills("--kills", "10", "--break", broken)
    assert done.returncode == 1, done.stdout + done.stderr
    found = dict(pair.split("=") for pair in done.stdout.splitlines()[-1].split())
    assert int(found["lost"]) + int(found["changed"]) > 0


@pytest.mark.parametrize("seed", range(30))
def test_a_power_cut_takes_nothing_that_was_synced(tmp_path: Path, seed: int) -> None:
    notes, path = tmp_path / "notes", tmp_path / "journal-00000001.segment"
    files = RecordingFiles(notes)
    descriptor = files.create(path, 8192)
    files.write(descriptor, b"s" * 1000, 0)
    files.sync(descriptor)
    files.write(descriptor, b"u" * 3000, 1000)
    assert cut_power(tmp_path, notes, random.Random(seed)) == 3000
    left = path.read_bytes()
    assert left[:1000] == b"s" * 1000
    assert left[1000:4000] != b"u" * 3000
    assert len(left) == 8192


def test_a_name_that_was_not_synced_may_be_lost(tmp_path: Path) -> None:
    old, new = tmp_path / "next.segment", tmp_path / "journal-00000001.segment"
    outcomes = set()
    for seed in range(20):
        notes = tmp_path / "notes"
        files = RecordingFiles(notes)
        descriptor = files.create(old, 512)
        files.sync(descriptor)
        files.rename(old, new)
        assert not OnDisk.read(notes).unsure_names
        until_the_rename = notes.read_text(encoding="utf-8").splitlines()[:-1]
        notes.write_text("\n".join(until_the_rename), encoding="utf-8")
        cut_power(tmp_path, notes, random.Random(seed))
        outcomes.add(new.exists())
        old.unlink(missing_ok=True)
        new.unlink(missing_ok=True)
    assert outcomes == {True, False}
