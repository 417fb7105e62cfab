"""An auction with more trades of one member than a frame holds: told in pages, live and again."""

from shared.domain import records as r
from shared.domain.commands import DepositShares, SetInstrumentState
from shared.domain.events import EngineEvent
from shared.domain.ids import SOURCE_TOOLS, administrative_id
from shared.domain.market_commands import Uncross
from shared.hotpath_client import SyncMemberClient
from shared.wire.report_pages import PAGE_EVENTS
from tests.support.engine import INSTRUMENT, EngineProcess, engine, limit_order

__all__ = ["engine"]
TRADES = PAGE_EVENTS + 1_000


def trades(member: SyncMemberClient) -> list[EngineEvent]:
    """Wait for the auction's report; return its trades."""
    while True:
        told = [it for it in member.receive(20_000) if it.kind == r.TRADE_EXECUTED]
        if told:
            return told


def test_a_member_of_a_large_auction_is_told_of_all_trades_at_once(engine: EngineProcess) -> None:
    numbers = (administrative_id(SOURCE_TOOLS, number) for number in range(1_000, 2_000))
    address, token = engine.address, engine.issuer.member(1)
    with SyncMemberClient(address, lambda: token) as member, engine.client() as service:
        service.submit(DepositShares(next(numbers), 2, INSTRUMENT, TRADES))
        for session in (r.SESSION_CLOSED, r.SESSION_PRE_OPEN):
            service.submit(SetInstrumentState(next(numbers), INSTRUMENT, session))
        member.submit(limit_order(1, 1, r.BUY, 100, TRADES))
        service.submit_many([limit_order(2, it, r.SELL, 100, 1) for it in range(1, TRADES + 1)])
        before = member._stream.last_number
        service.submit(Uncross(next(numbers), INSTRUMENT, r.SESSION_CONTINUOUS))
        live = trades(member)
        assert len(live) == TRADES
        member._stream.last_number = before  # as if the connection had been lost among the pages
        member._drop()
        assert trades(member) == live
        assert member.connections == 2
