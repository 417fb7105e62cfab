"""Whatever is sent to the edge: an answer of the contract, and never a 5xx."""

import json
import string

from hypothesis import given, settings
from hypothesis import strategies as st

from functions.payments.models import DepositRequest
from functions.users.models import RegisterRequest
from shared.domain import market_commands as m
from shared.domain import records as r
from shared.domain.command_codec import decode_administrative
from shared.domain.commands import (
    AddAccount,
    AddInstrument,
    DepositShares,
    MoveCash,
    SetAccountState,
    SetInstrumentState,
    SetLimits,
    Settle,
)
from shared.domain.money import from_minor, to_minor
from shared.domain.records import (
    CONFIRM_WITHDRAWAL,
    DEPOSIT_CASH,
    HOLD_WITHDRAWAL,
    RELEASE_WITHDRAWAL,
)
from shared.edge.http import HttpApp
from shared.edge.problems import Problem
from shared.edge.requests import MAX_DEPTH, loads
from shared.edge.tracing import start_trace
from tests.support.lambda_events import access_claims, call, http_event

app = HttpApp("anything")


@app.post("/deposits", status_code=201)
def deposit(body: DepositRequest) -> dict[str, int]:
    return {"minor": body.amount_minor}


@app.post("/users", status_code=201)
def register(body: RegisterRequest) -> dict[str, str]:
    return {"email": body.email}


def refusal_of(text: str) -> str:
    """Return the code with which strict JSON refuses a text; empty when it takes it."""
    try:
        loads(text)
    except Problem as problem:
        return problem.code
    return ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)
odd_texts = st.sampled_from(
    ["NaN", "1e400", "-0", "0x10", "１２", "1_000", "1.0.0", "", " 1", "1 ", "+1", ".5", "5.", "∞"]
)
fields = st.sampled_from(["amount", "currency", "payment_method", "email", "password", "role"])
paths = st.sampled_from(["/deposits", "/users"])


@given(path=paths, body=st.dictionaries(fields, json_values | odd_texts, max_size=6))
def test_any_json_object_is_answered_within_the_contract(path: str, body: object) -> None:
    answer = call(app.handler, http_event("POST", path, body, claims=access_claims()))
    assert answer.status == 400
    assert answer.json["code"]


@given(path=paths, body=st.text(alphabet='{}[]",:.0123456789eE+-NaInfty ', max_size=200))
def test_any_text_is_answered_within_the_contract(path: str, body: str) -> None:
    answer = call(app.handler, http_event("POST", path, body))
    assert answer.status in (400, 413)


@given(amount=odd_texts | st.text(alphabet=string.printable, max_size=40))
def test_an_amount_is_taken_exactly_or_refused(amount: str) -> None:
    body = {"amount": amount, "currency": "USD", "payment_method": "pm_card_visa"}
    answer = call(app.handler, http_event("POST", "/deposits", body))
    assert answer.status in (201, 400)
    if answer.status == 201:
        assert answer.json["minor"] == to_minor(amount, "USD") > 0


@given(minor=st.integers(1, 10**13), currency=st.sampled_from(["USD", "EUR", "JPY"]))
def test_every_amount_in_range_goes_through_unchanged(minor: int, currency: str) -> None:
    text = from_minor(minor, currency)
    body = {"amount": text, "currency": currency, "payment_method": "pm_card_visa"}
    answer = call(app.handler, http_event("POST", "/deposits", body))
    assert (answer.status, answer.json) == (201, {"minor": minor})


@given(depth=st.integers(1, 10_000), opening=st.sampled_from(["[", '{"a":']))
@settings(max_examples=40)
def test_depth_is_bounded_without_recursion(depth: int, opening: str) -> None:
    closing = "]" if opening == "[" else "}"
    text = opening * depth + "1" + closing * depth
    # Scalars stand one level below the innermost container.
    assert refusal_of(text) == ("" if depth < MAX_DEPTH else "json_too_deep")


@given(value=json_values)
def test_what_strict_json_takes_it_reads_as_it_was_written(value: object) -> None:
    text = json.dumps(value)
    if refusal_of(text) == "":
        assert json.dumps(loads(text)) == text


@given(header=st.text(max_size=80))
def test_any_traceparent_gives_a_valid_one(header: str) -> None:
    version, trace, span, flags = start_trace(header).split("-")
    assert (version, len(trace), len(span), len(flags)) == ("00", 32, 16, 2)
    assert set(trace + span) <= set("0123456789abcdef")


words = st.integers(-(1 << 62), 1 << 62)
ids = st.integers(1, 1 << 62)
instruments = st.integers(1, (1 << 15) - 1)
cash_kinds = st.sampled_from(
    [DEPOSIT_CASH, HOLD_WITHDRAWAL, CONFIRM_WITHDRAWAL, RELEASE_WITHDRAWAL, r.CREDIT_UNDO]
)
terms = st.builds(m.TradeTerms, ids, st.integers(0, 1 << 15), ids, ids, ids, ids, words, words)
rows = st.lists(st.tuples(ids, ids), min_size=1, max_size=r.TICK_ROWS).map(tuple)
market_commands = st.one_of(
    st.builds(m.Uncross, ids, instruments, st.integers(1, 3)),
    st.builds(m.PublishIndicative, instruments),
    st.builds(m.EndOfDay, ids, st.integers(0, 9)),
    st.builds(m.ExpireOrders, ids, st.integers(0, 9)),
    st.builds(m.DelistInstrument, ids, instruments),
    st.builds(
        m.SetAccountTerm, st.sampled_from([r.SET_MARGIN, r.SET_ACCOUNT_GROUP]), ids, ids, ids
    ),
    st.builds(m.SetKillSwitch, ids, st.integers(1, 3), words, st.booleans()),
    st.builds(m.SetThrottle, ids, words, ids, words),
    st.builds(m.BustTrade, ids, instruments, terms),
    st.builds(m.CorrectTrade, ids, instruments, terms, ids, ids),
    st.builds(m.SetInstrumentTerms, ids, instruments, *[words] * 10),
    st.builds(m.SetFeeTier, ids, ids, words, words, words),
    st.builds(m.SetTickTable, ids, ids, rows),
)
commands = st.one_of(
    market_commands,
    st.builds(MoveCash, cash_kinds, ids, ids, words, words),
    st.builds(AddAccount, ids, ids, st.integers(1, 999)),
    st.builds(DepositShares, ids, ids, instruments, words),
    st.builds(Settle, ids, ids, instruments, words, words),
    st.builds(SetAccountState, ids, ids, st.integers(1, 3)),
    st.builds(SetInstrumentState, ids, st.integers(0, 9), st.integers(1, 8)),
    st.builds(SetLimits, ids, ids, words, words, words, words),
    st.builds(AddInstrument, ids, instruments, words, words, words, words, words, words, words),
)


@given(command=commands)
def test_an_administrative_command_comes_back_from_its_words(command: MoveCash) -> None:
    assert decode_administrative(command.words()) == command
