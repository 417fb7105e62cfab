"""A process of the hot path pins itself to the cores that it is told."""

import os
import subprocess
import sys

import pytest

from hotpath.runtime.config import ConfigError
from hotpath.runtime.placement import cores, run_where_told
from tests.support.engine import ROOT

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system does not pin processes"
)


def test_a_list_of_cores_may_hold_ranges() -> None:
    assert cores("0") == {0}
    assert cores("2,4-6, 9") == {2, 4, 5, 6, 9}


@pytest.mark.parametrize("text", ["x", "1,", "3-1", "-1", "1-99999", "1.5"])
def test_what_is_no_list_of_cores_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="TRADING_CPUS"):
        run_where_told({"TRADING_CPUS": text})


def test_without_a_setting_nothing_changes() -> None:
    before = os.sched_getaffinity(0)
    assert run_where_told({}) == before


def test_the_process_runs_on_the_cores_it_is_told() -> None:
    core = max(os.sched_getaffinity(0))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=ROOT,
        env=os.environ | {"TRADING_CPUS": str(core)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == [str(core)], done.stderr


_PROGRAM = """
from hotpath.runtime.placement import run_where_told
print(*run_where_told())
"""
