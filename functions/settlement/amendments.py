"""Busts and corrections of trades that no instruction has taken up yet."""

from dataclasses import dataclass
from typing import Any, Final

from shared.domain.settlement import obligations_of_trade
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

NOT_FOUND: Final = "NOT_FOUND"
NETTED: Final = "NETTED"
BUSTED: Final = "BUSTED"
AMENDED: Final = "AMENDED"


@dataclass(frozen=True, slots=True)
class Corrected:
    """The terms that a trade of this instrument should have had."""

    instrument_id: int
    price_ticks: int
    quantity_lots: int


def amend(
    uow: UnitOfWork, instruments: Instruments, trade_id: int, corrected: Corrected | None
) -> dict[str, Any]:
    """Bust a trade (None), or give it another price and quantity; return its terms until then.

    A trade that an instruction has taken up is left as it is (NETTED): money and shares are on
    their way. A busted one is not netted any more. Asking again for what was done last gives the
    same terms again: whoever asked may not have heard them, and the engine has to.
    """
    states = {
        row[0]
        for row in uow.connection.execute(
            "select state from settlement.obligations where trade_id = %s order by side for update",
            (trade_id,),
        )
    }
    trade = _trade(uow, trade_id)
    if trade is None or (corrected is not None and corrected.instrument_id != trade[0]):
        return {"outcome": NOT_FOUND}
    if not states <= {"OPEN", "BUSTED"}:
        return {"outcome": NETTED}
    if states == {"BUSTED"} and corrected is not None:
        return {"outcome": BUSTED}
    terms = trade[7:9]
    if corrected is None:
        uow.connection.execute(
            "update settlement.obligations set state = 'BUSTED' where trade_id = %s", (trade_id,)
        )
    elif terms == (corrected.price_ticks, corrected.quantity_lots) and trade[9] is not None:
        terms = trade[9:11]
    else:
        _correct(uow, instruments, trade_id, trade, corrected)
    return {
        "outcome": AMENDED,
        "instrument_id": trade[0],
        "sequence": trade[1],
        "index": trade[2],
        "buyer_id": trade[3],
        "seller_id": trade[4],
        "price_ticks": terms[0],
        "quantity_lots": terms[1],
    }


def _trade(uow: UnitOfWork, trade_id: int) -> tuple[Any, ...] | None:
    """Return a trade with the terms that it has now, and those that it had before, if any."""
    return uow.connection.execute(
        "select t.instrument_id, t.sequence, t.event_index, t.buy_account_id, t.sell_account_id, "
        "t.buy_order_id, t.sell_order_id, coalesce(a.price_ticks, t.price_ticks), "
        "coalesce(a.quantity_lots, t.quantity_lots), a.from_price_ticks, a.from_quantity_lots "
        "from settlement.trades t left join settlement.amendments a using (trade_id) "
        "where t.trade_id = %s",
        (trade_id,),
    ).fetchone()


def _correct(
    uow: UnitOfWork,
    instruments: Instruments,
    trade_id: int,
    trade: tuple[Any, ...],
    corrected: Corrected,
) -> None:
    """Give both obligations the corrected amounts, and remember the terms for the next time."""
    price_ticks, quantity_lots = corrected.price_ticks, corrected.quantity_lots
    uow.connection.execute(
        "insert into settlement.amendments "
        "(trade_id, price_ticks, quantity_lots, from_price_ticks, from_quantity_lots) "
        "values (%s, %s, %s, %s, %s) on conflict (trade_id) do update set "
        "price_ticks = excluded.price_ticks, quantity_lots = excluded.quantity_lots, "
        "from_price_ticks = excluded.from_price_ticks, "
        "from_quantity_lots = excluded.from_quantity_lots, amended_at = now()",
        (trade_id, price_ticks, quantity_lots, *trade[7:9]),
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
