"""The benchmarks of the journal's other users: what they print, and the sections they write."""

import json
import subprocess
import sys
from typing import Any

from tests.bench import publish, restart, snapshot
from tests.bench.engine import ROOT


def _run(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_restart_is_told_with_and_without_a_snapshot() -> None:
    document = _run("restart", "--commands=500", "--rounds=1")
    assert [row["state"] for row in document["rows"]] == ["empty", "snapshot", "journal"]
    assert all(row["median_s"] > 0 for row in document["rows"])
    assert restart._markdown(document).count("\n| ") == 4


def test_rounds_while_a_snapshot_is_written_stand_beside_those_without() -> None:
    words = ["--commands=500", "--rounds=1", "--rate=200", "--durability=os"]
    document = _run("snapshot", *words)
    (row,) = document["rows"]
    (found,) = row["rounds"]
    assert row["ratio"] == found["with_p99_us"] / found["without_p99_us"]
    assert row["snapshot_bytes"] > 0
    assert "| os |" in snapshot._markdown(document)


def test_a_stream_that_cannot_run_here_is_told_in_the_section() -> None:
    row = {"stream": "kafka", "skipped": "no Java", "goal_messages_per_s": 1, "rounds": []}
    document = {"rows": [row], "machine": "any", "load_average": [0.5]}
    assert "| kafka | skipped: no Java |" in publish._markdown(document)
