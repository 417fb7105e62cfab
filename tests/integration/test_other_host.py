"""The standby on another host, on real Kafka: it takes over what was acknowledged, and alone."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from infra.demo.failover_load import Load
from tests.support.engine import http_text, wait_for
from tests.support.kafka import kafka_server
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

__all__ = ["kafka_server"]
RATE = 1_000


class Shard:
    """A primary on one host, a standby on another, and a load on both addresses."""

    def __init__(self, folder: Path, url: str, addresses: list[str]) -> None:
        self.url, self.shard = url, new_shard()
        self.addresses = addresses
        self.first = Host(folder / "first", url, self.shard)
        self.second = Host(folder / "second", url, self.shard, self.first)
        self.first.engine._environment["ENGINE_LISTEN"] = addresses[0]
        self.second.engine._environment["ENGINE_LISTEN"] = addresses[1]
        self.load = load_on(self.first.engine, ",".join(addresses), RATE)

    def start(self) -> None:
        self.first.start_engine()
        self.second.start_standby()
        self.load.start()
        wait_for(lambda: self.load.answers > 500, "answers come")

    def wait_taken_over(self) -> None:
        self.second.wait_open()
        answers = self.load.answers
        wait_for(lambda: self.load.answers > answers + 300, "the second host answers", 30.0)

    def compare(self) -> None:
        """Nothing acknowledged is lost, in the topic and in the second host's journal."""
        self.load.stop()
        commands = topic_commands(self.url, self.shard)
        assert differences(self.load, commands) == (0, 0, 0)
        own = journal_commands(self.second.engine.journal)
        assert own[: len(commands)] == commands

    def close(self) -> None:
        self.load.stop()
        self.first.close()
        self.second.close()


@pytest.fixture
def shard(tmp_path: Path, kafka_server: Server) -> Iterator[Shard]:
    with engine_address() as one, engine_address() as two:
        found = Shard(tmp_path, kafka_server.url, [one, two])
        try:
            found.start()
            yield found
        finally:
            found.close()


def health_of(address: str) -> dict[str, Any]:
    """Return what a standby says of itself; nothing as long as it does not follow."""
    try:
        found: dict[str, Any] = json.loads(http_text(f"http://{address}/health"))
    except HTTPError:
        return {}
    return found


def epochs(load: Load) -> list[int]:
    return [connection.epoch for connection in load.noted.connections if connection.first_answer_s]


def test_a_lost_host_loses_nothing_and_is_refused_when_it_comes_back(shard: Shard) -> None:
    first = shard.first
    os.kill(first.engine.process_id, signal.SIGKILL)
    first.replicator.kill()
    journal = first.engine.journal
    kept = journal.with_name("kept")
    journal.rename(kept)  # the host is gone, and its disk with it
    shard.wait_taken_over()
    shard.compare()
    assert epochs(shard.load) == sorted(epochs(shard.load))
    kept.rename(journal)  # and comes back as it was
    first.replicator.start()
    first.engine.spawn()
    assert first.engine.wait(60) == 3, first.engine.log()
    assert first.replicator.wait() == 3
    assert "another engine has taken over" in first.engine.log()
    assert shard.second.standby.is_running, "the new primary is not disturbed"


def test_a_host_that_comes_back_without_its_journal_is_refused(shard: Shard) -> None:
    first = shard.first
    os.kill(first.engine.process_id, signal.SIGKILL)
    first.replicator.kill()
    shard.wait_taken_over()
    shutil.rmtree(first.engine.journal)
    first.replicator.start()
    first.engine.spawn()
    assert first.engine.wait(60) == 3, first.engine.log()
    shard.compare()


def test_a_primary_that_hung_halts_when_it_wakes_and_never_acknowledges(shard: Shard) -> None:
    first = shard.first
    for process_id in (first.engine.process_id, first.replicator.process_id):
        os.kill(process_id, signal.SIGSTOP)
    shard.wait_taken_over()
    for process_id in (first.engine.process_id, first.replicator.process_id):
        os.kill(process_id, signal.SIGCONT)
    assert first.engine.wait(60) == 1, first.engine.log()
    assert "another engine has taken over" in first.engine.log()
    assert first.replicator.wait() == 3
    shard.compare()


def test_asked_to_it_takes_over_from_a_healthy_primary(shard: Shard) -> None:
    shard.second.standby.signal(signal.SIGUSR1)
    shard.wait_taken_over()
    assert shard.first.engine.wait(60) == 1
    shard.compare()


def test_it_does_not_replace_a_primary_that_was_stopped_in_order(shard: Shard) -> None:
    assert shard.first.engine.stop() == 0
    wait_for(lambda: shard.second.standby.says("stopped in order"), "it knows")
    shard.first.engine.start()
    answers = shard.load.answers
    wait_for(lambda: shard.load.answers > answers, "the first host answers")
    assert not shard.second.standby.opened_at()
    shard.compare()


def test_a_standby_started_anew_goes_on_and_compares_hashes(shard: Shard) -> None:
    second = shard.second
    second.standby.kill()
    with engine_address() as health:
        second.spawn_standby(STANDBY_HEALTH_LISTEN=health)
        wait_for(lambda: second.standby.log().count("following the topic") == 2, "it follows again")
        wait_for(lambda: health_of(health).get("equal_hashes", 0) > 0, "a mark is compared")
        wait_for(lambda: bool(health_of(health)["has_seen_primary"]), "it knows that one lives")
        os.kill(shard.first.engine.process_id, signal.SIGKILL)
        shard.first.replicator.kill()
        shard.wait_taken_over()
        shard.compare()
