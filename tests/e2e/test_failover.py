"""Failover as an operator sees it: the demo, and an upgrade of a running engine by its standby."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.local import kafka, runner, settings
from infra.local.progress import Progress
from infra.local.settings import CHECKOUT, Settings
from infra.local.stack import LocalStack, engine_report
from infra.local.upgrade import upgrade
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


def test_the_demo_loses_nothing_and_refuses_the_old_primary() -> None:
    """How long the gaps are is for a quiet machine to say."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", "demo", "failover", "--json", "--load-s", "0.3"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    outcome = json.loads(done.stdout)
    found = {name: outcome[name] for name in ("lost", "changed", "duplicated", "is_old_refused")}
    assert found == {"lost": 0, "changed": 0, "duplicated": 0, "is_old_refused": True}
    assert [takeover["epoch"] for takeover in outcome["takeovers"]] == [2, 3, 4]
    assert outcome["answered"] > 1_000
    assert done.returncode == (0 if outcome["holds"] else 1)


def test_the_demo_across_hosts_loses_nothing_though_a_journal_is_lost() -> None:
    if reason := kafka.missing_tools():
        pytest.skip(reason)
    options = ["--placement", "other-host", "--json", "--load-s", "0.5", "--rate", "2000"]
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", "demo", "failover", *options],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    outcome = json.loads(done.stdout)
    found = {name: outcome[name] for name in ("lost", "changed", "duplicated", "is_old_refused")}
    assert found == {"lost": 0, "changed": 0, "duplicated": 0, "is_old_refused": True}
    assert [takeover["epoch"] for takeover in outcome["takeovers"]] == [3, 3]
    assert "another engine has taken over" in outcome["refusal"]
    assert done.returncode == (0 if outcome["holds"] else 1)


@pytest.fixture
def pair() -> Iterator[LocalStack]:
    """An engine and its standby, as parts of a stack that has no others running."""
    with settings.temporary() as own:
        own = replace(own, standby=True)
        own.save()
        stack = LocalStack(own)
        parts = [stack.part("engine"), stack.part("standby")]
        try:
            for part in parts:
                runner.start(part)
            yield stack
        finally:
            runner.stop_all(parts, Progress(quiet=True))


def test_an_upgrade_switches_to_a_standby_that_has_proved_itself(pair: LocalStack) -> None:
    before = engine_report(pair.settings)
    assert "epoch 1 → 2" in upgrade(pair)
    after = engine_report(pair.settings)
    assert after["process_id"] != before["process_id"]
    states = {part["name"]: part["state"] for part in pair.status()["parts"]}
    assert (states["engine"], states["standby"]) == ("healthy", "healthy")


def test_after_a_failover_the_stack_knows_the_standby_as_its_engine(pair: LocalStack) -> None:
    pair.kill("engine")
    successor = process_id_of("standby", pair.settings)
    wait_for(lambda: engine_report(pair.settings).get("process_id") == successor)
    states = {part["name"]: part["state"] for part in pair.status()["parts"]}
    assert (states["engine"], states["standby"]) == ("healthy", "stopped")
    assert process_id_of("engine", pair.settings) == successor
    pair.start("standby")


def process_id_of(part: str, own: Settings) -> int:
    return int(json.loads(own.run_file(part).read_text(encoding="utf-8"))["pid"])
