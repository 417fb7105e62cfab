"""Tells the C compiler what mypyc does not say: what is seldom run, and what is to be inlined.

mypyc writes each function as one C function. Without hints a compiler takes a wrapper that tests
call once for as important as the matching loop, inlines for minutes, and expects half of all
indexes to be negative. `add_hints` marks, in the C text,

- as cold (small code, out of the way): all that `HOT` does not name;
- as always inlined: the small functions of plain orders, which `INLINED` names;
- as likely: that an index is not negative and within its vec;

and `words.prefetch`, which Python cannot express, becomes the processor's own instruction.

In hot functions it lets one test stand for all words of a row: that the 32 words from the row's
offset on are in the table. The test is stricter than the one it replaces, so nothing outside a
table is ever touched; tables end with ROW_ROOM words, see `layout.py`, so that the last row passes.

Hints change how fast the code is, never what it does for an index that the core may have.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

# Modules of plain orders, and of the loops that bring them: compiled for speed.
HOT: Final = (
    "lengths",
    "words",
    "ids",
    "events",
    "ladder",
    "instruments",
    "accounts",
    "positions",
    "orders",
    "state",
    "book",
    "risk",
    "aggressor",
    "matching",
    "plain_orders",
    "order_commands",
    "look_ahead",
    "engine",
    "batch_words",
    "batch",
    "commands",
    "segment_end",
)

# By module: functions that cost less than a call to them does.
INLINED: Final[Mapping[str, Sequence[str]]] = {
    "lengths": ("words_of", "words_in"),
    "words": ("prefetch",),
    "ids": (
        "_home",
        "home_word",
        "id_digest",
        "search",
        "slot_in",
        "IdTable.find",
        "IdTable.slot",
        "IdTable.fill",
        "IdTable.release",
        "IdTable.is_full",
        "IdTable.make_room",
    ),
    "events": ("EventWriter.emit",),
    "ladder": (
        "_lowest_bit",
        "_tree",
        "Ladder.holds",
        "Ladder.use",
        "Ladder._set_bit",
        "Ladder.leave",
    ),
    "instruments": ("level_of", "Instruments.side", "Instruments.find"),
    "accounts": ("Accounts.find",),
    "positions": ("Positions.find", "Positions.account_of", "Positions.instrument_of"),
    "orders": (
        "Orders.has_room",
        "Orders.make_room",
        "Orders.take_row",
        "Orders.give_row",
        "Orders.arrive",
        "fill_row",
        "chain",
        "unchain",
        "count_open",
    ),
    "book": ("enter_level", "leave_level"),
    "risk": ("value_fits", "check_plain"),
    "aggressor": ("Aggressor.take_plain",),
    "matching": ("Matching._move", "Matching._report", "_exchange", "_pay", "_leave_first"),
    "plain_orders": (
        "PlainOrders.take",
        "PlainOrders.place",
        "PlainOrders.cancel",
        "PlainOrders.replace",
        "PlainOrders._rest",
        "PlainOrders._move",
        "PlainOrders._check",
        "PlainOrders._reserve",
        "PlainOrders._number",
        "PlainOrders._crosses",
        "PlainOrders._is_usual",
        "PlainOrders._enter",
        "PlainOrders._leave",
        "PlainOrders._emit",
    ),
    "order_commands": (
        "_is_plain_form",
        "OrderCommands._is_plain",
        "OrderCommands._find_open",
    ),
    "look_ahead": (
        "LookAhead.pays",
        "LookAhead.expect",
        "LookAhead.expect_id",
        "LookAhead._find_around",
    ),
    "engine": ("Engine._finish",),
    "batch_words": ("BatchWords.load", "BatchWords.stamp", "BatchWords.run"),
}

_COLD: Final = "__attribute__((cold)) "
_ALWAYS: Final = "inline __attribute__((always_inline)) "
_DEFINITION: Final = re.compile(
    r"^ *(?:int64_t |char |VecI64 |CPyTagged |PyObject \*|tuple_\w+ )(CPyPy_|CPyDef_)(\w+)\(.*\{$",
    re.MULTILINE,
)
_INDEX_TEST: Final = re.compile(
    r"( = \(uint64_t\)\w+ < \(uint64_t\)\w+;\n    if \()(cpy_r_\w+)\) goto"
)
_PREFETCH: Final = re.compile(
    r"^(.*CPyDef_words___prefetch\(VecI64 (\w+), int64_t (\w+)\) \{\n)", re.MULTILINE
)
# An index that is a row's offset and a constant, and its test; the second test is for indexes from
# the end, which no table has.
_ROW_TEST: Final = re.compile(
    r"""(?P<index>cpy_r_\w+)\ =\ (?P<row>cpy_r_\w+)\ \+\ (?P<word>\d+);\n\s+
        (?P<size>cpy_r_\w+)\ =\ \(int64_t\)(?P<table>cpy_r_\w+)\.len;\n\s+
        (?P<inside>cpy_r_\w+)\ =\ \(uint64_t\)(?P=index)\ <\ \(uint64_t\)(?P=size);\n\s+
        (?P<jump>if\ \(.*)\n\s+
        (?P<from_end>cpy_r_\w+\ =\ (?P=index)\ \+\ (?P=size));\n\s+
        (?P<at_end>cpy_r_\w+)\ =\ \(uint64_t\)cpy_r_\w+\ <\ \(uint64_t\)(?P=size);""",
    re.VERBOSE,
)
ROW_WORDS: Final = 32
_TABLES: Final = ("orders", "levels", "accounts", "positions", "instruments", "rows", "words")
_TABLE_FETCHED: Final = re.compile(
    r"(cpy_r_r\d+) = \(\(hotpath___core___(?:orders|accounts|positions|instruments|events)___"
    r"(?:Orders|Accounts|Positions|Instruments|EventWriter)Object \*\)\w+\)->_words;"
)
_HOT_FUNCTION: Final = re.compile(
    rf"^(?:{re.escape(_ALWAYS)})?(?:int64_t |char |VecI64 )CPyDef_\w+\([^\n]*\{{$.*?^}}$",
    re.MULTILINE | re.DOTALL,
)
_SELDOM: Final = ("__top_level__", "__init__", "_grow")
_ENTRANCE: Final = "engine___Engine___apply"  # what interpreted code calls


def add_hints(source: str) -> str:
    """Return the C text that mypyc wrote for the group, with hints.

    Raises ValueError when a function of `INLINED` is not there.
    """
    wanted = {
        f"{module}___{name.replace('.', '___')}"
        for module, names in INLINED.items()
        for name in names
    }
    found: set[str] = set()

    def mark(match: re.Match[str]) -> str:
        kind, name = match[1], match[2]
        known = next((known for known in _endings(name) if known in wanted), None)
        if kind == "CPyDef_" and known:
            found.add(known)
            return _ALWAYS + match[0]
        if _is_hot(kind, name):
            return match[0]
        return _COLD + match[0]

    text = _DEFINITION.sub(mark, source)
    if wanted != found:
        raise ValueError(f"no such functions to inline: {sorted(wanted - found)}")
    text = _PREFETCH.sub(r"\1    __builtin_prefetch(\2.items + \3);\n", text)
    return _INDEX_TEST.sub(r"\1likely(\2)) goto", _test_rows(text))


def _test_rows(source: str) -> str:
    """Return the C text where hot functions test all indexes of a row by its offset alone."""
    return _HOT_FUNCTION.sub(lambda match: _test_rows_of(match[0]), source)


def _test_rows_of(function: str) -> str:
    tables = {f"cpy_r_{name}" for name in _TABLES} | set(_TABLE_FETCHED.findall(function))

    def test(match: re.Match[str]) -> str:
        if match["table"] not in tables or int(match["word"]) >= ROW_WORDS:
            return match[0]
        inside = f"{match['inside']} = row_is_inside({match['row']}, {match['size']});"
        return "\n    ".join(
            (
                f"{match['index']} = {match['row']} + {match['word']};",
                f"{match['size']} = (int64_t){match['table']}.len;",
                inside,
                match["jump"],
                f"{match['from_end']};",
                f"{match['at_end']} = 0;",
            )
        )

    return _ROW_TEST.sub(test, function)


def _endings(name: str) -> list[str]:
    """Return a mangled name as it is, without its first part, without its first two, …"""
    parts = name.split("___")
    return ["___".join(parts[first:]) for first in range(len(parts))]


def _is_hot(kind: str, name: str) -> bool:
    if any(part in name for part in _SELDOM):
        return False
    if kind == "CPyPy_":  # the wrapper for interpreted callers
        return name.startswith(_ENTRANCE)
    return any(ending.startswith(f"{module}___") for module in HOT for ending in _endings(name)[:2])
