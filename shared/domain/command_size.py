"""How long a command is where commands lie one behind the other, for readers of bytes."""

from typing import Final

from shared.domain.records import (
    BATCH,
    C_QUANTITY,
    COMMAND_WORDS,
    EXTENDED_COMMAND_WORDS,
    FIRST_EXTENDED_KIND,
    MAX_BATCH,
)

_SHORT: Final = COMMAND_WORDS * 8
_LONG: Final = EXTENDED_COMMAND_WORDS * 8
_COUNT_AT: Final = C_QUANTITY * 8


def command_bytes(data: bytes, at: int) -> int:
    """Return the length of the command at byte `at`; a batch's commands are part of it.

    Raises IndexError where `data` ends before the length is known. The command itself may end
    beyond `data`.
    """
    kind = data[at]
    if kind >= FIRST_EXTENDED_KIND:
        return _LONG
    if kind != BATCH:
        return _SHORT
    count = int.from_bytes(data[at + _COUNT_AT : at + _COUNT_AT + 8], "little", signed=True)
    size = _SHORT
    if 1 <= count <= MAX_BATCH:  # with another count it is refused, and nothing belongs to it
        for _ in range(count):
            size += _LONG if data[at + size] >= FIRST_EXTENDED_KIND else _SHORT
    return size


def is_one_command(data: bytes, at: int) -> bool:
    """Return whether one command, and nothing else, stands from byte `at` to the end."""
    try:
        return len(data) == at + command_bytes(data, at)
    except IndexError:
        return False
