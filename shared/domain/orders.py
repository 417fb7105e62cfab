"""The order's life as the API tells it, and which step may follow which."""

from enum import StrEnum
from typing import Final


class OrderStatus(StrEnum):
    """NEW is stored, PENDING is with the engine (resting, or not answered yet), the rest follow."""

    NEW = "NEW"
    PENDING = "PENDING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    SETTLED = "SETTLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"


_S = OrderStatus
ALLOWED_NEXT: Final[dict[OrderStatus, frozenset[OrderStatus]]] = {
    _S.NEW: frozenset({_S.PENDING, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.REJECTED}),
    _S.PENDING: frozenset(
        {_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.REJECTED, _S.EXPIRED, _S.REPLACED}
    ),
    _S.REPLACED: frozenset({_S.REPLACED, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED}),
    _S.PARTIALLY_FILLED: frozenset(
        {_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REPLACED}
    ),
    _S.FILLED: frozenset({_S.SETTLED}),
    _S.CANCELLED: frozenset({_S.SETTLED}),  # what had traded before the cancel settles
    _S.SETTLED: frozenset(),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset({_S.SETTLED}),
}


def may_follow(before: OrderStatus, after: OrderStatus) -> bool:
    """Return whether an order in `before` may become `after`; staying the same is allowed."""
    return before is after or after in ALLOWED_NEXT[before]
