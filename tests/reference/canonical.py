"""The naive engine's state in the canonical form that `hotpath/core/snapshot.py` describes."""

import hashlib
import struct

from shared.domain import records as r
from tests.reference.naive_book import NaiveEngine

Row = tuple[int, ...]

_MAGIC = 0x544F485350414E53
_FORMAT_VERSION = 1
_LOW_31 = (1 << 31) - 1
_MASK_61 = (1 << 61) - 1


def snapshot_bytes(engine: NaiveEngine) -> bytes:
    """Return the whole state."""
    body = _pack([*_rows(engine), *sorted(engine.ids.items())])
    return body + _digest(body)


def state_hash(engine: NaiveEngine) -> int:
    """Return 63 bits of the state."""
    return int.from_bytes(_digest(_pack(_rows(engine))), "little") >> 1


def _pack(rows: list[Row]) -> bytes:
    return b"".join(struct.pack(f"<{len(row)}q", *row) for row in rows)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


def _rows(engine: NaiveEngine) -> list[Row]:
    tables: list[list[Row]] = [
        _accounts(engine),
        _instruments(engine),
        _positions(engine),
        _orders(engine),
        sorted((h.hold_id, h.account_id, h.amount) for h in engine.holds.values()),
    ]
    counts = (*map(len, tables), len(engine.ids))
    versions = (_MAGIC, _FORMAT_VERSION, r.RULES_VERSION)
    header = (*versions, engine.sequence, engine.time_ns, _digest_of_ids(engine), *counts)
    return [header, *(row for table in tables for row in table)]


def _digest_of_ids(engine: NaiveEngine) -> int:
    return sum(_mix(key, sequence) for key, sequence in engine.ids.items()) & _MASK_61


def _mix(key: int, sequence: int) -> int:
    mixed = ((key & _LOW_31) * 0x9E3779B1) ^ ((key >> 31) * 0x5BD1E995)
    mixed ^= ((sequence & _LOW_31) * 0xC2B2AE35) ^ (sequence >> 31)
    return (mixed ^ (mixed >> 29)) & _MASK_61


def _accounts(engine: NaiveEngine) -> list[Row]:
    rows = []
    for a in engine.accounts.values():
        promised = (engine.reserved(a.account_id), engine.held(a.account_id))
        open_orders = len(engine.open_orders(a.account_id))
        money = (a.total, a.settled, *promised, open_orders)
        rows.append((a.account_id, a.currency, a.state, *money, *a.limits, a.added_by))
    return sorted(rows)


def _instruments(engine: NaiveEngine) -> list[Row]:
    rows = []
    for i in engine.instruments.values():
        terms = (i.tick_value, i.lowest, i.highest, i.max_order_lots, i.collar_bps)
        rows.append(
            (i.instrument_id, i.currency, i.state, *terms, i.reference, i.issued, i.added_by)
        )
    return sorted(rows)


def _positions(engine: NaiveEngine) -> list[Row]:
    rows = []
    for account in engine.accounts.values():
        for instrument_id in engine.instruments:
            position = account.position(instrument_id)
            where = (account.account_id, instrument_id)
            open_lots = [engine.open_lots(*where, side) for side in (r.BUY, r.SELL)]
            if position.total or position.settled or any(open_lots):
                rows.append((*where, position.total, position.settled, *open_lots))
    return sorted(rows)


def _orders(engine: NaiveEngine) -> list[Row]:
    return [
        (order.order_id, instrument_id, side, order.price, order.leaves)
        for instrument_id in sorted(engine.instruments)
        for side in (r.BUY, r.SELL)
        for order in engine.book(instrument_id, side)
    ]
