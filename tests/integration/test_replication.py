"""Mode `replicated` on real Kafka: what is answered is in the topic, once, whatever is killed."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from infra.demo.failover_load import Load
from shared.domain import records as r
from shared.hotpath_client import SyncMemberClient
from shared.hotpath_client.ring_client import ShmEngineClient
from shared.ports.engine import CommandResult, EngineBusy, EngineError, EngineUnavailable
from shared.wire.tokens import SCOPES
from tests.support.engine import EngineProcess, http_text, kinds, limit_order, market, wait_for
from tests.support.kafka import kafka_server
from tests.support.replicated import (
    Host,
    differences,
    journal_commands,
    load_on,
    new_shard,
    topic_commands,
)
from tests.support.replicator import ReplicatorProcess
from tests.support.servers import Server
from tests.support.standby import engine_address

__all__ = ["kafka_server"]


class Primary(Host):
    """A host whose engine has a market, and the shard that it writes."""

    def __init__(self, folder: Path, url: str) -> None:
        self.url, self.shard = url, new_shard()
        super().__init__(folder, url, self.shard)

    def topic_sequences(self) -> int:
        return len(topic_commands(self.url, self.shard))


@pytest.fixture
def primary(tmp_path: Path, kafka_server: Server) -> Iterator[Primary]:
    with engine_address() as address, engine_address() as health:
        host = Primary(tmp_path / "host", kafka_server.url)
        host.engine._environment |= {
            "ENGINE_LISTEN": address,
            "ENGINE_HEALTH_LISTEN": health,
            "TRADING_STALL_MS": "300",
        }
        try:
            host.start_engine()
            with host.engine.client() as client:
                client.submit_many(market(accounts=3))
            yield host
        finally:
            host.close()


def await_answers(load: Load) -> None:
    answers = load.answers
    wait_for(lambda: load.answers > answers + 400, "answers come", 60.0)


def test_nothing_is_answered_before_it_is_in_the_topic(primary: Primary) -> None:
    before = primary.topic_sequences()
    primary.replicator.signal(signal.SIGSTOP)
    found: list[CommandResult] = []

    def submit() -> None:
        with primary.engine.client(timeout_ms=60_000) as client:
            found.append(client.submit(limit_order(1, 1, r.BUY, 50, 1)))

    thread = threading.Thread(target=submit)
    thread.start()
    try:
        wait_for(
            lambda: len(journal_commands(primary.engine.journal)) == before + 1, "it is journaled"
        )
        with primary.engine.client() as client:
            assert client._connected().logon.durable_sequence == before
        time.sleep(0.5)
        assert not found
        assert primary.topic_sequences() == before
    finally:
        primary.replicator.signal(signal.SIGCONT)
        thread.join(30)
    assert kinds(found[0])[0] == r.ORDER_ACCEPTED
    assert primary.topic_sequences() == before + 1


def test_while_the_copy_stalls_new_orders_are_refused_and_the_sessions_live(
    primary: Primary,
) -> None:
    primary.replicator.kill()
    with primary.engine.client(timeout_ms=200) as client, pytest.raises(EngineUnavailable):
        client.submit(limit_order(1, 1, r.BUY, 50, 1))
    health = primary.engine.environment["ENGINE_HEALTH_LISTEN"]

    def refusal() -> str:
        try:
            with primary.engine.client(timeout_ms=500) as client:
                client.submit(limit_order(1, 2, r.BUY, 50, 1))
        except EngineBusy as error:
            return str(error)
        except EngineUnavailable:
            pass  # not stalled for long enough yet: it was queued
        return ""

    wait_for(lambda: "replication outage" in refusal(), "orders are refused")
    assert "replication outage" in http_text(f"http://{health}/health")
    primary.replicator.start()
    wait_for(lambda: not refusal(), "orders are taken again")
    with primary.engine.client() as client:
        repeat = client.submit(limit_order(1, 1, r.BUY, 50, 1))
        assert repeat.is_repeat, "what was not answered had been taken once"


def test_a_replicator_killed_again_and_again_copies_every_record_once(primary: Primary) -> None:
    load = load_on(primary.engine, primary.engine.address, 2_000)
    load.start()
    try:
        for _ in range(5):
            await_answers(load)
            primary.replicator.kill()
            primary.replicator.start()
    finally:
        load.stop()
    commands = topic_commands(primary.url, primary.shard)
    assert differences(load, commands) == (0, 0, 0)
    assert commands == journal_commands(primary.engine.journal)


def test_an_engine_killed_under_load_goes_on_where_the_topic_is(primary: Primary) -> None:
    load = load_on(primary.engine, primary.engine.address, 2_000)
    load.start()
    try:
        for _ in range(3):
            await_answers(load)
            primary.engine.kill()
            primary.engine.start()
    finally:
        load.stop()
    commands = topic_commands(primary.url, primary.shard)
    assert differences(load, commands) == (0, 0, 0)
    assert commands == journal_commands(primary.engine.journal)


def test_kafka_killed_under_load_stops_all_answers_and_nothing_is_lost(
    primary: Primary, kafka_server: Server
) -> None:
    load = load_on(primary.engine, primary.engine.address, 2_000)
    load.start()
    try:
        await_answers(load)
        kafka_server.kill()
        try:
            time.sleep(0.2)  # an answer may have been under way
            answers = load.answers
            time.sleep(1.0)
            assert load.answers == answers
            assert primary.engine.is_running
        finally:
            kafka_server.start()
        await_answers(load)
    finally:
        load.stop()
    commands = topic_commands(primary.url, primary.shard)
    assert differences(load, commands) == (0, 0, 0)
    assert commands == journal_commands(primary.engine.journal)


def test_what_comes_through_a_ring_waits_for_its_copy_and_sessions_come_and_go(
    primary: Primary,
) -> None:
    engine, tokens = primary.engine, primary.engine.issuer
    found: list[CommandResult | EngineError] = []

    def submit() -> None:
        with ShmEngineClient(engine.address, lambda: tokens.service(SCOPES), 60_000) as client:
            for first in range(0, 300, 50):
                orders = [limit_order(1, 1 + first + n, r.BUY, 50, 1) for n in range(50)]
                found.extend(client.submit_many(orders))

    thread = threading.Thread(target=submit)
    thread.start()
    for _ in range(3):
        wait_for(lambda: len(found) > 0, "the first answers")
        primary.replicator.kill()
        # While the ring's batch waits, rings are made and dropped, and a member logs on.
        for _ in range(3):
            other = ShmEngineClient(engine.address, lambda: tokens.service(SCOPES), 300)
            with suppress(EngineUnavailable, EngineBusy):
                other.submit(limit_order(2, 1, r.BUY, 49, 1))
            other.close()
        primary.replicator.start()
        with SyncMemberClient(engine.address, lambda: tokens.member(3), 30_000) as member:
            number = 1 + primary.topic_sequences()
            assert kinds(member.submit(limit_order(3, number, r.BUY, 48, 1)))[0] == r.ORDER_ACCEPTED
    thread.join(60)
    results = [result for result in found if isinstance(result, CommandResult)]
    assert [result.events[0].kind for result in results] == [r.ORDER_ACCEPTED] * 300
    commands = topic_commands(primary.url, primary.shard)
    assert commands == journal_commands(engine.journal)
    for result in results:
        assert commands[result.sequence - 1].events[0] == result.events[0].words


def test_a_second_replicator_of_the_same_journal_gives_up(primary: Primary) -> None:
    second = ReplicatorProcess(primary.engine).start()
    assert second.wait() == 3
    assert "another replicator" in second.log()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", ""])
def test_without_kafka_the_engine_refuses_to_start(tmp_path: Path, url: str) -> None:
    engine = EngineProcess(tmp_path, TRADING_DURABILITY="replicated", STREAM_URL=url)
    engine.spawn()
    assert engine.wait() == 2
    assert "needs Kafka" in engine.log()
