"""Numbers, optional fields, levels and trades as JSON, into a buffer. Compiled with the core."""

from typing import Final

from librt.strings import BytesWriter
from mypy_extensions import i64, u8

_MOST_DIGITS: Final = 19  # of 63 bits
_DIGITS: Final = [b"0" * digits for digits in range(_MOST_DIGITS + 1)]
_ZERO: Final = 0x30
_COMMA: Final = 0x2C
_BRACKET: Final = 0x5D


def write_set(out: BytesWriter, name: bytes, value: i64) -> None:
    """Write a field, or nothing for zero, which is what a reader takes a missing one for."""
    if value != 0:
        out.write(name)
        write_number(out, value)


def write_number(out: BytesWriter, value: i64) -> None:
    """Write a number in decimal."""
    if value < 0:
        out.write(str(value).encode())
        return
    digits: i64 = 1
    limit: i64 = 10
    while digits < _MOST_DIGITS and value >= limit:
        digits += 1
        limit *= 10
    at: i64 = len(out)
    out.write(_DIGITS[digits])
    last: i64 = at + digits - 1
    while last >= at:
        rest: i64 = value // 10
        out[last] = u8(_ZERO + (value - rest * 10))
        value = rest
        last -= 1


def write_level(levels: BytesWriter, is_buy: bool, price: i64, lots: i64) -> None:
    """Add what is displayed at a price to an array's elements."""
    if len(levels) != 0:
        levels.append(_COMMA)
    levels.write(b'["BUY",' if is_buy else b'["SELL",')
    write_number(levels, price)
    levels.append(_COMMA)
    write_number(levels, lots)
    levels.append(_BRACKET)


def write_trade(trades: BytesWriter, trade: bytes, price: i64, quantity: i64, is_buy: bool) -> None:
    """Add a public trade to an array's elements."""
    trades.write(b',["' if len(trades) != 0 else b'["')
    trades.write(trade)
    trades.write(b'",')
    write_number(trades, price)
    trades.append(_COMMA)
    write_number(trades, quantity)
    trades.write(b',"BUY"]' if is_buy else b',"SELL"]')
