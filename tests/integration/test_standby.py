"""A standby beside a real engine: it takes over what was acknowledged, and only when it may."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotpath.core.api import Engine
from hotpath.runtime.journal.reader import JournalScan
from hotpath.runtime.journal.recovery import JournalDiverged, recover
from hotpath.runtime.journal.snapshots import write_snapshot
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.standby.hot_state import HotState
from shared.domain import records as r
from shared.domain.commands import MoveCash
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from shared.ports.engine import EngineStatus, EngineUnavailable
from tests.support.engine import EngineProcess, kinds, limit_order, market, wait_for
from tests.support.standby import StandbyProcess, engine_address


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[EngineProcess]:
    """A started engine on a port that can be taken over, with one instrument and three accounts."""
    with engine_address() as address:
        engine = EngineProcess(tmp_path, ENGINE_LISTEN=address, TRADING_MARK_MS="50")
        try:
            engine.start()
            with engine.client() as client:
                client.submit_many(market(accounts=3))
            yield engine
        finally:
            engine.close()


@pytest.fixture
def standby(primary: EngineProcess) -> Iterator[StandbyProcess]:
    process = StandbyProcess(primary)
    try:
        yield process.start()
    finally:
        process.close()


def trade(engine: EngineProcess, first: int, orders: int = 50) -> EngineStatus:
    with engine.client() as client:
        client.submit_many([limit_order(1, first + n, r.BUY, 50 + n, 1) for n in range(orders)])
        return client.status()


def status_now(engine: EngineProcess) -> EngineStatus:
    """Return the status of whoever serves now; wait until somebody does."""
    found: list[EngineStatus] = []

    def is_answered() -> bool:
        try:
            with engine.client() as client:
                found.append(client.status())
        except EngineUnavailable:
            return False
        return True

    wait_for(is_answered, "somebody answers")
    return found[0]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hung_primary_is_replaced_and_nothing_is_lost(
    primary: EngineProcess, standby: StandbyProcess, how: signal.Signals
) -> None:
    before = trade(primary, 1)
    os.kill(primary.process_id, how)
    standby.wait_open()
    after = status_now(primary)
    assert (after.sequence, after.state_hash) == (before.sequence, before.state_hash)
    assert after.epoch == before.epoch + 1
    assert primary.wait() == -9, "a hung primary is killed before its journal is taken"
    assert kinds_of_next_order(primary) == [r.ORDER_ACCEPTED]
    old = EngineProcess(primary.folder)
    old.log_file = primary.folder / "old.log"
    old.spawn()
    assert old.wait() == 3, "the old primary, brought back"
    assert str(standby.process_id) in old.log()


def kinds_of_next_order(engine: EngineProcess) -> list[int]:
    with engine.client() as client:
        return kinds(client.submit(limit_order(2, 999, r.BUY, 40, 1)))


def test_asked_to_switch_it_replaces_a_healthy_primary_which_ends_in_order(
    primary: EngineProcess, standby: StandbyProcess
) -> None:
    before = trade(primary, 1)
    standby.signal(signal.SIGUSR1)
    assert primary.wait() == 0
    standby.wait_open()
    after = status_now(primary)
    assert (after.sequence, after.state_hash) == (before.sequence, before.state_hash)
    following = StandbyProcess(primary, "next")
    try:
        following.start()  # the one that was a standby is followed like any other engine
        trade(primary, 1000)
        standby.signal(signal.SIGKILL)
        following.wait_open()
        assert status_now(primary).epoch == before.epoch + 2
    finally:
        following.close()


def test_a_primary_that_was_stopped_in_order_is_not_replaced(
    primary: EngineProcess, standby: StandbyProcess
) -> None:
    before = trade(primary, 1)
    assert primary.stop() == 0
    primary.start()
    wait_for(lambda: status_now(primary).epoch == before.epoch + 1, "the same primary is back")
    assert standby.is_running
    assert not standby.says("taking over")
    trade(primary, 1000)
    primary.kill()
    standby.wait_open()


def test_a_standby_with_another_state_says_so_and_never_takes_over(
    primary: EngineProcess,
) -> None:
    trade(primary, 1)
    recovered = recover(primary.journal)
    assert recovered.place is not None
    write_snapshot(primary.journal, richer(recovered.engine, recovered.sequence), recovered.place)
    standby = StandbyProcess(primary)
    try:
        standby.start()
        trade(primary, 1000)
        wait_for(lambda: standby.says("this standby will not take over"), "it finds the difference")
        primary.kill()
        standby.signal(signal.SIGUSR1)  # not when asked, either
        standby.signal(signal.SIGTERM)
        assert standby.wait() == 0
        assert not standby.says(" open on ")
    finally:
        standby.close()


def test_a_standby_that_cannot_read_what_is_durable_says_so_and_never_takes_over(
    primary: EngineProcess,
) -> None:
    """The engine goes on over a byte that its disk has changed; a standby that starts cannot."""
    trade(primary, 1)
    *_, (path, offset, _) = JournalScan(primary.journal)
    with path.open("r+b") as segment:
        segment.seek(offset + 60)
        (byte,) = segment.read(1)
        segment.seek(offset + 60)
        segment.write(bytes([byte ^ 1]))
    standby = StandbyProcess(primary)
    try:
        standby.start()
        trade(primary, 1000)
        wait_for(lambda: standby.says("cannot be read; `trading journal verify`"), "it is stuck")
        primary.kill()
        standby.signal(signal.SIGTERM)
        assert standby.wait() == 0
        assert not standby.says(" open on ")
    finally:
        standby.close()


def richer(engine: Engine, sequence: int) -> Engine:
    """Return the state after a deposit that the journal does not hold."""
    words = list(MoveCash(r.DEPOSIT_CASH, administrative_id(SOURCE_LEDGER, 77), 1, 5).words())
    words[r.C_TIME_NS], words[r.C_SEQUENCE] = 1, sequence
    data = b"".join(word.to_bytes(8, "little", signed=True) for word in words)
    engine.apply_bytes(data, 0)
    return engine


def test_every_hash_that_the_engine_notes_is_compared(primary: EngineProcess) -> None:
    trade(primary, 1)
    with StatusFile(primary.journal, create=False) as status:
        state = HotState(primary.journal, 0, status.durable_sequence)

        def marks() -> int:
            state.advance(status.durable_sequence)
            return state.marks

        wait_for(lambda: marks() >= 2, "an epoch and a mark are compared")
        state.engine.apply_bytes(bytes(64), 0)  # a refused command: only the sequence differs
        richer(state.engine, state.sequence)
        trade(primary, 1000, orders=1)
        with pytest.raises(JournalDiverged):
            wait_for(lambda: marks() > 100, "the difference is found")
    state.close()
