"""Ids of credit moves between engines: out and in bear the same one, an undo its own."""

from typing import Final

from shared.domain.ids import administrative_id

SOURCE_CREDIT: Final = 8  # the next after those of ids.py


def credit_move_id(number: int) -> int:
    """Return the id of a move's CREDIT_OUT at the one engine and its CREDIT_IN at the other."""
    return administrative_id(SOURCE_CREDIT, 2 * number)


def credit_undo_id(number: int) -> int:
    """Return the id of the CREDIT_UNDO of a move that the other engine refused."""
    return administrative_id(SOURCE_CREDIT, 2 * number + 1)
