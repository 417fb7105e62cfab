"""Which session may do what: a member its own orders, a service what its scopes name."""

from typing import Final

from hotpath.runtime.gateway.session import Session
from hotpath.runtime.rings.batch import ALLOWED, OWN_ACCOUNT, OWN_ORDER
from shared.domain import records as r
from shared.domain.ids import account_of_order
from shared.wire import frames
from shared.wire.tokens import ADMIN, FUND, READ, TRADE

_ORDER_KINDS: Final = (r.PLACE_ORDER, r.PLACE_ORDER_EXTENDED, r.CANCEL_ORDER, r.REPLACE_ORDER)
SCOPE_OF_COMMAND: Final[dict[int, str]] = {
    r.PLACE_ORDER: TRADE,
    r.PLACE_ORDER_EXTENDED: TRADE,
    r.CANCEL_ORDER: TRADE,
    r.REPLACE_ORDER: TRADE,
    r.MASS_CANCEL: TRADE,
    r.BATCH: TRADE,  # the engine refuses what in it is not of its account
    r.DEPOSIT_CASH: FUND,
    r.HOLD_WITHDRAWAL: FUND,
    r.CONFIRM_WITHDRAWAL: FUND,
    r.RELEASE_WITHDRAWAL: FUND,
    r.DEPOSIT_SHARES: FUND,
    r.SETTLE: FUND,
    r.CREDIT_OUT: FUND,
    r.CREDIT_IN: FUND,
    r.CREDIT_UNDO: FUND,
    r.SET_ACCOUNT_STATE: ADMIN,
    r.SET_INSTRUMENT_STATE: ADMIN,
    r.ADD_ACCOUNT: ADMIN,
    r.ADD_INSTRUMENT: ADMIN,
    r.SET_LIMITS: ADMIN,
}

# What the engine's own process sends: they go on with work, and tell of a session that ended.
_OWN_KINDS: Final = (r.CONTINUE, r.DISCONNECT)


def may_command(session: Session, kind: int, account_id: int, order_id: int) -> bool:
    """Return whether the session may send this command.

    What is not named above needs the admin scope: sessions, kill switch, terms, amendments of
    trades.
    """
    if kind in _OWN_KINDS:
        return False
    scope = SCOPE_OF_COMMAND.get(kind, ADMIN)
    if scope not in session.scopes:
        return False
    if session.kind == frames.SERVICE:
        return True
    if scope != TRADE or account_id != session.account_id:
        return False
    return kind not in _ORDER_KINDS or account_of_order(order_id) == account_id


def rights(session: Session) -> bytes:
    """Return, by kind of command, what the session may do: for the rings, whose code is compiled.

    It says the same as `may_command`.
    """
    table = bytearray(256)
    for kind in range(256):
        scope = SCOPE_OF_COMMAND.get(kind, ADMIN)
        if scope not in session.scopes or kind in _OWN_KINDS:
            continue
        if session.kind == frames.SERVICE:
            table[kind] = ALLOWED
        elif scope == TRADE:
            table[kind] = OWN_ORDER if kind in _ORDER_KINDS else OWN_ACCOUNT
    return bytes(table)


def may_query(session: Session, query: frames.Query) -> bool:
    """Return whether the session may see this. Books are everybody's; the status, whose hash is
    taken over the whole state, is for services."""
    if READ not in session.scopes:
        return False
    if session.kind == frames.SERVICE or query.kind == frames.QUERY_BOOK:
        return True
    if query.kind == frames.QUERY_STATUS:
        return False
    if query.kind == frames.QUERY_ORDER:
        return account_of_order(query.argument) == session.account_id
    return query.argument == session.account_id
