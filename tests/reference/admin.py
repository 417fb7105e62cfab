"""Reference data and administration: instruments, accounts, tiers, limits, sessions, the day."""

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason as Reason
from shared.domain.reject_codes import RejectCode as Code
from tests.reference import book, find, sessions, uncross, work
from tests.reference.command import Command
from tests.reference.find import account_of, instrument_of, remember
from tests.reference.model import (
    Account,
    Instrument,
    Market,
    Sweep,
    Throttle,
    refuse_if,
)


def add_account(market: Market, command: Command) -> None:
    refuse_if(not 1 <= command[r.C_CURRENCY] <= 999, Code.MALFORMED)
    refuse_if(not find.valid_account_id(command.account_id), Code.MALFORMED)
    refuse_if(len(market.accounts) >= market.settings.max_accounts, Code.CAPACITY)
    remember(market, command)
    currency = command[r.C_CURRENCY]
    market.accounts[command.account_id] = Account(command.account_id, currency, market.sequence)
    market.emit(r.ACCOUNT_ADDED, command.id, command.account_id, [currency])


def add_instrument(market: Market, command: Command) -> None:
    """Add an instrument in continuous trading. The words of its price band are not looked at."""
    reference, tick_value = command.price, command[r.C_TICK_VALUE_MINOR]
    currency, collar = command[r.C_INSTRUMENT_CURRENCY], command[r.C_COLLAR_BPS]
    sound = (
        command.instrument_id > 0
        and 0 <= reference <= r.MAX_PRICE_TICKS
        and 1 <= tick_value <= r.MAX_AMOUNT_MINOR
        and 1 <= command[r.C_MAX_ORDER_LOTS] <= r.MAX_QUANTITY_LOTS
        and 1 <= currency <= 999
        and 0 <= collar <= 10_000
    )
    refuse_if(not sound, Code.MALFORMED)
    refuse_if(reference * tick_value > r.MAX_AMOUNT_MINOR, Code.VALUE_OVERFLOW)
    refuse_if(len(market.instruments) >= market.settings.max_instruments, Code.CAPACITY)
    remember(market, command)
    number = command.instrument_id
    market.instruments[number] = Instrument(
        instrument_id=number,
        currency=currency,
        tick_value=tick_value,
        added_by=market.sequence,
        max_order_lots=command[r.C_MAX_ORDER_LOTS],
        market_collar_bps=collar,
        reference=reference,
        last=reference,
        high=reference,
        low=reference,
    )
    market.emit(r.INSTRUMENT_ADDED, command.id, 0, [reference], instrument=number)


def set_terms(market: Market, command: Command) -> None:
    order = command[r.C_UNCROSS_ORDER] or r.USUAL_UNCROSS_ORDER
    criteria = [order >> shift & 0xF for shift in range(0, 16, 4)]
    bps = (r.C_STATIC_COLLAR_BPS, r.C_DYNAMIC_COLLAR_BPS, r.C_LIMIT_BAND_BPS, r.C_BREAKER_BPS)
    sound = (
        0 <= command[r.C_REFERENCE_TICKS] <= r.MAX_PRICE_TICKS
        and 1 <= command[r.C_LOT_SIZE] <= r.MAX_QUANTITY_LOTS
        and 0 <= command[r.C_MIN_NOTIONAL_MINOR] <= r.MAX_AMOUNT_MINOR
        and all(0 <= command[word] <= 10_000 for word in bps)
        and command[r.C_COLLAR_ACTION] in (r.COLLAR_CANCELS, r.COLLAR_STARTS_AUCTION)
        and sorted(criteria) == [1, 2, 3, 4]
        and criteria[0] == r.UNCROSS_VOLUME
        and 0 < order < 1 << 16
    )
    refuse_if(not sound, Code.MALFORMED)
    instrument = instrument_of(market, command)
    table = command[r.C_TICK_TABLE]
    refuse_if(table not in market.tick_tables, Code.UNKNOWN_TICK_TABLE)
    remember(market, command)
    if command[r.C_REFERENCE_TICKS]:
        instrument.reference = command[r.C_REFERENCE_TICKS]
    instrument.tick_table, instrument.lot_size = table, command[r.C_LOT_SIZE]
    instrument.min_notional = command[r.C_MIN_NOTIONAL_MINOR]
    instrument.static_collar_bps = command[r.C_STATIC_COLLAR_BPS]
    instrument.dynamic_collar_bps = command[r.C_DYNAMIC_COLLAR_BPS]
    instrument.collar_action = command[r.C_COLLAR_ACTION]
    instrument.limit_band_bps = command[r.C_LIMIT_BAND_BPS]
    instrument.breaker_bps = command[r.C_BREAKER_BPS]
    instrument.uncross_order = order
    _report_instrument(market, instrument, command.id)


def _report_instrument(market: Market, instrument: Instrument, id_: int) -> None:
    number = instrument.instrument_id
    market.emit(r.INSTRUMENT_CHANGED, id_, 0, [instrument.reference], instrument=number)


def set_tick_table(market: Market, command: Command) -> None:
    words = [command[r.C_TICK_ROWS + index] for index in range(2 * r.TICK_ROWS)]
    rows = [row for row in zip(words[::2], words[1::2], strict=True) if row != (0, 0)]
    starts = [start for start, _ in rows]
    sound = (
        1 <= command.state < 1 << 15
        and bool(rows)
        and starts == sorted(set(starts))
        and all(1 <= n <= r.MAX_PRICE_TICKS for row in rows for n in row)
    )
    refuse_if(not sound, Code.MALFORMED)
    remember(market, command)
    market.tick_tables[command.state] = rows
    market.emit(r.TICK_TABLE_CHANGED, command.id, 0, [0, command.state])


def set_fee_tier(market: Market, command: Command) -> None:
    rates = (command[r.C_MAKER_RATE], command[r.C_TAKER_RATE], command[r.C_AUCTION_RATE])
    sound = 1 <= command.state < 1 << 15 and all(abs(rate) <= r.MAX_FEE_RATE for rate in rates)
    refuse_if(not sound, Code.MALFORMED)
    remember(market, command)
    market.tiers[command.state] = rates
    market.emit(r.FEE_TIER_CHANGED, command.id, 0, [0, command.state, *rates])


def set_account_state(market: Market, command: Command) -> None:
    states = (r.ACCOUNT_ACTIVE, r.ACCOUNT_REDUCING, r.ACCOUNT_HALTED)
    refuse_if(command.state not in states, Code.MALFORMED)
    account = account_of(market, command)
    remember(market, command)
    account.state = command.state
    words = [0, command.state]
    market.emit(r.ACCOUNT_STATE_CHANGED, command.id, account.account_id, words)


def set_account_terms(market: Market, command: Command) -> None:
    """Set fee tier, group or leverage. Open orders keep the terms that they came with."""
    value, kind = command.state, command.kind
    lowest, highest = {
        r.SET_ACCOUNT_FEE_TIER: (0, (1 << 15) - 1),
        r.SET_ACCOUNT_GROUP: (0, r.MAX_GROUP),
        r.SET_MARGIN: (100, r.MAX_LEVERAGE),
    }[kind]
    refuse_if(not lowest <= value <= highest, Code.MALFORMED)
    account = account_of(market, command)
    if kind == r.SET_ACCOUNT_FEE_TIER:
        refuse_if(value not in market.tiers, Code.UNKNOWN_FEE_TIER)
    remember(market, command)
    if kind == r.SET_ACCOUNT_FEE_TIER:
        account.tier = value
    elif kind == r.SET_ACCOUNT_GROUP:
        account.group = value
    else:
        account.leverage = value
    words = [account.tier, account.group, account.leverage]
    market.emit(r.ACCOUNT_TERMS_CHANGED, command.id, account.account_id, words)


def set_limits(market: Market, command: Command) -> None:
    limits = tuple(command[r.C_LIMIT_ORDER_LOTS + index] for index in range(4))
    refuse_if(not all(0 <= limit <= r.NO_LIMIT for limit in limits), Code.MALFORMED)
    account = account_of(market, command)
    remember(market, command)
    account.limits = (limits[0], limits[1], limits[2], limits[3])
    market.emit(r.LIMITS_CHANGED, command.id, account.account_id, limits)


def set_throttle(market: Market, command: Command) -> None:
    session = command[r.C_SESSION]
    sound = (
        0 <= command.state <= r.MAX_QUANTITY_LOTS
        and 0 <= session <= r.MAX_SESSION
        and (session > 0) == (command.account_id == 0)
    )
    refuse_if(not sound, Code.MALFORMED)
    if session:
        full = len(market.session_throttles) >= market.settings.max_accounts
        refuse_if(full and session not in market.session_throttles, Code.CAPACITY)
        remember(market, command)
        market.session_throttles.setdefault(session, Throttle()).set(command.state)
    else:
        account = account_of(market, command)
        remember(market, command)
        account.throttle.set(command.state)
    words = [session, command.state]
    market.emit(r.THROTTLE_CHANGED, command.id, command.account_id, words)


def set_kill_switch(market: Market, command: Command) -> None:
    """Refuse all new orders of an account, a group or everybody, and cancel what is open."""
    scope, target = command[r.C_SCOPE], command.account_id
    firm = scope == r.KILL_FIRM
    sound = (
        scope in (r.KILL_ACCOUNT, r.KILL_GROUP, r.KILL_FIRM)
        and command.state in (0, 1)
        and (target == 0 if firm else 1 <= target <= r.MAX_GROUP)
    )
    refuse_if(not sound, Code.MALFORMED)
    if scope == r.KILL_ACCOUNT:
        account_of(market, command)
    remember(market, command)
    market.emit(r.KILL_SWITCH_CHANGED, command.id, target, [scope, command.state])
    if not command.state:
        market.kills.discard((scope, target))
        return
    market.kills.add((scope, target))
    account = target if scope == r.KILL_ACCOUNT else None
    group = target if scope == r.KILL_GROUP else None
    sweep = Sweep(market.next_priority, Reason.KILL_SWITCH, account_id=account, group=group)
    work.sweep_away(market, sweep)


def set_session(market: Market, command: Command) -> None:
    """Change the session of an instrument, or of all that can change so (market-wide halt)."""
    known = r.SESSION_CONTINUOUS <= command.state < r.SESSION_DELISTED
    refuse_if(not known or bool(command.flags & ~r.SCOPE_ALL_INSTRUMENTS), Code.MALFORMED)
    if command.flags & r.SCOPE_ALL_INSTRUMENTS:
        by_number = sorted(market.instruments.items())
        chosen = [i for _, i in by_number if _may_change(market, i, command.state)]
        refuse_if(not chosen, Code.SESSION_CANNOT_FOLLOW)
    else:
        chosen = [instrument_of(market, command)]
        delisted = chosen[0].session == r.SESSION_DELISTED
        refuse_if(delisted, Code.INSTRUMENT_DELISTED)
        refuse_if(not sessions.may_follow(chosen[0], command.state), Code.SESSION_CANNOT_FOLLOW)
        refuse_if(not _may_change(market, chosen[0], command.state), Code.UNCROSS_NEEDED)
    remember(market, command)
    for instrument in chosen:
        sessions.change(market, instrument, command.state, id_=command.id)


def _may_change(market: Market, instrument: Instrument, session: int) -> bool:
    opens = session == r.SESSION_CONTINUOUS
    crossed = opens and book.crossed(market, instrument.instrument_id)
    return sessions.may_follow(instrument, session) and not crossed


def uncross_now(market: Market, command: Command) -> None:
    instrument = instrument_of(market, command)
    refuse_if(instrument.session == r.SESSION_DELISTED, Code.INSTRUMENT_DELISTED)
    possible = sessions.can_uncross(instrument, command.state)
    refuse_if(not possible, Code.SESSION_CANNOT_FOLLOW)
    remember(market, command)
    uncross.uncross(market, instrument, command.state)


def publish_indicative(market: Market, command: Command) -> None:
    instrument = instrument_of(market, command)
    refuse_if(not instrument.in_call(), Code.SESSION_CANNOT_FOLLOW)
    outcome = uncross.find_price(market, instrument)
    uncross.publish(market, instrument, r.INDICATIVE_PRICE, outcome)


def delist(market: Market, command: Command) -> None:
    """Take a closed instrument off that nobody owns any more; its orders are cancelled."""
    instrument = instrument_of(market, command)
    number = instrument.instrument_id
    refuse_if(instrument.session == r.SESSION_DELISTED, Code.INSTRUMENT_DELISTED)
    refuse_if(instrument.session != r.SESSION_CLOSED, Code.SESSION_CANNOT_FOLLOW)
    positions = [account.position(number) for account in market.accounts.values()]
    owned = any(position.total or position.settled for position in positions)
    refuse_if(owned, Code.POSITIONS_OPEN)
    remember(market, command)
    sessions.change(market, instrument, r.SESSION_DELISTED, id_=command.id)
    sweep = Sweep(market.next_priority, Reason.DELISTED, instrument_id=number)
    work.sweep_away(market, sweep)


def expire_orders(market: Market, command: Command) -> None:
    number = command.instrument_id
    if number:
        instrument_of(market, command)
    remember(market, command)
    work.expire_times(market, number)
    market.emit(r.ORDERS_EXPIRING, command.id, 0, [], instrument=number)


def end_of_day(market: Market, command: Command) -> None:
    """End an instrument's day, or, without an instrument, the engine's."""
    number = command.instrument_id
    if number:
        instrument = instrument_of(market, command)
        refuse_if(instrument.session == r.SESSION_DELISTED, Code.INSTRUMENT_DELISTED)
        closed = instrument.session == r.SESSION_CLOSED
        refuse_if(not closed, Code.SESSION_CANNOT_FOLLOW)
        remember(market, command)
        instrument.reference = instrument.last
        work.expire_day(market, number)
        work.expire_times(market, number)
        _report_instrument(market, instrument, command.id)
        return
    remember(market, command)
    market.day += 1
    market.day_ended_at = market.sequence
    kept = {*market.orders, *market.holds}
    old = [id_ for id_, (_, day) in market.ids.items() if day < market.day - 1]
    for id_ in old:
        if id_ not in kept:
            del market.ids[id_]
            market.credit_moves.pop(id_, None)
    market.emit(r.DAY_ENDED, command.id, 0, [0, market.day])


KINDS = {
    r.ADD_ACCOUNT: add_account,
    r.ADD_INSTRUMENT: add_instrument,
    r.SET_ACCOUNT_STATE: set_account_state,
    r.SET_INSTRUMENT_STATE: set_session,
    r.SET_LIMITS: set_limits,
    r.UNCROSS: uncross_now,
    r.END_OF_DAY: end_of_day,
    r.EXPIRE_ORDERS: expire_orders,
    r.DELIST_INSTRUMENT: delist,
    r.SET_ACCOUNT_FEE_TIER: set_account_terms,
    r.SET_ACCOUNT_GROUP: set_account_terms,
    r.SET_MARGIN: set_account_terms,
    r.SET_KILL_SWITCH: set_kill_switch,
    r.SET_THROTTLE: set_throttle,
    r.SET_INSTRUMENT_TERMS: set_terms,
    r.SET_FEE_TIER: set_fee_tier,
    r.SET_TICK_TABLE: set_tick_table,
}
