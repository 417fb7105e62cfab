"""Memory of resting orders: resident size with many less that with none, tables included."""

from pathlib import Path

from librt.vecs import vec
from mypy_extensions import i64

from hotpath import build
from hotpath.core.api import Engine
from shared.domain import ids
from shared.domain import records as r

_PRICES = 4096
_ACCOUNT = 1


def measure(orders: int) -> dict[str, object]:
    """Return bytes per order when `orders` rest on one instrument."""
    engine = Engine(max_orders=max(orders, 1 << 10), max_instruments=1)
    terms = [0, 0, 10_000, 840, 10_000, 0, 0, 0]
    header = r.pack_command_header(r.ADD_INSTRUMENT, instrument=1)
    stage = [
        [header, 0, ids.administrative_id(1, 1), _PRICES, 1, 1, 1, 0, *terms],
        [r.ADD_ACCOUNT, _ACCOUNT, ids.administrative_id(1, 2), 840, 0, 1, 2, 0],
        [r.DEPOSIT_CASH, _ACCOUNT, ids.administrative_id(1, 3), 0, 10**15, 1, 3, 0],
    ]
    for words in stage:
        engine.apply_words(words)
    header = r.pack_command_header(r.PLACE_ORDER, r.BUY, r.LIMIT, r.GTC, 0, 1)
    command = vec[i64]([header, _ACCOUNT, 0, 0, 1, 1, 0, 0])
    engine.reset_events()
    before = _resident_bytes()
    for number in range(1, orders + 1):
        command[r.C_ID] = ids.member_order_id(_ACCOUNT, number)
        command[r.C_PRICE] = 1 + number % _PRICES
        command[r.C_SEQUENCE] = len(stage) + number
        engine.apply(command, 0)
        engine.reset_events()
    assert engine.open_order_count == orders
    used = _resident_bytes() - before
    compiled = build.core_build().compiled
    return {"bytes_per_resting_order": round(used / orders, 1), "compiled": compiled}


def _resident_bytes() -> int:
    fields = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    line = next(field for field in fields if field.startswith("VmRSS"))
    return int(line.split()[1]) * 1024
