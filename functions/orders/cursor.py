"""Cursors of the order list: where a page ended, as text that clients hand back unread."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def encode_cursor(created_at: datetime, order_id: int) -> str:
    """Return the cursor of the page that begins after this order."""
    text = f"{(created_at - _EPOCH) // _MICROSECOND}.{order_id}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, int]:
    """Return what `encode_cursor` was given; raise ValueError for anything else."""
    if len(cursor) > 64:
        raise ValueError("not a cursor")
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        micros, _, order_id = text.partition(".")
        at, number = _EPOCH + int(micros) * _MICROSECOND, int(order_id)
    except (binascii.Error, UnicodeError, ValueError, OverflowError) as error:
        raise ValueError("not a cursor") from error
    if encode_cursor(at, number) != cursor or not 0 <= number < 1 << 63:
        raise ValueError("not a cursor")
    return at, number
