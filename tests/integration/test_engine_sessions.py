"""Order-entry sessions on a real engine process: answers, permissions, execution reports."""

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from hotpath.runtime.journal.reader import JournalScan
from shared.domain import records as r
from shared.domain.commands import AddAccount, CancelOrder, MassCancel, MoveCash
from shared.domain.events import EngineEvent
from shared.domain.ids import SOURCE_LEDGER, administrative_id, member_order_id
from shared.domain.reject_codes import CancelReason, RejectCode
from shared.hotpath_client import AsyncEngineClient, MemberSession, SyncEngineClient
from shared.ports.engine import (
    CommandResult,
    EngineError,
    EngineRefused,
    OpenOrder,
)
from shared.wire import frames
from shared.wire.tokens import FUND, READ, TRADE
from tests.support.engine import (
    INSTRUMENT,
    EngineProcess,
    engine,
    engine_process,
    http_text,
    kinds,
    limit_order,
    market,
)

__all__ = ["engine"]


# --- commands and queries --------------------


def test_an_order_rests_trades_and_is_seen_in_every_query(engine: EngineProcess) -> None:
    with engine.client() as client:
        resting = client.submit(limit_order(1, 1, r.BUY, 100, 10))
        assert kinds(resting) == [r.ORDER_ACCEPTED]
        taking = client.submit(limit_order(2, 1, r.SELL, 100, 4, r.IOC))
        assert kinds(taking) == [r.ORDER_ACCEPTED, r.TRADE_EXECUTED]
        assert taking.sequence == resting.sequence + 1
        book = client.book(INSTRUMENT)
        assert book is not None
        assert [(level.price_ticks, level.quantity_lots) for level in book.bids] == [(100, 6)]
        (order,) = client.open_orders(1)
        assert order.leaves_lots == 6
        account = client.account(1)
        assert account is not None
        assert (account.reserved_minor, account.open_orders) == (600, 1)
        seen = client.order(member_order_id(2, 1))
        assert seen is not None
        assert (seen.first_sequence, seen.open_order) == (taking.sequence, None)
        assert client.account(99) is None
        assert client.book(99) is None
        assert client.order(member_order_id(1, 77)) is None
        status = client.status()
        assert status.sequence == status.durable_sequence == taking.sequence


def test_the_same_order_twice_gets_its_first_answer_and_its_present_state(
    engine: EngineProcess,
) -> None:
    order = limit_order(1, 1, r.BUY, 100, 5)
    with engine.client() as client:
        first = client.submit(order)
        client.submit(limit_order(2, 1, r.SELL, 100, 2))
        again = client.submit(order)
        assert again.is_repeat
        assert replace(again, is_repeat=False, open_now=None) == first
        assert again.open_now == OpenOrder(order.order_id, INSTRUMENT, r.BUY, 100, 3)
        client.submit(limit_order(2, 2, r.SELL, 100, 3))
        assert client.submit(order).open_now is None
        assert client.account(1).open_orders == 0  # type: ignore[union-attr]
    engine.kill()
    engine.start()
    with engine.client() as client:
        done = client.submit(order)
        assert (done.is_repeat, done.sequence, done.open_now) == (True, first.sequence, None)


def test_an_id_with_other_terms_is_refused_with_the_first_ones_sequence(
    engine: EngineProcess,
) -> None:
    with engine.client() as client:
        first = client.submit(limit_order(1, 1, r.BUY, 100, 1))
        for other in (limit_order(1, 1, r.BUY, 100, 2), limit_order(1, 1, r.BUY, 99, 1)):
            result = client.submit(other)
            (refusal,) = result.events
            assert not result.is_repeat
            assert refusal.reject_code is RejectCode.DUPLICATE_ID
            assert refusal.words[r.E_FIRST_SEQUENCE] == first.sequence


def test_of_very_many_repeats_in_one_batch_the_last_get_the_refusal_alone(
    engine: EngineProcess,
) -> None:
    orders = [limit_order(1, number, r.BUY, 50, 1) for number in range(1, 901)]
    with engine.client() as client:
        first = client.submit_many(orders)
        again = client.submit_many(orders)
    for was, now in zip(first, again, strict=True):
        assert isinstance(was, CommandResult)
        assert isinstance(now, CommandResult)
        if now.is_repeat:
            assert (now.sequence, now.events) == (was.sequence, was.events)
        else:
            assert now.events[0].words[r.E_FIRST_SEQUENCE] == was.sequence
    assert isinstance(again[0], CommandResult)
    assert again[0].is_repeat


def test_a_trace_is_kept_with_the_command_in_the_journal(engine: EngineProcess) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with engine.client() as client:
        result = client.submit(limit_order(1, 1, r.BUY, 100, 1), traceparent=trace)
    commands = [c for _, _, record in JournalScan(engine.journal) for c in record.commands()]
    traced = {c.sequence: frames.traceparent(c.trace) for c in commands if c.trace}
    assert traced == {result.sequence: trace}


def test_health_and_metrics_tell_the_truth(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with engine_process(tmp_path, ENGINE_HEALTH_LISTEN=f"127.0.0.1:{port}") as started:
        with started.client() as client:
            done = client.submit_many(market())
        facts = json.loads(http_text(f"http://127.0.0.1:{port}/health"))
        assert facts["status"] == "open"
        assert facts["durable_sequence"] == len(done)
        assert facts["compiled"] == ("core: compiled" in started.log())
        text = http_text(f"http://127.0.0.1:{port}/metrics")
        assert f"trading_engine_commands_total {len(done)}\n" in text
        assert f"trading_engine_durable_sequence {len(done)}\n" in text
        assert f"trading_engine_ack_seconds_count {len(done)}\n" in text
        assert f"trading_engine_unpublished_commands {len(done)}\n" in text
        assert "trading_engine_hash_mismatches 0\n" in text
        assert "trading_engine_journal_sync_seconds_count " in text
        ready = json.loads(http_text(f"http://127.0.0.1:{port}/ready"))
        assert ready == {"ready": True, "waits_for": ""}


# --- who may do what --------------------


def service(engine: EngineProcess, *scopes: str) -> SyncEngineClient:
    return SyncEngineClient(engine.address, lambda: engine.issuer.service(scopes), 5000)


def test_a_service_does_what_its_scopes_name_and_nothing_else(engine: EngineProcess) -> None:
    deposit = MoveCash(r.DEPOSIT_CASH, administrative_id(SOURCE_LEDGER, 1 << 40), 1, 5)
    account = AddAccount(administrative_id(SOURCE_LEDGER, 1 << 41), 50, 840)
    order = limit_order(1, 1, r.BUY, 100, 1)
    with service(engine, TRADE) as trader, service(engine, FUND, READ) as funder:
        assert kinds(trader.submit(order)) == [r.ORDER_ACCEPTED]
        for command in (deposit, account):
            with pytest.raises(EngineRefused):
                trader.submit(command)
        with pytest.raises(EngineRefused):
            trader.status()
        assert kinds(funder.submit(deposit)) == [r.CASH_CHANGED]
        with pytest.raises(EngineRefused):
            funder.submit(limit_order(1, 2, r.BUY, 100, 1))
        assert funder.status().open_orders == 1


def test_a_member_reaches_its_own_orders_only(engine: EngineProcess) -> None:
    async def scenario() -> None:
        member = await MemberSession.connect(engine.address, engine.issuer.member(1))
        assert kinds(await member.submit(limit_order(1, 1, r.BUY, 100, 1))) == [r.ORDER_ACCEPTED]
        foreign = CancelOrder(1, member_order_id(2, 1), INSTRUMENT)
        deposit = MoveCash(r.DEPOSIT_CASH, administrative_id(SOURCE_LEDGER, 9), 1, 5)
        for command in (limit_order(2, 1, r.BUY, 100, 1), foreign, deposit, MassCancel(2, 1)):
            with pytest.raises(EngineRefused):
                await member.submit(command)
        with pytest.raises(EngineRefused):
            await member.account(2)
        assert (await member.account(1)) is not None
        await member.close()

    asyncio.run(scenario())


def test_expired_and_foreign_tokens_open_nothing(engine: EngineProcess, tmp_path: Path) -> None:
    other = EngineProcess(tmp_path)  # writes another key beside; it is never started
    for token in (other.issuer.member(1), engine.issuer.member(1, lifetime_s=-1), "nonsense"):
        with pytest.raises(EngineError), SyncEngineClient(engine.address, lambda: token) as client:  # noqa: B023
            client.status()
    assert engine.is_running


def test_a_session_ends_with_its_token_and_the_client_logs_on_again(
    engine: EngineProcess,
) -> None:
    lifetimes = iter([1, 900])
    tokens: list[str] = []

    def token() -> str:
        tokens.append(engine.issuer.service([READ], lifetime_s=next(lifetimes)))
        return tokens[-1]

    with SyncEngineClient(engine.address, token) as client:
        client.status()
        client.status()
    assert len(tokens) == 2, "a session that is about to end is not used again"


# --- execution reports --------------------


def test_the_owner_of_a_resting_order_is_told_of_its_fill_and_of_no_name(
    engine: EngineProcess,
) -> None:
    async def scenario() -> list[EngineEvent]:
        reports: asyncio.Queue[list[EngineEvent]] = asyncio.Queue()
        token = engine.issuer.member(1)
        owner = await MemberSession.connect(engine.address, token, reports.put_nowait)
        stranger = await MemberSession.connect(engine.address, engine.issuer.member(3))
        taker = await MemberSession.connect(engine.address, engine.issuer.member(2))
        await owner.submit(limit_order(1, 1, r.BUY, 100, 10))
        result = await taker.submit(limit_order(2, 1, r.SELL, 100, 4))
        trade = result.events[-1]
        assert (trade.order_id, trade.contra_order_id) == (member_order_id(2, 1), 0)
        assert trade.contra_account_id == 0
        (fill,) = await asyncio.wait_for(reports.get(), 5)
        assert (fill.sequence, fill.index) == (result.sequence, 1)
        assert fill.contra_order_id == member_order_id(1, 1)
        assert (fill.quantity_lots, fill.contra_leaves_lots) == (4, 6)
        assert (fill.order_id, fill.account_id, fill.leaves_lots) == (0, 0, 0)
        with engine.client() as client:
            client.submit(MassCancel(1, INSTRUMENT))
        cancelled = await asyncio.wait_for(reports.get(), 5)
        for session in (owner, stranger, taker):
            await session.close()
        assert [event async for event in stranger.reports()] == []
        return cancelled

    announced, cancelled = asyncio.run(scenario())
    assert announced.kind == r.MASS_CANCELLED
    assert cancelled.cancel_reason is CancelReason.MASS_CANCEL


def test_answers_come_in_the_order_of_the_commands(engine: EngineProcess) -> None:
    async def scenario() -> None:
        client = AsyncEngineClient(
            engine.address, lambda: engine.issuer.service([TRADE, READ]), timeout_ms=20_000
        )
        orders = [limit_order(1, n, r.BUY, 100, 1) for n in range(3000)]
        results = await asyncio.gather(*(client.submit(order) for order in orders))
        sequences = [result.sequence for result in results]
        assert sequences == list(range(sequences[0], sequences[0] + 3000))
        assert (await client.status()).open_orders == 3000
        await client.close()

    asyncio.run(scenario())
