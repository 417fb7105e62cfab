"""Busts and corrections of trades that no instruction has taken up yet.

A trade is first taken out of settlement, at the terms that it has; what was asked for is applied
when the engine has carried it out, and withdrawn when it has refused: both end with one trade.
"""

from dataclasses import dataclass
from typing import Any, Final

from shared.domain.settlement import obligations_of_trade
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

NOT_FOUND: Final = "NOT_FOUND"
NETTED: Final = "NETTED"
BUSTED: Final = "BUSTED"
PENDING: Final = "PENDING"
WITHDRAWN: Final = "WITHDRAWN"
AMENDING: Final = "AMENDING"


@dataclass(frozen=True, slots=True)
class Corrected:
    """The terms that a trade of this instrument should have had."""

    instrument_id: int
    price_ticks: int
    quantity_lots: int


def ask(
    uow: UnitOfWork, amendment_id: int, trade_id: int, corrected: Corrected | None
) -> dict[str, Any]:
    """Take a trade out of settlement to bust it (None) or to correct it; return its terms.

    A trade that an instruction has taken up is left as it is (NETTED): money and shares are on
    their way. While one amendment of a trade is under way there is no other (PENDING): only the
    engine can tell which terms the next one begins at. One that was withdrawn before it came stays
    withdrawn. The same amendment again gets the same terms.
    """
    states = _lock(uow, trade_id)
    steps = _steps(uow, amendment_id)
    trade = _trade(uow, trade_id)
    if trade is None or (corrected is not None and corrected.instrument_id != trade[0]):
        return {"outcome": NOT_FOUND}
    if steps - {"ASKED"}:
        return {"outcome": WITHDRAWN}
    if states == {AMENDING} and not steps:
        return {"outcome": PENDING}
    if states == {"BUSTED"}:
        return {"outcome": BUSTED}
    if not states <= {"OPEN", AMENDING}:
        return {"outcome": NETTED}
    if not steps:
        terms = (None, None) if corrected is None else _terms(corrected)
        _add_step(uow, amendment_id, "ASKED", trade_id, *terms)
        _set_state(uow, trade_id, AMENDING)
    return {
        "outcome": AMENDING,
        "instrument_id": trade[0],
        "sequence": trade[1],
        "index": trade[2],
        "buyer_id": trade[3],
        "seller_id": trade[4],
        "price_ticks": trade[7],
        "quantity_lots": trade[8],
    }


def conclude(
    uow: UnitOfWork, instruments: Instruments, amendment_id: int, trade_id: int, applied: bool
) -> dict[str, Any]:
    """Carry an amendment out as the engine did, or withdraw it; a second time changes nothing.

    Withdrawing one that never came keeps it from coming late.
    """
    _lock(uow, trade_id)
    steps = _steps(uow, amendment_id)
    if steps - {"ASKED"}:
        return {"outcome": "KNOWN"}
    assert steps or not applied, f"amendment {amendment_id} was never asked for"
    step = "APPLIED" if applied else WITHDRAWN
    _add_step(uow, amendment_id, step, trade_id, None, None)
    if not steps:
        return {"outcome": step}
    row = uow.connection.execute(
        "select price_ticks, quantity_lots from settlement.amendment_steps "
        "where amendment_id = %s and step = 'ASKED' and trade_id = %s",
        (amendment_id, trade_id),
    ).fetchone()
    assert row is not None, f"amendment {amendment_id} is of another trade than {trade_id}"
    bust = row[0] is None
    _set_state(uow, trade_id, "BUSTED" if applied and bust else "OPEN")
    if applied and not bust:
        _correct(uow, instruments, trade_id, *row)
    return {"outcome": step}


def _lock(uow: UnitOfWork, trade_id: int) -> set[str]:
    """Lock a trade's obligations; return their states."""
    rows = uow.connection.execute(
        "select state from settlement.obligations where trade_id = %s order by side for update",
        (trade_id,),
    )
    return {row[0] for row in rows}


def _steps(uow: UnitOfWork, amendment_id: int) -> set[str]:
    """Return what has become of an amendment so far; two askers at once wait for each other."""
    uow.connection.execute(
        "select pg_advisory_xact_lock(hashtextextended('amendment', %s))", (amendment_id,)
    )
    rows = uow.connection.execute(
        "select step from settlement.amendment_steps where amendment_id = %s", (amendment_id,)
    )
    return {row[0] for row in rows}


def _add_step(
    uow: UnitOfWork,
    amendment_id: int,
    step: str,
    trade_id: int,
    price_ticks: int | None,
    quantity_lots: int | None,
) -> None:
    uow.connection.execute(
        "insert into settlement.amendment_steps "
        "(amendment_id, step, trade_id, price_ticks, quantity_lots) values (%s, %s, %s, %s, %s)",
        (amendment_id, step, trade_id, price_ticks, quantity_lots),
    )


def _set_state(uow: UnitOfWork, trade_id: int, state: str) -> None:
    uow.connection.execute(
        "update settlement.obligations set state = %s where trade_id = %s", (state, trade_id)
    )


def _terms(corrected: Corrected) -> tuple[int, int]:
    return corrected.price_ticks, corrected.quantity_lots


def _trade(uow: UnitOfWork, trade_id: int) -> tuple[Any, ...] | None:
    """Return a trade with the terms that the engine has of it now."""
    return uow.connection.execute(
        "select t.instrument_id, t.sequence, t.event_index, t.buy_account_id, t.sell_account_id, "
        "t.buy_order_id, t.sell_order_id, coalesce(a.price_ticks, t.price_ticks), "
        "coalesce(a.quantity_lots, t.quantity_lots) "
        "from settlement.trades t left join settlement.amendments a using (trade_id) "
        "where t.trade_id = %s",
        (trade_id,),
    ).fetchone()


def _correct(
    uow: UnitOfWork, instruments: Instruments, trade_id: int, price_ticks: int, quantity_lots: int
) -> None:
    """Give both obligations the corrected amounts, and the trade the terms that hold now."""
    trade = _trade(uow, trade_id)
    assert trade is not None
    uow.connection.execute(
        "insert into settlement.amendments (trade_id, price_ticks, quantity_lots) "
        "values (%s, %s, %s) on conflict (trade_id) do update set "
        "price_ticks = excluded.price_ticks, quantity_lots = excluded.quantity_lots, "
        "amended_at = now()",
        (trade_id, price_ticks, quantity_lots),
    )
    instrument = instruments.by_id[trade[0]]
    sides = obligations_of_trade(
        trade_id=trade_id,
        instrument_id=trade[0],
        currency=instrument.currency,
        quantity_lots=quantity_lots,
        notional_minor=instrument.notional_minor(price_ticks, quantity_lots),
        buyer=(trade[3], trade[5]),
        seller=(trade[4], trade[6]),
    )
    for side in sides:
        uow.connection.execute(
            "update settlement.obligations set cash_minor = %s, quantity_lots = %s "
            "where trade_id = %s and side = %s",
            (side.cash_minor, side.quantity_lots, trade_id, side.side),
        )
