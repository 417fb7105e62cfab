"""The whole local stack: up twice, parts that die, down and up again, and what stays the same."""

import json
import subprocess
import sys

import httpx
import psutil
import pytest

from infra.local import deploy, provision, users
from infra.local.api import ApiClient
from infra.local.process import ProcessRecord
from infra.local.stack import LocalStack
from tests.support.stack import local_stack  # noqa: F401

# ruff: noqa: F811

pytestmark = pytest.mark.slow


def pids(stack: LocalStack) -> dict[str, int]:
    records = {part.name: ProcessRecord.read(part.run_file) for part in stack.parts}
    return {name: record.pid for name, record in records.items() if record is not None}


def of_the_stack(stack: LocalStack) -> list[str]:
    """Return the command lines of all processes that have to do with the stack's state folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words = [*process.cmdline(), *process.environ().values()]
            running = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if running and any(str(stack.settings.state) in word for word in words):
            found.append(" ".join(process.cmdline()))
    return found


def identifiers(stack: LocalStack) -> tuple[dict[str, str], dict[str, str]]:
    """Return the ids of pool, API and functions."""
    deployment = deploy.require(stack.settings)
    return deployment.outputs, deployment.functions


def alice(stack: LocalStack) -> ApiClient:
    return users.client(stack.settings, "alice")


def test_every_part_is_healthy_and_two_users_are_ready_to_trade(local_stack: LocalStack) -> None:
    assert local_stack.is_healthy(), local_stack.status()
    for name in provision.READY_USERS:
        with users.client(local_stack.settings, name) as api:
            assert api.profile()["kyc_status"] == "APPROVED"
            balances = api.balances()
            assert float(balances["available"]) > 0
            assert {"NOVA", "ORBT"} <= {item["symbol"] for item in balances["positions"]}
    book = httpx.get(f"{deploy.api_url(local_stack.settings)}/api/v1/instruments/NOVA/book").json()
    assert book["bids"]
    assert book["asks"]


def test_up_twice_starts_nothing_and_gives_nobody_more_money(local_stack: LocalStack) -> None:
    before = pids(local_stack)
    with alice(local_stack) as api:
        balances = api.balances()
        local_stack.up()
        assert pids(local_stack) == before
        assert api.balances() == balances


def test_two_ups_at_once_both_succeed_and_start_each_part_once(local_stack: LocalStack) -> None:
    local_stack.kill("feed")
    local_stack.kill("cache")
    settings = local_stack.settings
    environment = {"TRADING_STATE": str(settings.state), "PATH": "/usr/bin:/bin"}
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "infra.cli.main", "up", "--json"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    answers = [command.communicate(timeout=120) for command in commands]
    assert [command.returncode for command in commands] == [0, 0], answers
    assert json.loads(answers[0][0]) == json.loads(answers[1][0])
    assert sum("feed         started" in errors for _, errors in answers) == 1
    assert local_stack.is_healthy()


@pytest.mark.parametrize(
    "name", ["postgres", "stream", "cache", "engine", "publisher", "consumers"]
)
def test_a_killed_part_is_reported_and_up_brings_it_back(
    local_stack: LocalStack, name: str
) -> None:
    local_stack.kill(name)
    states = {part["name"]: part["state"] for part in local_stack.status()["parts"]}
    assert states[name] == "stopped"
    local_stack.up()
    assert local_stack.is_healthy(), local_stack.status()


def test_after_a_kill_of_the_emulator_ids_logins_and_balances_are_the_same(
    local_stack: LocalStack,
) -> None:
    before = identifiers(local_stack)
    with alice(local_stack) as api:
        balances = api.balances()
    local_stack.kill("emulator")
    local_stack.up()
    assert identifiers(local_stack) == before
    with alice(local_stack) as api:
        assert api.balances() == balances


def test_down_leaves_no_process_and_up_finds_everything_again(local_stack: LocalStack) -> None:
    before = identifiers(local_stack)
    with alice(local_stack) as api:
        balances = api.balances()
    local_stack.down()
    assert of_the_stack(local_stack) == []
    local_stack.up()
    assert identifiers(local_stack) == before
    with alice(local_stack) as api:
        assert api.balances() == balances
