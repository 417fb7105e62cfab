"""Operators' requests as actions: sessions, the day, the kill switch, amended trades."""

from typing import Any, Final

from functions.backoffice.actions import Action
from functions.backoffice.models import CorrectTradeRequest, KillSwitchRequest
from shared.domain import names
from shared.domain import records as r
from shared.domain.commands import SetInstrumentState
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.instruments import Instrument
from shared.domain.market_commands import (
    BustTrade,
    CorrectTrade,
    DelistInstrument,
    EndOfDay,
    SetKillSwitch,
    TradeTerms,
    Uncross,
)
from shared.edge.problems import Problem
from shared.postgres.unit_of_work import UnitOfWork

ALL_INSTRUMENTS: Final = "ALL"
END_OF_DAY: Final = "END_OF_DAY"
DAY_LEAST_S: Final = 3_600
_SESSIONS: Final = names.numbers(names.SESSIONS)
_SCOPES: Final = {"ACCOUNT": r.KILL_ACCOUNT, "GROUP": r.KILL_GROUP, "FIRM": r.KILL_FIRM}


def halt(instrument: Instrument) -> Action:
    return _change("HALT_INSTRUMENT", instrument, "HALTED")


def resume(instrument: Instrument) -> Action:
    return _change("RESUME_INSTRUMENT", instrument, "CONTINUOUS")


def set_session(instrument: Instrument | None, session: str) -> Action:
    """Return the change of an instrument's session, or (None) of all that can change so."""
    return _change("SET_SESSION", instrument, session)


def _change(name: str, instrument: Instrument | None, session: str) -> Action:
    number = instrument.instrument_id if instrument else 0
    return Action(
        name,
        instrument.symbol if instrument else ALL_INSTRUMENTS,
        lambda id_: SetInstrumentState(id_, number, _SESSIONS[session]),
        session,
    )


def uncross(instrument: Instrument, following: str) -> Action:
    number, session = instrument.instrument_id, _SESSIONS[following]
    return Action(
        "UNCROSS", instrument.symbol, lambda id_: Uncross(id_, number, session), following
    )


def end_of_day(instrument: Instrument | None) -> Action:
    """Return the end of a closed instrument's day, or (None) of the engine's."""
    if instrument is None:
        return Action(END_OF_DAY, ALL_INSTRUMENTS, EndOfDay, before_commit=_refuse_second)
    number = instrument.instrument_id
    return Action(END_OF_DAY, instrument.symbol, lambda id_: EndOfDay(id_, number))


def _refuse_second(uow: UnitOfWork, command_id: int) -> None:
    """Refuse to end a day while the end before it waits, or within an hour of its answer.

    Two ends one after the other make every engine forget all ids from before the first, and what
    was sent by then and not heard of would be carried out again when it is repeated. Repeats come
    every minute, so an hour is enough for them; it counts from the last engine's answer.
    """
    uow.connection.execute("select pg_advisory_xact_lock(hashtext('admin.end_of_day'))")
    row = uow.connection.execute(
        "select o.answered_at is null, o.answered_at > clock_timestamp() - %s * interval '1 s' "
        "from admin.actions a join admin.engine_outbox o using (command_id) "
        "where a.action = %s and a.subject = %s and command_id <> %s "
        "order by a.action_id desc limit 1",
        (DAY_LEAST_S, END_OF_DAY, ALL_INSTRUMENTS, command_id),
    ).fetchone()
    if row is None or not (row[0] or row[1]):
        return
    detail = "The last trading day ended within the hour: another end would forget too much."
    if row[0]:
        detail = "The end of the day before has not been carried out yet."
    raise Problem(409, "trading_day_just_ended", detail)


def delist(instrument: Instrument) -> Action:
    number = instrument.instrument_id
    return Action("DELIST_INSTRUMENT", instrument.symbol, lambda id_: DelistInstrument(id_, number))


def set_kill_switch(request: KillSwitchRequest) -> Action | None:
    """Return the switch's action; None when the target does not fit the scope."""
    target = int(request.target or 0)
    if (target == 0) != (request.scope == "FIRM") or target > MAX_ACCOUNT_ID:
        return None
    scope, on = _SCOPES[request.scope], request.on
    subject = f"{request.scope} {target}" if target else request.scope
    return Action(
        "SET_KILL_SWITCH",
        subject,
        lambda id_: SetKillSwitch(id_, scope, target, on),
        "ON" if on else "OFF",
    )


def bust(trade_id: str, trade: dict[str, Any]) -> Action:
    """Return the undoing of a trade as settlement knows it."""
    number, terms = trade["instrument_id"], _terms(trade)
    return Action("BUST_TRADE", trade_id, lambda id_: BustTrade(id_, number, terms))


def correct(
    trade_id: str,
    corrected: dict[str, int],
    request: CorrectTradeRequest,
    trade: dict[str, Any],
) -> Action:
    """Return a trade's correction from the terms that settlement knows to those of the request."""
    number, terms = trade["instrument_id"], _terms(trade)
    price_ticks, quantity_lots = corrected["price_ticks"], corrected["quantity_lots"]
    return Action(
        "CORRECT_TRADE",
        trade_id,
        lambda id_: CorrectTrade(id_, number, terms, price_ticks, quantity_lots),
        f"{request.quantity} at {request.price}",
    )


def _terms(trade: dict[str, Any]) -> TradeTerms:
    return TradeTerms(
        sequence=trade["sequence"],
        index=trade["index"],
        buyer_id=trade["buyer_id"],
        seller_id=trade["seller_id"],
        price_ticks=trade["price_ticks"],
        quantity_lots=trade["quantity_lots"],
    )
