"""Order requests: whatever comes in, exact engine units come out, or a stable reason."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.orders.cursor import decode_cursor, encode_cursor
from functions.orders.form import Refusal
from functions.orders.models import PlaceOrderRequest
from functions.orders.terms import Terms, terms_of
from functions.orders.units import price_of, quantity_of
from shared.domain.money import parse_decimal
from shared.domain.records import MAX_PRICE_TICKS
from shared.edge.problems import Problem
from shared.edge.requests import loads
from shared.reference import instruments

BODY = {"symbol": "NOVA", "side": "BUY", "type": "LIMIT", "quantity": "100", "price": "10.00"}
CODES = {
    "unknown_instrument",
    "invalid_price",
    "invalid_quantity",
    "price_off_tick",
    "price_required",
    "price_not_allowed",
    "quantity_off_lot",
    "quantity_too_large",
    "locate_quantity_not_allowed",
}
symbols = st.sampled_from([item.symbol for item in instruments()])
decimal_texts = st.one_of(
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.integers(-5, 10**9).map(str),
    st.from_regex(r"[0-9eE+.\-]{1,12}", fullmatch=True),
    st.sampled_from(["NaN", "Infinity", "-0", "1e400", "0x10", "١٢", "1_000", " 1", "9" * 5_000]),
)


@given(symbols, decimal_texts)
@example("NOVA", "10.0000000000000000000000000001")
def test_a_price_is_exact_or_refused(symbol: str, text: str) -> None:
    instrument = instruments().by_symbol[symbol]
    found = price_of(text, instrument)
    if isinstance(found, Refusal):
        assert found.code in CODES
        return
    assert 1 <= found <= MAX_PRICE_TICKS
    assert Decimal(text) == Decimal(instrument.price_text(found))


@given(symbols, decimal_texts)
def test_a_quantity_is_exact_or_refused(symbol: str, text: str) -> None:
    instrument = instruments().by_symbol[symbol]
    found = quantity_of(text, instrument)
    if isinstance(found, Refusal):
        assert found.code in CODES
        return
    assert 1 <= found <= instrument.max_order_lots
    assert Decimal(text) == found * instrument.lot_size


@given(symbols, st.integers(1, 10**6))
def test_every_tick_is_taken_as_it_is_written(symbol: str, ticks: int) -> None:
    instrument = instruments().by_symbol[symbol]
    assert price_of(instrument.price_text(ticks), instrument) == ticks


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**64), 2**64),
    st.floats(),
    st.text(max_size=20),
    decimal_texts,
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(st.sampled_from(sorted(PlaceOrderRequest.model_fields)), values)
@example("quantity", True)
@example("price", 1e400)
@example("price", 2**63)
def test_any_value_anywhere_gives_terms_or_a_refusal_and_nothing_else(
    member: str, value: Any
) -> None:
    try:
        request = PlaceOrderRequest.model_validate(BODY | {member: value})
    except ValidationError:
        return
    found = terms_of(request, instruments(), 1001, 1)
    assert isinstance(found, Terms) or re.fullmatch(r"[a-z_]+", found.code)
    assert isinstance(value, str | bool | None), "only strings are numbers here"


@given(
    st.text(min_size=1, max_size=20).filter(lambda name: name not in PlaceOrderRequest.model_fields)
)
@example("account_id")
@example("status")
def test_an_unknown_member_is_refused(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        PlaceOrderRequest.model_validate(BODY | {name: "1"})
    assert {fault["type"] for fault in refused.value.errors()} == {"extra_forbidden"}


@given(
    st.sampled_from(["NaN", "Infinity", "-Infinity", "1e400", "9" * 5_000, str(2**63), "1" * 20])
)
def test_numbers_out_of_range_end_in_the_parser(number: str) -> None:
    text = json.dumps(BODY)[:-1] + f', "price": {number}}}'
    with pytest.raises(Problem) as refused:
        loads(text)
    assert refused.value.status == 400
    assert refused.value.code in ("number_out_of_range", "malformed_json")


@given(st.datetimes(), st.integers(0, (1 << 63) - 1))
def test_a_cursor_comes_back_as_it_went(at: datetime, order_id: int) -> None:
    zoned = at.replace(tzinfo=UTC)
    assert decode_cursor(encode_cursor(zoned, order_id)) == (zoned, order_id)


@given(st.text(max_size=80))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    try:
        at, order_id = decode_cursor(text)
    except ValueError:
        return
    assert encode_cursor(at, order_id) == text


@given(st.integers(-(2**61), 2**61), st.integers(0, 8))
def test_decimals_are_parsed_exactly(units: int, places: int) -> None:
    text = format(Decimal(units).scaleb(-places), "f")
    if len(text) <= 20:
        assert parse_decimal(text, places) == units
