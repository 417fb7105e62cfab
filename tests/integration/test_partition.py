"""A host that is cut off from Kafka: it acknowledges nothing, and no two engines ever go on."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local import kafka
from tests.support.engine import wait_for
from tests.support.partition import Line, broker_with_lines
from tests.support.replicated import (
    Host,
    differences,
    journal_commands,
    load_on,
    new_shard,
    topic_commands,
)
from tests.support.servers import Server
from tests.support.standby import engine_address


class Cut:
    """Two hosts of one shard, each with its line to Kafka, and a load that reaches both."""

    def __init__(self, folder: Path, url: str, lines: list[Line], addresses: list[str]) -> None:
        self.url, self.lines, self.shard = url, lines, new_shard()
        self.first = Host(folder / "first", lines[0].url, self.shard)
        self.second = Host(folder / "second", lines[1].url, self.shard, self.first)
        for host, address in zip((self.first, self.second), addresses, strict=True):
            host.engine._environment["ENGINE_LISTEN"] = address
        self.load = load_on(self.first.engine, ",".join(addresses), 1_000)

    def await_answers(self) -> None:
        answers = self.load.answers
        wait_for(lambda: self.load.answers > answers + 300, "answers come", 60.0)

    def compare(self) -> None:
        self.load.stop()
        commands = topic_commands(self.url, self.shard)
        assert differences(self.load, commands) == (0, 0, 0)

    def close(self) -> None:
        for line in self.lines:
            line.mend()
        self.load.stop()
        self.first.close()
        self.second.close()


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[Server, list[Line]]]:
    if reason := kafka.missing_tools():
        pytest.skip(reason)
    with broker_with_lines() as found:
        yield found


@pytest.fixture
def hosts(tmp_path: Path, broker: tuple[Server, list[Line]]) -> Iterator[Cut]:
    server, lines = broker
    with engine_address() as one, engine_address() as two:
        found = Cut(tmp_path, server.url, lines, [one, two])
        try:
            found.first.start_engine()
            found.second.start_standby()
            found.load.start()
            found.await_answers()
            yield found
        finally:
            found.close()


def test_a_primary_that_is_cut_off_is_replaced_and_halts_when_it_is_back(hosts: Cut) -> None:
    hosts.lines[0].cut()
    hosts.second.wait_open()
    assert hosts.first.engine.is_running, "it only waits"
    durable = len(topic_commands(hosts.url, hosts.shard))
    hosts.await_answers()
    connections = hosts.load.noted.connections
    assert connections[-1].epoch > 1, "the second host answers"
    assert len(topic_commands(hosts.url, hosts.shard)) > durable
    hosts.lines[0].mend()
    assert hosts.first.engine.wait(60) == 1, hosts.first.engine.log()
    assert "another engine has taken over" in hosts.first.engine.log()
    assert hosts.first.replicator.wait() == 3
    hosts.compare()
    commands = topic_commands(hosts.url, hosts.shard)
    own = journal_commands(hosts.second.engine.journal)
    assert own[: len(commands)] == commands


def test_a_standby_that_is_cut_off_judges_nobody_and_follows_again(hosts: Cut) -> None:
    hosts.lines[1].cut()
    until_s = time.monotonic() + 4  # of silence, as it seems there
    wait_for(lambda: time.monotonic() > until_s, "the standby has heard nothing")
    hosts.await_answers()
    hosts.lines[1].mend()
    hosts.await_answers()
    assert not hosts.second.standby.says("taking over")
    hosts.load.stop()
    commands = topic_commands(hosts.url, hosts.shard)
    wait_for(
        lambda: len(journal_commands(hosts.second.engine.journal)) >= len(commands),
        "the standby has it all",
        30.0,
    )
    assert hosts.first.engine.is_running
    hosts.compare()
