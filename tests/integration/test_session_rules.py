"""Rules of the core that ask which session sent an order, through sockets and rings."""

from collections.abc import Callable

import pytest

from shared.domain import records as r
from shared.domain.commands import Batch
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id, member_order_id
from shared.domain.market_commands import SetThrottle
from shared.domain.reject_codes import RejectCode
from shared.hotpath_client import SyncEngineClient, SyncMemberClient
from shared.hotpath_client.ring_client import ShmEngineClient
from shared.ports.engine import CommandResult
from shared.wire import frames
from tests.support.engine import INSTRUMENT, EngineProcess, engine, kinds, limit_order, wait_for

__all__ = ["engine"]

MEMBER = 1
ClientOf = Callable[[EngineProcess], SyncEngineClient | SyncMemberClient]


def by_socket(engine: EngineProcess) -> SyncMemberClient:
    return SyncMemberClient(engine.address, lambda: engine.issuer.member(MEMBER))


def by_ring(engine: EngineProcess) -> ShmEngineClient:
    token = engine.issuer.member
    return ShmEngineClient(
        engine.address, lambda: token(MEMBER), 10_000, session_kind=frames.MEMBER
    )


BOTH_WAYS = pytest.mark.parametrize("client_of", [by_socket, by_ring])


def flagged(number: int, account: int = MEMBER) -> PlaceExtendedOrder:
    """Return an order that leaves with the session that sends it."""
    return PlaceExtendedOrder(
        *(account, member_order_id(account, number), INSTRUMENT),
        *(r.BUY, r.LIMIT, r.GTC, 5, 100),
        flags=r.ORDER_CANCEL_ON_DISCONNECT,
    )


@BOTH_WAYS
def test_orders_that_ask_for_it_leave_with_their_session_and_no_others(
    engine: EngineProcess, client_of: ClientOf
) -> None:
    with engine.client() as service:
        with client_of(engine) as member:
            assert kinds(member.submit(flagged(1))) == [r.ORDER_ACCEPTED]
            member.submit(limit_order(MEMBER, 2, r.BUY, 99, 1))
            batch = member.submit(Batch(MEMBER, (flagged(3), limit_order(MEMBER, 4, r.BUY, 98, 1))))
            assert kinds(batch) == [r.ORDER_ACCEPTED, r.ORDER_ACCEPTED, r.BATCH_DONE]
            assert len(service.open_orders(MEMBER)) == 4
        wait_for(lambda: len(service.open_orders(MEMBER)) == 2, "two orders leave")
        left = {order.order_id for order in service.open_orders(MEMBER)}
        assert left == {member_order_id(MEMBER, 2), member_order_id(MEMBER, 4)}


def test_a_services_orders_leave_with_no_session(engine: EngineProcess) -> None:
    with engine.client() as service:
        (refusal,) = service.submit(flagged(1)).events
        assert refusal.reject_code is RejectCode.MALFORMED


@BOTH_WAYS
def test_a_sessions_throttle_counts_what_the_session_sends_and_nothing_else(
    engine: EngineProcess, client_of: ClientOf
) -> None:
    number = administrative_id(SOURCE_BACKOFFICE, 1)
    with engine.client() as service, client_of(engine) as member:
        assert kinds(service.submit(SetThrottle(number, 3, session=MEMBER))) == [r.THROTTLE_CHANGED]
        sent = [member.submit(limit_order(MEMBER, n, r.BUY, 90, 1)) for n in range(40)]
        codes = [answer.events[0].code for answer in sent if kinds(answer) == [r.REJECTED]]
        assert RejectCode.SESSION_THROTTLED in codes
        assert set(codes) == {RejectCode.SESSION_THROTTLED}
        others = service.submit_many(
            [limit_order(MEMBER, 100 + n, r.BUY, 90, 1) for n in range(40)]
        )
        for answer in others:
            assert isinstance(answer, CommandResult)
            assert kinds(answer) == [r.ORDER_ACCEPTED]
