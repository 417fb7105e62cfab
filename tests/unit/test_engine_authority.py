"""Who may send which command: members what concerns their own orders, services by scope."""

import pytest

from hotpath.runtime.gateway.authority import SCOPE_OF_COMMAND, may_command, rights
from hotpath.runtime.gateway.session import Session
from hotpath.runtime.rings.batch import REFUSED
from shared.domain import records as r
from shared.domain.ids import SOURCE_BACKOFFICE, administrative_id, member_order_id
from shared.wire import frames
from shared.wire.tokens import ADMIN, FUND, READ, SCOPES, TRADE

ACCOUNT = 7
OWN, OTHERS = member_order_id(ACCOUNT, 1), member_order_id(8, 1)
OF_ORDERS = (r.PLACE_ORDER, r.PLACE_ORDER_EXTENDED, r.CANCEL_ORDER, r.REPLACE_ORDER)
EVERY_KIND = range(256)


def session(kind: int, *scopes: str) -> Session:
    made = Session.__new__(Session)
    made.kind, made.account_id, made.scopes = kind, ACCOUNT, frozenset(scopes)
    return made


@pytest.mark.parametrize("kind", OF_ORDERS)
def test_a_member_may_send_its_own_orders_and_nobody_elses(kind: int) -> None:
    member = session(frames.MEMBER, TRADE, READ)
    assert may_command(member, kind, ACCOUNT, OWN)
    assert not may_command(member, kind, ACCOUNT, OTHERS)
    assert not may_command(member, kind, 8, OTHERS)


def test_a_member_may_send_nothing_but_orders_whatever_its_token_says() -> None:
    member = session(frames.MEMBER, TRADE, FUND, ADMIN, READ)
    id_ = administrative_id(SOURCE_BACKOFFICE, 1)
    allowed = {kind for kind in EVERY_KIND if may_command(member, kind, ACCOUNT, OWN)}
    assert allowed == {*OF_ORDERS, r.MASS_CANCEL, r.BATCH}
    assert not any(may_command(member, kind, 8, id_) for kind in EVERY_KIND)


@pytest.mark.parametrize(
    "kind", [r.UNCROSS, r.END_OF_DAY, r.SET_KILL_SWITCH, r.BUST_TRADE, r.SET_FEE_TIER]
)
def test_a_service_needs_the_admin_scope_for_the_market_itself(kind: int) -> None:
    assert may_command(session(frames.SERVICE, ADMIN), kind, 0, 1)
    assert not may_command(session(frames.SERVICE, TRADE, FUND, READ), kind, 0, 1)


@pytest.mark.parametrize("kind", [r.CONTINUE, r.DISCONNECT])
def test_nobody_sends_what_the_engine_says_itself(kind: int) -> None:
    for one in (session(frames.SERVICE, *SCOPES), session(frames.MEMBER, *SCOPES)):
        assert not may_command(one, kind, ACCOUNT, OWN)
        assert rights(one)[kind] == REFUSED


def test_credit_moves_are_funding() -> None:
    assert {SCOPE_OF_COMMAND[kind] for kind in (r.CREDIT_OUT, r.CREDIT_IN, r.CREDIT_UNDO)} == {FUND}
