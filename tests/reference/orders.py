"""Order commands: place, cancel, replace, mass cancel, disconnect."""

from dataclasses import replace
from functools import cache

from shared.domain import records as r
from shared.domain.order_rules import Combination, order_rules
from shared.domain.reject_codes import CancelReason as Reason
from shared.domain.reject_codes import RejectCode as Code
from tests.reference import book, entering, form, leaving, prices, risk, work
from tests.reference.command import Command
from tests.reference.find import account_of, instrument_of, remember
from tests.reference.model import (
    BOOK,
    INCOMING,
    LINKED,
    Account,
    Instrument,
    Market,
    Order,
    Refused,
    Sweep,
    refuse_if,
)

RULES = order_rules()


@cache
def refusal(kind: int, time: int, session: int, self_trade: int, flags: int) -> Code | None:
    """Return what order_rules.toml says; the numbers are those of the layouts."""
    values = RULES.values
    chosen = frozenset(name for bit, name in enumerate(values["flags"]) if flags >> bit & 1)
    names = (
        values["type"][kind - 1],
        values["time_in_force"][time - 1],
        values["session"][session - 1],
        values["self_trade"][self_trade],
    )
    return RULES.refusal(Combination(*names, chosen))


def place(market: Market, command: Command) -> None:
    refuse_if(not form.order_is_well_formed(command, market.time_ns), Code.MALFORMED)
    what = (command.order_type, command.time_in_force)
    how = (command.self_trade, command.flags)
    never = refusal(*what, r.SESSION_CONTINUOUS, *how)
    if never and never < Code.UNKNOWN_ACCOUNT:
        raise Refused(never)
    account, instrument = account_of(market, command), instrument_of(market, command)
    refuse_if(command.id >> 32 != command.account_id, Code.NOT_OWNER)
    order = _new_order(market, account, instrument, command)
    others = _session_refusals(refusal(*what, instrument.session, *how))
    others += [
        (_link_is_wrong(market, order), Code.UNKNOWN_LINK),
        (_would_trade(market, order), Code.WOULD_TRADE),
    ]
    given = [price for price in (command.price, command[r.C_STOP_PRICE_TICKS]) if price]
    risk.check(market, account, instrument, order, None, others, given)
    _refuse_without_room(market, order)
    remember(market, command)
    count_order(market, account, order.session)
    order.accepted = order.priority = market.arrive()
    entering.accept(market, order, command.price)


def _new_order(market: Market, account: Account, instrument: Instrument, command: Command) -> Order:
    order = Order(
        order_id=command.id,
        instrument_id=instrument.instrument_id,
        side=command.side,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        flags=command.flags,
        limit=command.price,
        leaves=command.lots,
        entered=market.sequence,
        accepted=0,
        priority=0,
        rates=market.tiers[account.tier],
        leverage=account.leverage,
        display_lots=command[r.C_DISPLAY_LOTS],
        minimum=command[r.C_MINIMUM_LOTS],
        stop_price=command[r.C_STOP_PRICE_TICKS],
        offset=command[r.C_OFFSET_TICKS],
        peg=command.peg,
        self_trade=command.self_trade,
        link=command.link,
        linked_id=command[r.C_LINKED_ID],
        session=command.session,
        expiry_ns=command[r.C_EXPIRY_NS],
        locate=command[r.C_LOCATE_LOTS],
    )
    if order.order_type == r.TRAILING_STOP and order.stop_price == 0 < instrument.last:
        away = order.offset if order.side == r.BUY else -order.offset
        order.stop_price = max(1, instrument.last + away)
    if order.limit == 0:
        around = order.stop_price if order.order_type in entering.STOP_TYPES else instrument.last
        order.limit = prices.market_bound(market, instrument, around, order.side)
    return order


def _link_is_wrong(market: Market, order: Order) -> bool:
    """A link names an open order of the same account and instrument that has none yet."""
    if not order.link:
        return False
    other = market.orders.get(order.linked_id)
    mine = other and (other.account_id, other.instrument_id) == (
        order.account_id,
        order.instrument_id,
    )
    return not mine or leaving.linked(market, order.linked_id)


def _session_refusals(code: Code | None) -> risk.Refusals:
    return [(True, code)] if code else []


def _would_trade(market: Market, order: Order) -> bool:
    """Say whether a post-only order would take."""
    continuous = market.instrument_of(order).session == r.SESSION_CONTINUOUS
    if not (order.has(r.ORDER_POST_ONLY) and continuous) or order.place == LINKED:
        return False
    return book.counterparty(market, order) is not None


def _refuse_without_room(market: Market, order: Order) -> None:
    followers = [
        other
        for other in market.orders.values()
        if other.instrument_id == order.instrument_id
        and other.order_type in (r.PEGGED, r.TRAILING_STOP)
    ]
    follows = order.order_type in (r.PEGGED, r.TRAILING_STOP)
    no_follower = follows and len(followers) >= market.settings.max_followers
    stays = order.time_in_force not in (r.IOC, r.FOK)
    no_order = stays and len(market.orders) >= market.settings.max_orders
    refuse_if(no_follower or no_order, Code.CAPACITY)
    refuse_if(len(market.ids) >= market.settings.max_ids, Code.CAPACITY)


def count_order(market: Market, account: Account, session: int) -> None:
    for throttle, _ in risk.throttles(market, account, session):
        throttle.count(risk.window(market))


def open_order(market: Market, command: Command) -> Order:
    """Return the open order that a cancel or replace names."""
    refuse_if(command.id <= 0, Code.MALFORMED)
    account_of(market, command)
    instrument_of(market, command)
    order = market.orders.get(command.id)
    if order is None:
        raise Refused(Code.UNKNOWN_ORDER)
    refuse_if(order.account_id != command.account_id, Code.NOT_OWNER)
    refuse_if(order.instrument_id != command.instrument_id, Code.UNKNOWN_ORDER)
    return order


def cancel(market: Market, command: Command) -> None:
    leaving.cancel(market, open_order(market, command), Reason.REQUESTED)


def replace_order(market: Market, command: Command) -> None:
    sound = 1 <= command.price <= r.MAX_PRICE_TICKS and 1 <= command.lots <= r.MAX_QUANTITY_LOTS
    refuse_if(not sound, Code.MALFORMED)
    order = open_order(market, command)
    account, instrument = market.accounts[order.account_id], market.instrument_of(order)
    new = replace(order, limit=command.price, leaves=command.lots)
    in_book = order.place == BOOK and order.order_type != r.PEGGED
    keeps = new.limit == order.limit and new.leaves <= order.leaves
    others = _session_refusals(refusal(r.LIMIT, r.GTC, instrument.session, 0, 0))
    others += [
        (not in_book, Code.REPLACE_NOT_POSSIBLE),
        (not keeps and _would_trade(market, new), Code.WOULD_TRADE),
    ]
    risk.check(market, account, instrument, new, order, others, [command.price])
    count_order(market, account, order.session)
    if keeps:
        _reduce(market, order, new.leaves)
    else:
        _move(market, order, new)


def _reduce(market: Market, order: Order, leaves: int) -> None:
    """Less quantity at the same price keeps its place."""
    order.leaves = leaves
    order.shown = min(order.shown, leaves)
    level = book.level_lots(market, order)
    flags = r.FLAG_RESTING | r.FLAG_PRIORITY_KEPT
    words = [order.price, order.leaves, level, order.price, level]
    market.report(r.ORDER_REPLACED, order, words, flags=flags)


def _move(market: Market, order: Order, new: Order) -> None:
    """More quantity or another price goes to the back, or trades."""
    old_price = order.price
    order.limit, order.leaves, order.place = new.limit, new.leaves, INCOMING
    in_call = market.instrument_of(order).in_call()
    rests = in_call or not book.counterparty(market, order)
    if rests:
        book.rest(market, order)
    level = book.level_lots(market, order) if rests else 0
    old_level = book.level_lots(market, order, old_price)
    price = order.price if rests else order.limit
    words = [price, order.leaves, old_level, old_price, level]
    flags = r.FLAG_RESTING if rests else 0
    market.report(r.ORDER_REPLACED, order, words, flags=flags)
    if not rests:
        entering.aggress(market, order)


def mass_cancel(market: Market, command: Command) -> None:
    known = r.SCOPE_ALL_INSTRUMENTS | r.SCOPE_ONE_SIDE
    refuse_if(command.id < 0 or bool(command.flags & ~known), Code.MALFORMED)
    one_side = command.flags & r.SCOPE_ONE_SIDE
    refuse_if(bool(one_side) and command.side not in (r.BUY, r.SELL), Code.MALFORMED)
    account = account_of(market, command)
    everywhere = bool(command.flags & r.SCOPE_ALL_INSTRUMENTS)
    instrument = None if everywhere else instrument_of(market, command).instrument_id
    sweep = Sweep(
        accepted_until=market.next_priority,
        reason=Reason.MASS_CANCEL,
        account_id=account.account_id,
        instrument_id=instrument,
        side=command.side if one_side else None,
    )
    _begin_sweep(market, command, sweep)


def disconnect(market: Market, command: Command) -> None:
    refuse_if(not 1 <= command.id <= r.MAX_SESSION, Code.MALFORMED)
    sweep = Sweep(market.next_priority, Reason.DISCONNECT, session=command.id)
    _begin_sweep(market, command, sweep)


def _begin_sweep(market: Market, command: Command, sweep: Sweep) -> None:
    """Say how many orders are going to leave; they leave after this event."""
    count = work.sweep_away(market, sweep)
    instrument = sweep.instrument_id or 0
    account = sweep.account_id or 0
    market.emit(r.MASS_CANCELLED, command.id, account, [0, count], instrument=instrument)
