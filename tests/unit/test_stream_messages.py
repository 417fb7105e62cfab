"""What the stream is told about a command: the same words give the same bytes, and all is said."""

import msgspec

from hotpath.runtime.publisher.stream_messages import messages
from shared.domain import records as r
from shared.domain.commands import PlaceOrder, ReplaceOrder
from shared.domain.extended_orders import PlaceExtendedOrder
from shared.domain.ids import member_order_id, trade_id
from shared.domain.reject_codes import CancelReason, RejectCode
from shared.wire import stream_events as s
from shared.wire.journal import JournaledCommand

TRACE = bytes(range(1, 25))
BUYER, SELLER = 5, 9  # of one partition of order-events
TAKEN, RESTING = member_order_id(BUYER, 1), member_order_id(SELLER, 2)


def order(tif: int = r.GTC) -> list[int]:
    return PlaceOrder(
        account_id=BUYER,
        order_id=TAKEN,
        instrument_id=3,
        side=r.BUY,
        order_type=r.LIMIT,
        time_in_force=tif,
        quantity_lots=10,
        price_ticks=100,
    ).words()


def event(kind: int, *words: int, side: int = r.BUY, code: int = 0, flags: int = 0) -> list[int]:
    return [r.pack_event_header(kind, side, code, flags, 3), *words]


def told(words: list[int], *events: list[int]) -> list[tuple[str, int, dict[str, object]]]:
    """Return (topic, index, event) of each message about the command."""
    command = JournaledCommand(7, 99, tuple(words), tuple(map(tuple, events)), TRACE)
    first, again = messages(0, command), messages(0, command)
    assert first == again
    for _, message in first:
        assert message.headers[0][0] == "traceparent"
        assert message.partition == s.partition_of(message.topic, int(message.key))
    return [(m.topic, index, msgspec.json.decode(m.value)) for index, m in first]


def of_topic(topic: str, rows: list[tuple[str, int, dict[str, object]]]) -> list[dict[str, object]]:
    return [row for found, _, row in rows if found == topic]


TRADE = event(r.TRADE_EXECUTED, TAKEN, SELLER << 32 | BUYER, 100, 4, 1 << 32 | 6, RESTING, 1)


def test_a_trade_tells_both_owners_the_market_and_the_trade() -> None:
    accepted = event(r.ORDER_ACCEPTED, TAKEN, BUYER, 100, 10, 10, 0, 0)
    rested = event(r.ORDER_RESTED, TAKEN, BUYER, 100, 6, 6, 0, 6)
    rows = told(order(), accepted, TRADE, rested)
    kinds = [(row["type"], row.get("liquidity")) for row in of_topic(s.ORDER_EVENTS, rows)]
    assert kinds == [("ACCEPTED", None), ("FILL", "TAKER"), ("FILL", "MAKER"), ("RESTED", None)]
    taker, maker = of_topic(s.ORDER_EVENTS, rows)[1:3]
    assert (taker["order_id"], taker["leaves_lots"]) == (str(TAKEN), 6)
    assert (maker["order_id"], maker["leaves_lots"]) == (str(RESTING), 1)
    (trade,) = of_topic(s.TRADE_EXECUTIONS, rows)
    assert trade["trade_id"] == taker["trade_id"] == str(trade_id(0, 7, 1))
    assert (trade["buy_account_id"], trade["sell_account_id"]) == (str(BUYER), str(SELLER))
    (update,) = of_topic(s.MARKET_DATA, rows)
    assert update["levels"] == [["SELL", 100, 1], ["BUY", 100, 6]]
    assert update["trades"] == [[str(trade_id(0, 7, 1)), 100, 4, "BUY"]]
    assert {row["trace_id"] for _, _, row in rows} == {TRACE[:16].hex()}


def test_a_repeated_order_is_no_news() -> None:
    refusal = event(r.REJECTED, TAKEN, BUYER, 100, 10, 0, 3, 0, code=RejectCode.DUPLICATE_ID)
    assert told(order(), refusal) == []


def test_a_refused_order_is_told_to_its_owner_and_to_risk() -> None:
    refusal = event(r.REJECTED, TAKEN, BUYER, 100, 10, 0, 0, 0, code=RejectCode.INSUFFICIENT_FUNDS)
    own, risk = told(order(), refusal)
    assert (own[0], own[2]["type"], own[2]["reason"]) == (
        s.ORDER_EVENTS,
        "REJECTED",
        "INSUFFICIENT_FUNDS",
    )
    assert (own[2]["side"], own[2]["order_type"], own[2]["quantity_lots"]) == ("BUY", "LIMIT", 10)
    assert (risk[0], risk[2]["type"]) == (s.RISK_EVENTS, "ORDER_REJECTED")


def test_a_refused_replace_does_not_say_that_the_order_was_refused() -> None:
    words = ReplaceOrder(BUYER, TAKEN, 3, 100, 5).words()
    refusal = event(r.REJECTED, TAKEN, BUYER, 100, 5, 0, 0, 0, code=RejectCode.UNKNOWN_ORDER)
    assert [topic for topic, _, _ in told(words, refusal)] == [s.RISK_EVENTS]


def test_a_cancel_changes_the_book_and_an_unfilled_rest_does_not() -> None:
    for reason, levels in (
        (CancelReason.REQUESTED, [["BUY", 100, 20]]),
        (CancelReason.MASS_CANCEL, [["BUY", 100, 20]]),
        (CancelReason.IOC_REMAINDER, None),
        (CancelReason.NO_LIQUIDITY, None),
    ):
        gone = event(r.ORDER_CANCELLED, TAKEN, BUYER, 100, 10, 0, 0, 20, code=reason)
        rows = told(order(r.IOC), gone)
        assert [row["reason"] for row in of_topic(s.ORDER_EVENTS, rows)] == [reason.name]
        updates = of_topic(s.MARKET_DATA, rows)
        assert [update["levels"] for update in updates] == ([levels] if levels else [])


def test_a_replace_touches_its_old_and_its_new_level() -> None:
    words = ReplaceOrder(BUYER, TAKEN, 3, 101, 5).words()
    moved = event(r.ORDER_REPLACED, TAKEN, BUYER, 101, 5, 0, 100, 5, flags=r.FLAG_RESTING)
    (update,) = of_topic(s.MARKET_DATA, told(words, moved))
    assert update["levels"] == [["BUY", 100, 0], ["BUY", 101, 5]]
    kept = event(r.ORDER_REPLACED, TAKEN, BUYER, 101, 5, 5, 101, 5, flags=r.FLAG_RESTING)
    (update,) = of_topic(s.MARKET_DATA, told(words, kept))
    assert update["levels"] == [["BUY", 101, 5]]


def test_states_and_balances_go_to_risk() -> None:
    halted = event(r.INSTRUMENT_STATE_CHANGED, 1, 0, 0, r.SESSION_HALTED, 0, 0, 0)
    rows = told(order(), halted)
    assert of_topic(s.MARKET_DATA, rows)[0]["state"] == "HALTED"
    assert of_topic(s.RISK_EVENTS, rows)[0]["type"] == "INSTRUMENT_STATE"
    cash = event(r.CASH_CHANGED, 1, BUYER, 5, 100, 90, 20, 30)
    (risk,) = of_topic(s.RISK_EVENTS, told(order(), cash))
    figures = [risk[name] for name in ("delta", "total", "settled", "reserved", "held")]
    assert figures == [5, 100, 90, 20, 30]


def test_orders_of_a_batch_are_told_with_their_own_terms() -> None:
    first = PlaceOrder(BUYER, TAKEN, 3, r.BUY, r.LIMIT, r.GTC, 10, 100)
    second = PlaceExtendedOrder(
        BUYER, TAKEN + 1, 3, r.SELL, r.STOP, r.DAY, 7, stop_price_ticks=90, self_trade=1
    )
    header = r.pack_command_header(r.BATCH)
    words = [header, BUYER, 0, 0, 2, 0, 0, 0, *first.words(), *second.words()]
    refused = event(r.REJECTED, TAKEN, BUYER, 100, 10, 0, 0, 0, code=RejectCode.PRICE_COLLAR)
    accepted = event(r.ORDER_ACCEPTED, TAKEN + 1, BUYER, 0, 7, 7, 0, 0, flags=r.FLAG_WAITING)
    done = event(r.BATCH_DONE, 0, BUYER, 0, 1, 1, 0, 0)
    rows = of_topic(s.ORDER_EVENTS, told(words, refused, accepted, done))
    assert [(row["type"], row["order_type"], row["quantity_lots"]) for row in rows] == [
        ("REJECTED", "LIMIT", 10),
        ("ACCEPTED", "STOP", 7),
    ]
    assert rows[1]["instructions"] == {"stop_price_ticks": 90, "self_trade": "CANCEL_NEWEST"}


def test_what_leaves_from_outside_the_book_changes_no_level() -> None:
    terms = {"code": CancelReason.REQUESTED, "flags": r.FLAG_WAITING}
    cancelled = event(r.ORDER_CANCELLED, TAKEN, BUYER, 100, 10, 0, 0, 0, **terms)
    assert of_topic(s.MARKET_DATA, told(order(), cancelled)) == []


def test_a_market_wide_change_is_an_update_of_each_market() -> None:
    halted = [0, 0, 0, r.SESSION_HALTED, 0, 0, 0]
    kind = r.INSTRUMENT_STATE_CHANGED
    events = [[r.pack_event_header(kind, instrument=number), *halted] for number in (3, 4)]
    updates = of_topic(s.MARKET_DATA, told(order(), *events))
    assert [(row["instrument_id"], row["index"], row["state"]) for row in updates] == [
        (3, 0, "HALTED"),
        (4, 1, "HALTED"),
    ]
