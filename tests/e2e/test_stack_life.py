"""The stack as a person handles it: the command, a second stack beside it, what it costs idle."""

import re
import socket
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from infra.local import deploy, settings, users
from infra.local.process import ProcessRecord
from infra.local.stack import LocalStack
from tests.support.e2e_platform import Platform, trading

pytestmark = pytest.mark.slow

PARTS = {
    *("emulator", "postgres", "stream", "cache", "engine"),
    *("follower", "publisher", "providers", "consumers", "feed"),
}
IDLE_S = 15.0
MOST_CPU_PERCENT = 20.0
MOST_MEMORY_MIB = 2_560.0


@pytest.fixture(scope="module")
def second() -> Iterator[LocalStack]:
    """A stack beside the tests' own one, as `make demo` is beside `make up`."""
    with settings.temporary() as own:
        stack = LocalStack(own)
        try:
            stack.up()
            yield stack
        finally:
            stack.down()
            stack.forget_outside_data()


def processes(stack: LocalStack) -> list[psutil.Process]:
    """Return the parts' processes and all that they started."""
    found = []
    for part in stack.parts:
        record = ProcessRecord.read(part.run_file)
        leader = record.process() if record is not None else None
        if leader is not None:
            found += [leader, *leader.children(recursive=True)]
    return found


def cpu_seconds(members: list[psutil.Process]) -> dict[int, float]:
    """Return what each process has used, with what its ended children did."""
    used = {}
    for process in members:
        try:
            used[process.pid] = sum(process.cpu_times()[:4])
        except psutil.NoSuchProcess:
            continue
    return used


def test_up_again_starts_and_deploys_nothing_and_says_the_same(platform: Platform) -> None:
    first = platform.run("up", "--json")
    assert first.code == 0, first.errors
    again = platform.run("up", "--json")
    assert again.errors.count("already running") == len(PARTS), again.errors
    assert re.search("deploy +unchanged", again.errors)
    assert re.search("databases +up to date", again.errors)
    assert (again.code, again.json()) == (0, first.json())
    assert set(again.json()["users"]) == {"alice", "bob"}


def test_status_names_every_part_and_the_core(platform: Platform) -> None:
    answer = platform.run("status", "--json")
    assert answer.code == 0, answer.output
    report = answer.json()
    assert set(report) == {"parts", "compiled"}
    assert {part["name"]: part["state"] for part in report["parts"]} == dict.fromkeys(
        PARTS, "healthy"
    )
    assert isinstance(report["compiled"], bool)
    platform.stack.kill("feed")
    try:
        answer = platform.run("status", "--json")
        assert answer.code == 1
        states = {part["name"]: part["state"] for part in answer.json()["parts"]}
        assert states == {**dict.fromkeys(PARTS, "healthy"), "feed": "stopped"}
    finally:
        platform.stack.start("feed")


def test_two_stacks_run_beside_each_other_and_share_nothing(
    platform: Platform, second: LocalStack
) -> None:
    assert platform.stack.is_healthy()
    second.up()
    assert second.is_healthy()
    ours, theirs = deploy.require(platform.settings), deploy.require(second.settings)
    assert ours.outputs["UserPoolId"] != theirs.outputs["UserPoolId"]
    with platform.alice() as alice, users.client(second.settings, "alice") as namesake:
        before = alice.balances(), alice.call("GET", "/api/v1/orders")
        assert namesake.place_order("NOVA", "BUY", "1")["status"] == "FILLED"
        assert (alice.balances(), alice.call("GET", "/api/v1/orders")) == before
        foreign = {"authorization": f"Bearer {namesake.token}"}
        assert alice.request("GET", "/api/v1/users/me", headers=foreign).status_code == 401


def test_idle_the_stack_takes_little(
    second: LocalStack, record_property: Callable[[str, object], None]
) -> None:
    second.up()
    Platform(second).settle_down()
    members = processes(second)
    before, began = cpu_seconds(members), time.monotonic()
    while time.monotonic() - began < IDLE_S:
        time.sleep(0.5)
    after = cpu_seconds(members)
    used = sum(after[pid] - before[pid] for pid in after)
    cpu_percent = 100 * used / (time.monotonic() - began)
    memory_mib = sum(process.memory_full_info().pss for process in processes(second)) / 2**20
    print(f"idle: {cpu_percent:.1f} % of one core, {memory_mib:.0f} MiB, {len(members)} processes")
    record_property("idle_cpu_percent", round(cpu_percent, 1))
    record_property("idle_memory_mib", round(memory_mib))
    assert cpu_percent < MOST_CPU_PERCENT
    assert memory_mib < MOST_MEMORY_MIB


def test_reset_forgets_everything_and_up_starts_afresh(second: LocalStack) -> None:
    second.up()
    old = deploy.require(second.settings)
    with users.client(second.settings, "bob") as bob:
        order = bob.place_order("NOVA", "BUY", "1")["order_id"]
    answer = trading(second.settings, "reset", "--yes")
    assert answer.code == 0, answer.errors
    assert processes(second) == []
    assert not second.settings.journal.exists()
    assert deploy.read(second.settings) is None
    second.up()
    assert deploy.require(second.settings).outputs["UserPoolId"] != old.outputs["UserPoolId"]
    with users.client(second.settings, "bob") as bob:
        assert bob.call("GET", "/api/v1/orders")["orders"] == []
        assert bob.request("GET", f"/api/v1/orders/{order}").status_code == 404


def test_a_taken_port_is_named_with_its_owner_and_a_way_out() -> None:
    with settings.temporary() as own, socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", own.port("cache")))
        squatter.listen()
        stack = LocalStack(own)
        try:
            answer = trading(own, "up")
        finally:
            stack.down()
            stack.forget_outside_data()
        assert answer.code == 1
        message = f"port {own.port('cache')}, which cache needs, is taken by process"
        assert message in answer.errors
        assert "TRADING_PORT" in answer.errors
        assert "Traceback" not in answer.errors
