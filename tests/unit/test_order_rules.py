"""The file of order rules answers every combination, once, and with a reason."""

from itertools import pairwise

import pytest

from infra.rules_document import DOCUMENT, rules_text
from shared.domain import records
from shared.domain.order_rules import RULES_FILE, Combination, load, order_rules
from shared.domain.reject_codes import RejectCode

RULES = order_rules()
PREFIXES = {"session": "SESSION_", "self_trade": "SELF_TRADE_", "flags": "ORDER_"}


def test_every_combination_has_one_answer() -> None:
    table = RULES.table()
    assert len(table) == 7 * 7 * 8 * 5 * 2**6
    assert {code for code in table.values() if code} == {rule.code for rule in RULES.refusals}


def test_every_rule_is_needed() -> None:
    """Each refuses something that no other rule refuses, so none hides another."""
    needed = set()
    for combination in RULES.combinations():
        found = [index for index, rule in enumerate(RULES.refusals) if rule.applies(combination)]
        if len(found) == 1:
            needed.add(found[0])
    assert needed == set(range(len(RULES.refusals)))


@pytest.mark.parametrize("dimension", ["type", "time_in_force", "self_trade"])
def test_every_value_is_of_use(dimension: str) -> None:
    valid = [c for c, code in RULES.table().items() if code is None]
    assert {getattr(c, dimension) for c in valid} == set(RULES.values[dimension])
    assert {flag for c in valid for flag in c.flags} == set(RULES.values["flags"])


@pytest.mark.parametrize("dimension", ["type", "time_in_force", "session", "self_trade", "flags"])
def test_every_name_is_a_number_of_the_layouts(dimension: str) -> None:
    prefix = PREFIXES.get(dimension, "")
    numbers = [getattr(records, prefix + name) for name in RULES.values[dimension]]
    if dimension == "flags":
        assert sorted(numbers) == [1 << bit for bit in range(len(numbers))]
    else:
        start = 0 if dimension == "self_trade" else 1
        assert numbers == list(range(start, start + len(numbers)))


CASES = """
    LIMIT GTC CONTINUOUS ALLOWED                        valid
    LIMIT GTC CONTINUOUS DECREMENT HIDDEN               valid
    LIMIT IOC CONTINUOUS ALLOWED MINIMUM                valid
    LIMIT GTC CONTINUOUS ALLOWED MINIMUM                MINIMUM_NEEDS_IOC
    LIMIT FOK CONTINUOUS ALLOWED POST_ONLY              POST_ONLY_MUST_REST
    LIMIT GTC CONTINUOUS ALLOWED HIDDEN ICEBERG         HIDDEN_AND_ICEBERG
    LIMIT GTC CONTINUOUS ALLOWED HIDDEN POST_ONLY       valid
    LIMIT IOC CONTINUOUS ALLOWED HIDDEN                 DISPLAY_MUST_REST
    LIMIT AT_OPEN PRE_OPEN ALLOWED                      valid
    LIMIT AT_OPEN PRE_OPEN CANCEL_NEWEST                SELF_TRADE_MODE_WITHOUT_USE
    LIMIT AT_OPEN CONTINUOUS ALLOWED                    NOT_IN_SESSION
    LIMIT AT_CLOSE CONTINUOUS ALLOWED                   valid
    LIMIT GTC HALTED ALLOWED                            INSTRUMENT_HALTED
    LIMIT GTC CLOSED ALLOWED                            INSTRUMENT_CLOSED
    LIMIT GTC OPENING_UNCROSS ALLOWED                   INSTRUMENT_CLOSED
    LIMIT GTC DELISTED ALLOWED                          INSTRUMENT_DELISTED
    LIMIT IOC PRE_OPEN ALLOWED                          NOT_IN_SESSION
    MARKET GTC CONTINUOUS ALLOWED                       TIME_IN_FORCE_NOT_FOR_TYPE
    MARKET GTC HALTED ALLOWED                           TIME_IN_FORCE_NOT_FOR_TYPE
    MARKET AT_CLOSE CLOSING_AUCTION ALLOWED             valid
    MARKET FOK CONTINUOUS CANCEL_OLDEST                 valid
    STOP GTC PRE_OPEN ALLOWED                           valid
    STOP GTC CONTINUOUS ALLOWED HIDDEN                  FLAG_NOT_FOR_TYPE
    PEGGED DAY CONTINUOUS DECREMENT                     valid
    PEGGED DAY CLOSING_AUCTION DECREMENT                NOT_IN_SESSION
    MARKET_TO_LIMIT GTD CONTINUOUS ALLOWED SHORT        valid
"""


@pytest.mark.parametrize("line", CASES.strip().splitlines())
def test_what_the_rules_say_of(line: str) -> None:
    kind, time_in_force, session, self_trade, *flags, answer = line.split()
    combination = Combination(kind, time_in_force, session, self_trade, frozenset(flags))
    code = RULES.refusal(combination)
    assert (code.name if code else "valid") == answer


def test_priority_classes_are_numbered_from_the_first() -> None:
    assert [entry.number for entry in RULES.priority] == [1, 2, 3]


def test_a_rule_with_an_unknown_name_is_no_rule(tmp_path) -> None:
    broken = tmp_path / "order_rules.toml"
    text = RULES_FILE.read_text(encoding="utf-8")
    broken.write_text(text.replace('session = ["HALTED"]', 'session = ["PAUSED"]'))
    with pytest.raises(ValueError, match="PAUSED"):
        load(broken)


def test_refusals_stand_in_the_order_of_their_numbers() -> None:
    assert all(first < second for first, second in pairwise(RejectCode))


@pytest.mark.parametrize(
    ("first", "last"),
    [("PLACE_ORDER", "SET_TICK_TABLE"), ("ORDER_ACCEPTED", "LEVEL_CHANGED")],
)
def test_kinds_stand_in_the_order_of_their_numbers(first: str, last: str) -> None:
    names = [name for name in vars(records) if name.isupper()]
    section = names[names.index(first) : names.index(last) + 1]
    kinds = [getattr(records, name) for name in section if name != "FIRST_EXTENDED_KIND"]
    assert all(first < second for first, second in pairwise(kinds))


def test_the_document_shows_the_rules_as_they_are() -> None:
    assert rules_text() == DOCUMENT.read_text(encoding="utf-8"), "run make generate"
