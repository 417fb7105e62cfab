"""Refusals: every code, and which one answers a command with several faults."""

import re
from pathlib import Path

import pytest

from shared.domain import records as r
from shared.domain.reject_codes import RejectCode
from tests.support.core_script import Desk, check_table

TABLES = {
    "one fault after the other is mended; the lowest code answers each time": """
        B1 sell 1 @101              > B1 accepted 1@101 level 1
        A9 buy 1 @50                > A9 accepted 1@50 level 1
        ticks 1 1:5                 > ticks
        terms static=500 ticks=1 lot=10 notional=900 > instrument
        A limits 20 2000 1040 1     > limits
        A throttle 1                > throttle
        A hold 999000               > A cash +999000
        A state 3                   > account state
        session halted              > session halted
        A9 buy 0 @101 post fok      > REJECTED DUPLICATE_ID
        A1 buy 0 @101 post fok      > REJECTED MALFORMED
        A1 buy 501 market hidden    > REJECTED TIME_IN_FORCE_NOT_FOR_TYPE
        A1 buy 501 market hidden ioc > REJECTED FLAG_NOT_FOR_TYPE
        A1 buy 501 @111 post fok    > REJECTED POST_ONLY_MUST_REST
        A1 buy 501 @111 post        > REJECTED ACCOUNT_HALTED
        A state 1                   > account state
        A1 buy 501 @111 post        > REJECTED INSTRUMENT_HALTED
        kill account A on           > kill; A9 cancelled 1 KILL_SWITCH
        A1 buy 501 @111 post        > REJECTED INSTRUMENT_HALTED
        session continuous          > session continuous
        A1 buy 501 @111 post        > REJECTED KILL_SWITCH
        kill account A off          > kill
        A1 buy 501 @111 post oco=A8 > REJECTED UNKNOWN_LINK
        A1 buy 501 @111 post        > REJECTED QUANTITY_TOO_LARGE
        A1 buy 5 @111 post          > REJECTED OFF_TICK
        A1 buy 5 @110 post          > REJECTED OFF_LOT
        terms static=500 ticks=1 notional=900 > instrument
        A1 buy 5 @110 post          > REJECTED BELOW_MINIMUM_VALUE
        A1 buy 25 @110 post         > REJECTED PRICE_COLLAR
        A1 buy 25 @105 post         > REJECTED WOULD_TRADE
        A1 buy 25 @105              > REJECTED ORDER_SIZE_LIMIT
        A limits - 2000 1020 1      > limits
        A1 buy 25 @105              > REJECTED ORDER_VALUE_LIMIT
        A limits - - 1020 1         > limits
        A1 buy 25 @105              > REJECTED POSITION_LIMIT
        A limits - - - 0            > limits
        A1 buy 25 @105              > REJECTED OPEN_ORDER_LIMIT
        A limits - - - 1            > limits
        A1 buy 25 @105              > REJECTED INSUFFICIENT_FUNDS
    """,
    "combinations that are never valid": """
        A1 buy 5 @99 hidden show=2  > REJECTED HIDDEN_AND_ICEBERG
        A1 buy 5 @99 min=2          > REJECTED MINIMUM_NEEDS_IOC
        A1 buy 5 @99 ioc hidden     > REJECTED DISPLAY_MUST_REST
        A1 buy 5 @99 close stp=both > REJECTED SELF_TRADE_MODE_WITHOUT_USE
        A1 buy 5 mtl ioc            > REJECTED TIME_IN_FORCE_NOT_FOR_TYPE
    """,
    "what a command names must be there": """
        A tier 7                    > REJECTED UNKNOWN_FEE_TIER
        A1 cancel                   > REJECTED UNKNOWN_ORDER
        kill account 99 on          > REJECTED UNKNOWN_ACCOUNT
    """,
}


@pytest.mark.parametrize("name", TABLES)
def test_core_refusals(name: str, desk: Desk) -> None:
    check_table(desk, TABLES[name])


WORDS = {
    "UNKNOWN_KIND": (99, {}, {}),
    "UNKNOWN_INSTRUMENT": (r.PLACE_ORDER, {"instrument": 9}, {}),
    "MALFORMED": (r.PLACE_ORDER, {}, {r.C_QUANTITY: -1}),
    "NOT_OWNER": (r.PLACE_ORDER, {}, {r.C_ACCOUNT: 2}),
    "VALUE_OVERFLOW": (r.DEPOSIT_CASH, {}, {r.C_ID: 1 << 62 | 1 << 56 | 999, 4: (1 << 62) - 1}),
    "UNKNOWN_HOLD": (r.CONFIRM_WITHDRAWAL, {}, {r.C_ID: 1 << 62 | 1 << 56 | 999, 3: 5, 4: 0}),
}


@pytest.mark.parametrize("code", WORDS)
def test_core_words_that_are_refused(code: str, desk: Desk) -> None:
    kind, header, values = WORDS[code]
    words = [0, 1, 1 << 32 | 1, 99, 5, 0, 0, 0]
    terms = {"order_type": r.LIMIT, "tif": r.GTC} if kind == r.PLACE_ORDER else {}
    words[0] = r.pack_command_header(kind, **{"instrument": 1, **terms, **header})
    for word, value in values.items():
        words[word] = value
    events = desk.send(words)
    assert [(e[0] & 0xFF, RejectCode(e[0] >> 16 & 0xFFFF).name) for e in events] == [
        (r.REJECTED, code)
    ]


@pytest.mark.parametrize("word", range(1, 16))
@pytest.mark.parametrize("value", [-1, 1 << 62, (1 << 63) - 1, -(1 << 63)])
def test_no_word_of_an_order_raises_or_slips_through(word: int, value: int, desk: Desk) -> None:
    words = desk.order_words("A1 buy 5 @99")
    words[word] = value
    first, *more = desk.send(words)
    harmless = word in (r.C_TIME_NS, r.C_SEQUENCE, r.C_REQUEST)  # stamped over, or opaque
    harmless |= (word, value) == (r.C_MODES, 1 << 62)  # session 2^30
    assert first[0] & 0xFF == (r.ORDER_ACCEPTED if harmless else r.REJECTED)
    assert more == []


def test_every_code_is_specified_in_this_folder() -> None:
    """But for those that the seeded runs reach."""
    told = "".join(path.read_text() for path in Path(__file__).parent.glob("*.py"))
    seeded = {
        *("ACCOUNT_REDUCING", "CURRENCY_MISMATCH", "INSTRUMENT_DELISTED", "NO_REFERENCE_PRICE"),
        "CAPACITY",
    }
    missing = {
        code.name
        for code in RejectCode
        if not re.search(rf'REJECTED {code.name}\b|"{code.name}": \(', told)
    }
    assert missing <= seeded
