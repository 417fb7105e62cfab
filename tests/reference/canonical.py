"""The naive market in the canonical form that `hotpath/core/snapshot.py` describes."""

import hashlib
import struct

from shared.domain import records as r
from tests.reference import model, risk
from tests.reference.model import Account, Instrument, Market, Order, Sweep

Row = tuple[int, ...]
MAGIC = 0x544F_4853_5041_4E53
FORMAT_VERSION = 2
PLACES = {
    model.BOOK: 1,
    model.STOPS: 2,
    model.AUCTION: 3,
    model.LINKED: 4,
    model.UNPEGGED: 5,
    model.INCOMING: 6,
}
WOKEN, REACHED = 7, 8
DAY_TIMES = 1
EXPIRY_TIMES = 2
CASH_LEVERAGE = 100


def snapshot_bytes(market: Market) -> bytes:
    packed = _pack(_rows(market))
    packed += _pack([(id_, first) for id_, (first, _) in sorted(market.ids.items())])
    return packed + _digest(packed)


def state_hash(market: Market) -> int:
    return int.from_bytes(_digest(_pack(_rows(market))), "little") >> 1


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _pack(rows: list[Row]) -> bytes:
    return b"".join(struct.pack(f"<{len(row)}q", *row) for row in rows)


def _rows(market: Market) -> list[Row]:
    accounts = [account for _, account in sorted(market.accounts.items())]
    instruments = [instrument for _, instrument in sorted(market.instruments.items())]
    tables: list[list[Row]] = [
        [_account(market, account) for account in accounts],
        [_instrument(instrument) for instrument in instruments],
        _positions(market, accounts, instruments),
        *_orders(market),
        _holds(market),
        [(number, *rates) for number, rates in sorted(market.tiers.items()) if number],
        [_ticks(n, rows) for n, rows in sorted(market.tick_tables.items()) if n],
        [(target,) for scope, target in sorted(market.kills) if scope == r.KILL_GROUP],
        [(n, t.limit, t.window, t.used) for n, t in sorted(market.session_throttles.items())],
        [(*key, *(terms or [0] * 6)) for key, terms in sorted(market.amended.items())],
        [_sweep(market, sweep) for sweep in market.sweeps],
    ]
    fixed = (MAGIC, FORMAT_VERSION, r.RULES_VERSION, market.sequence, market.time_ns)
    day = (market.day, market.day_ended_at, market.numbers_used)
    money = (market.issued_cash, market.fees_collected)
    flags = ((r.KILL_FIRM, 0) in market.kills, market.work_remains)
    digest = sum(id_digest(id_, first) for id_, (first, _) in market.ids.items()) % (1 << 61)
    counts = (*map(len, tables), len(market.ids))
    header = (*fixed, *day, *money, *map(int, flags), digest, *counts)
    return [header, *(row for table in tables for row in table)]


def id_digest(key: int, sequence: int) -> int:
    """Return what one remembered id adds to the digest of the ids."""
    low = (1 << 31) - 1
    mixed = ((key & low) * 0x9E3779B1) ^ ((key >> 31) * 0x5BD1E995)
    mixed = mixed ^ ((sequence & low) * 0xC2B2AE35) ^ (sequence >> 31)
    return (mixed ^ (mixed >> 29)) & ((1 << 61) - 1)


def _account(market: Market, account: Account) -> Row:
    number = account.account_id
    promised = (risk.reserved(market, number), risk.held(market, number))
    count = len(risk.open_orders(market, number))
    killed = int((r.KILL_ACCOUNT, number) in market.kills)
    throttle = account.throttle
    return (
        *(number, account.currency, account.added_by, account.state),
        *(account.total, account.settled, *promised, count),
        *(account.group, account.tier, account.leverage, killed, *account.limits),
        *(throttle.limit, throttle.window, throttle.used),
    )


def _instrument(i: Instrument) -> Row:
    return (
        *(i.instrument_id, i.currency, i.added_by, i.session, i.tick_value, i.max_order_lots),
        *(i.market_collar_bps, i.reference, i.last, i.high, i.low, i.issued, i.tick_table),
        *(i.lot_size, i.min_notional, i.static_collar_bps, i.dynamic_collar_bps),
        *(i.collar_action, i.limit_band_bps, i.breaker_bps, i.uncross_order),
    )


def _positions(market: Market, accounts: list[Account], instruments: list[Instrument]) -> list[Row]:
    rows = []
    for account in accounts:
        for instrument in instruments:
            pair = (account.account_id, instrument.instrument_id)
            position = account.position(instrument.instrument_id)
            lots = [risk.open_lots(market, *pair, side) for side in (r.BUY, r.SELL)]
            values = (position.total, position.settled, *lots)
            if any(values):
                rows.append((*pair, *values))
    return rows


def _orders(market: Market) -> tuple[list[Row], list[Row]]:
    """Return all orders, and the terms of those that are not plain limit orders in the book."""
    orders = list(market.orders.values())
    by_priority = sorted(orders, key=lambda order: order.priority)
    ranks = {order.order_id: rank for rank, order in enumerate(by_priority)}
    rows: list[Row] = []
    special: list[Row] = []
    for order in orders:
        price = order.price if order.place == model.BOOK else 0
        where = order.instrument_id << 1 | order.side
        rows.append((order.order_id, where, price, order.leaves, ranks[order.order_id]))
        terms = _terms(order)
        if terms != (r.LIMIT, r.GTC, 0, PLACES[model.BOOK], price, *[0] * 18, CASH_LEVERAGE):
            special.append((order.order_id, *terms))
    return rows, special


def _terms(o: Order) -> Row:
    place = PLACES[o.place]
    if o.ready and o.place in (model.LINKED, model.STOPS):
        place = WOKEN if o.place == model.LINKED else REACHED
    whole, part = divmod(o.fee_units, r.FEE_RATE_UNIT)
    return (
        *(o.order_type, o.time_in_force, o.flags, place, o.limit, o.display_lots, o.shown),
        *(o.minimum, o.stop_price, o.offset, o.peg, o.self_trade, o.link),
        *(o.linked_id, o.session, o.expiry_ns, o.locate, whole, part, o.fee_paid),
        *(*o.rates, o.leverage),
    )


def _holds(market: Market) -> list[Row]:
    rows = [(h.hold_id, h.account_id, h.amount, 1) for h in market.holds.values()]
    rows += [(h.hold_id, h.account_id, h.amount, 2) for h in market.credit_moves.values()]
    return sorted(rows)


def _ticks(number: int, rows: list[tuple[int, int]]) -> Row:
    words = [word for row in rows for word in row]
    return (number, *words, *[0] * (2 * r.TICK_ROWS - len(words)))


def _sweep(market: Market, sweep: Sweep) -> Row:
    old_enough = sum(o.accepted <= sweep.accepted_until for o in market.orders.values())
    chosen = (sweep.account_id, sweep.group, sweep.instrument_id, sweep.side, sweep.session)
    expires = sweep.expired_at is not None
    times = DAY_TIMES if sweep.times_in_force else EXPIRY_TIMES if expires else 0
    wanted = [-1 if value is None else value for value in chosen]
    ends = (times, sweep.expired_at or 0, int(sweep.expires))
    return (old_enough, sweep.reason, *wanted, *ends)
