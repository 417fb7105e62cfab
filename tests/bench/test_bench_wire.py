"""The benchmarks of the wire and of overload: they start what they need, and say what they saw."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from shared.wire.pacing import lateness
from shared.wire.tokens import SCOPES
from tests.bench.document import sections
from tests.bench.engine import ROOT
from tests.bench.overload import _start_flood
from tests.support.engine import EngineProcess, engine

__all__ = ["engine"]
TOKEN = re.compile(r"[A-Za-z0-9_-]{40,}")


def bench(*words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", *words, "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_wire_is_measured_row_by_row_and_round_by_round() -> None:
    words = ["--rows=shm,tcp,tcp64,sync1", "--rounds=2", "--seconds=0.05"]
    code, document = bench("wire", *words)
    assert code == 0
    shapes = [(row["transport"], row["clients"], row["durability"], row["rate"])
              for row in document["rows"]]  # fmt: skip
    assert shapes == [
        ("shm", 1, "os", 100_000),
        ("tcp", 1, "os", 5_000),
        ("tcp", 64, "os", 20_000),
        ("shm", 1, "fsync", 0),
    ]
    for row in document["rows"]:
        assert len(row["rounds"]) == 2
        assert 0 < row["p50_us"] <= row["p99_us"]
        assert row["commands_per_s"] > 0
    last = document["rows"][-1]
    for it in last["rounds"]:
        assert it["ours_us"] == pytest.approx(it["mean_us"] - it["sync_us"], abs=0.2)
        assert 0 < it["ours_us"] < it["mean_us"]


@pytest.mark.parametrize("transport", ["shm", "tcp"])
def test_an_overloaded_engine_says_busy_takes_cancels_and_recovers(transport: str) -> None:
    cap = 4_000 if transport == "shm" else 1_000
    words = [f"--cap={cap}", "--factors=2,5", "--seconds=3", f"--transport={transport}"]
    _, document = bench("overload", *words)
    assert [row["factor"] for row in document["rows"]] == [2, 5]
    for row in document["rows"]:
        assert row["accepted"] + row["busy"] == row["offered"]
        assert row["busy"] > 0
        assert row["accepted"] <= cap * (row["seconds"] + 1)
        assert row["accepted"] > 0
        assert (row["cancels_refused"], row["cancels_without_effect"]) == (0, 0)
        assert row["recovery_s"] < 10


def test_no_token_stands_on_a_command_line(engine: EngineProcess) -> None:
    flood = _start_flood(engine, "tcp", 100, 0.2)
    said, _ = flood.communicate(timeout=60)
    assert json.loads(said.splitlines()[-1])["offered"] == 20
    assert flood.returncode == 0
    words = flood.args
    assert isinstance(words, list)
    assert not [word for word in words if TOKEN.search(str(word))]
    assert TOKEN.search(engine.issuer.service(SCOPES)), "this is what a token looks like"


def test_the_noise_floor_is_how_late_a_loop_is_that_only_waits() -> None:
    found = lateness(100, 10_000)
    assert len(found) == 100
    assert min(found) >= 0


def test_each_benchmark_writes_its_own_section() -> None:
    text = "# Performance\n\n<!-- section: wire -->\n## A\n\nx\n\n<!-- end -->\n"
    assert sections(text) == {"wire": "## A\n\nx\n\n"}
