"""Crashes and restarts of a real engine process: what was acknowledged is there, and the same."""

import os
import random
import threading
import time
from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import JournalScan, segment_paths
from shared.domain import records as r
from shared.ports.engine import (
    CommandResult,
    EngineError,
    EngineUnavailable,
)
from tests.support.engine import (
    EngineProcess,
    engine,
    engine_process,
    kinds,
    limit_order,
    market,
    wait_for,
)

__all__ = ["engine"]


def test_a_restart_gives_the_same_state_and_a_higher_epoch(engine: EngineProcess) -> None:
    with engine.client() as client:
        client.submit_many([limit_order(1, n, r.BUY, 50 + n, 1) for n in range(100)])
        client.submit_many([limit_order(2, n, r.SELL, 100, 3) for n in range(20)])
        before = client.status()
    assert engine.stop() == 0
    engine.start()
    with engine.client() as client:
        after = client.status()
    assert after.epoch == before.epoch + 1
    assert (after.sequence, after.state_hash) == (before.sequence, before.state_hash)


def test_a_client_lives_through_a_restart(engine: EngineProcess) -> None:
    with engine.client() as client:
        client.submit(limit_order(1, 1, r.BUY, 100, 1))
        address = engine.address
        engine.kill()
        with pytest.raises(EngineUnavailable):
            client.submit(limit_order(1, 2, r.BUY, 100, 1))
        engine.start(ENGINE_LISTEN=address)
        assert kinds(client.submit(limit_order(1, 3, r.BUY, 100, 1))) == [r.ORDER_ACCEPTED]


def test_a_second_engine_on_the_same_journal_refuses_to_start(engine: EngineProcess) -> None:
    other = EngineProcess(engine.folder)
    other.log_file = engine.folder / "second.log"
    other.spawn()
    assert other.wait() == 3
    assert str(engine.process_id) in other.log()


def test_damage_in_the_middle_refuses_to_start_and_says_where(engine: EngineProcess) -> None:
    engine.stop()
    engine.start(TRADING_DURABILITY="fsync")
    with engine.client() as client:
        client.submit(limit_order(1, 1, r.BUY, 50, 1))
        client.submit(limit_order(1, 2, r.BUY, 50, 1))
    engine.kill()
    path = segment_paths(engine.journal)[-1]
    places = [offset for _, offset, _ in JournalScan(engine.journal)]
    data = bytearray(path.read_bytes())
    data[places[-2] + 100] ^= 1
    path.write_bytes(data)
    engine.spawn()
    assert engine.wait() == 3
    assert "is damaged at byte" in engine.log()


def load(
    engine: EngineProcess, account: int, acknowledged: dict[int, CommandResult], seed: int
) -> None:
    """Send orders and cancels of one account until the engine dies; note every answer."""
    dice = random.Random(seed)
    number = 0
    with engine.client() as client:
        try:
            while True:
                number += 1
                side = dice.choice((r.BUY, r.SELL))
                order = limit_order(account, number, side, dice.randint(95, 105), 1)
                acknowledged[order.order_id] = client.submit(order)
        except EngineError:
            return


FAULTS = ["received", "applied", "half_written", "written", "synced", "acknowledged"]


@pytest.mark.parametrize("durability", ["os", "fsync"])
@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_acknowledged_is_lost_when_killed_under_load(
    tmp_path: Path, fault: str, durability: str
) -> None:
    """Killed at a named point; what was acknowledged is in the journal, event for event."""
    passage = random.Random(f"{fault}{durability}").randint(100, 400)
    with engine_process(tmp_path, TRADING_DURABILITY=durability) as engine:
        with engine.client() as client:
            client.submit_many(market(accounts=3))
        engine.stop()
        engine.start(TRADING_FAULT=f"{fault}:{passage}")
        acknowledged: dict[int, CommandResult] = {}
        senders = [
            threading.Thread(target=load, args=(engine, account, acknowledged, account))
            for account in (1, 2, 3)
        ]
        for sender in senders:
            sender.start()
        assert engine.wait() == -9
        for sender in senders:
            sender.join(10)
        assert len(acknowledged) > 50
        engine.start()
        journaled = {
            command.words[r.C_ID]: command
            for _, _, record in JournalScan(engine.journal)
            for command in record.commands()
        }
        for order_id, result in acknowledged.items():
            command = journaled[order_id]
            assert (command.sequence, command.time_ns) == (result.sequence, result.time_ns)
            assert list(command.events) == [event.words for event in result.events]
        with engine.client() as client:
            for order_id, result in acknowledged.items():
                seen = client.order(order_id)
                assert seen is not None
                assert seen.first_sequence == result.sequence


def test_a_sync_that_fails_halts_the_engine_without_an_answer(tmp_path: Path) -> None:
    """The journal's file is on a full disk: nothing is acknowledged, and the log says why."""
    with engine_process(tmp_path, TRADING_SEGMENT_BYTES="4096") as engine:
        with engine.client() as client:
            client.submit_many(market())
        limit_file_size(engine.process_id)
        orders = [limit_order(1, number, r.BUY, 100, 1) for number in range(1000)]
        with engine.client() as client, pytest.raises(EngineUnavailable):
            client.submit_many(orders)
        assert engine.wait() == 1
        assert "halted at durable sequence" in engine.log()
        durable = int(engine.log().split("halted at durable sequence ")[1].split(":")[0])
        engine.start()
        with engine.client() as client:
            assert client.status().sequence >= durable


def limit_file_size(process_id: int) -> None:
    """Let a running process write no file beyond 1 KiB, as a full disk would."""
    import resource

    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (1024, resource.RLIM_INFINITY))


def test_idle_the_engine_sleeps(engine: EngineProcess) -> None:
    def cpu_s() -> float:
        fields = Path(f"/proc/{engine.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before, started_s = cpu_s(), time.monotonic()
    wait_for(lambda: time.monotonic() - started_s > 2, "two seconds pass")
    assert cpu_s() - before <= 0.1
