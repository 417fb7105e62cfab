"""The form of an order: every word in its range, and present just where its meaning is."""

from shared.domain import records as r
from tests.reference.command import Command

WITH_LIMIT = (r.LIMIT, r.STOP_LIMIT, r.PEGGED)
WITH_STOP = (r.STOP, r.STOP_LIMIT)


def order_is_well_formed(command: Command, time_ns: int) -> bool:
    header = (
        command.side in (r.BUY, r.SELL)
        and r.LIMIT <= command.order_type <= r.PEGGED
        and r.GTC <= command.time_in_force <= r.AT_CLOSE
        and command.flags & ~r.ORDER_FLAGS == 0
        and 1 <= command.lots <= r.MAX_QUANTITY_LOTS
        and command.id > 0
    )
    return header and _prices(command) and _amounts(command, time_ns) and _modes(command)


def _price(value: int, wanted: bool) -> bool:
    return 1 <= value <= r.MAX_PRICE_TICKS if wanted else value == 0


def _prices(command: Command) -> bool:
    stop, offset = command[r.C_STOP_PRICE_TICKS], command[r.C_OFFSET_TICKS]
    if command.order_type == r.TRAILING_STOP:
        well = 0 <= stop <= r.MAX_PRICE_TICKS and _price(offset, wanted=True)
    elif command.order_type == r.PEGGED:
        least = 1 if command.peg == r.PEG_MARKET else 0
        well = stop == 0 and least <= offset <= r.MAX_PRICE_TICKS
    else:
        well = _price(stop, command.order_type in WITH_STOP) and offset == 0
    return well and _price(command.price, command.order_type in WITH_LIMIT)


def _amounts(command: Command, time_ns: int) -> bool:
    lots, flags = command.lots, command.flags
    parts = (
        (r.C_DISPLAY_LOTS, r.ORDER_ICEBERG),
        (r.C_MINIMUM_LOTS, r.ORDER_MINIMUM),
    )
    for word, flag in parts:
        if not (1 <= command[word] <= lots if flags & flag else command[word] == 0):
            return False
    short = bool(flags & r.ORDER_SHORT)
    locate, expiry = command[r.C_LOCATE_LOTS], command[r.C_EXPIRY_NS]
    if not (0 <= locate <= r.MAX_QUANTITY_LOTS if short else locate == 0):
        return False
    if short and command.side != r.SELL:
        return False
    return expiry > time_ns if command.time_in_force == r.GTD else expiry == 0


def _modes(command: Command) -> bool:
    link, linked = command.link, command[r.C_LINKED_ID]
    session, modes = command.session, command[r.C_MODES]
    pegged = command.order_type == r.PEGGED
    return (
        modes >= 0
        and modes >> 24 & 0xFF == 0
        and (1 <= command.peg <= r.PEG_MIDPOINT if pegged else command.peg == 0)
        and command.self_trade <= r.SELF_TRADE_DECREMENT
        and link <= r.LINK_AFTER_OTHER
        and (linked > 0 if link else linked == 0)
        and (session > 0 or not command.flags & r.ORDER_CANCEL_ON_DISCONNECT)
    )
