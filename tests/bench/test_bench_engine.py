"""The benchmark: its document, its proof of which build ran, and what the yardstick is worth."""

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest

from hotpath import build
from tests.bench.engine import ROOT, Samples, percentiles_us

_ARGUMENTS = ["--workloads=ec1k", "--commands=2000", "--rounds=1", "--resting=2000", "--json"]


def _run(engines: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench", "engine", *_ARGUMENTS, f"--engines={engines}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def _needs_compiled_core() -> None:
    try:
        build.check_build()
    except build.CoreBuildError as error:
        pytest.skip(str(error))


def test_standard_output_is_one_document_with_a_row_for_each_engine() -> None:
    document = _run("interpreted")
    (row,) = document["rows"]
    assert (row["workload"], row["engine"], row["compiled"]) == ("ec1k", "interpreted", False)
    assert row["ns_per_command"] > 0
    assert {"p50", "p99", "p99_9"} <= document["noise"].keys()


def test_a_row_of_the_core_says_that_it_is_compiled_and_has_latencies() -> None:
    _needs_compiled_core()
    (row,) = _run("core+risk")["rows"]
    assert row["compiled"] is True
    assert row["latency_us"]["p50"] <= row["latency_us"]["p99"] <= row["latency_us"]["p99_9"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_yardstick_gives_the_events_of_the_core_word_for_word() -> None:
    _needs_compiled_core()
    document = _run("core+risk,cpp+risk")  # ends with an error when the checksums differ
    assert [row["engine"] for row in document["rows"]] == ["core+risk", "cpp+risk"]


def test_a_row_reports_the_median_of_its_rounds() -> None:
    samples = Samples()
    for nanoseconds in (90.0, 100.0, 500.0):
        samples.add({"compiled": True, "ns_per_command": nanoseconds})
    row = samples.row("ec1k", "core")
    assert (row["ns_per_command"], row["million_per_second"]) == (100.0, 10.0)
    assert row["latency_us"] is None


def test_percentiles_are_of_the_ordered_samples_in_microseconds() -> None:
    assert percentiles_us(list(range(999_000, -1, -1000))) == {
        "p50": 500.0,
        "p99": 990.0,
        "p99_9": 999.0,
    }
