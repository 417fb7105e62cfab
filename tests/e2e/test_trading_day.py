"""A trading day through the public API: from registration to settled money and filed reports."""

import asyncio
import json
import secrets
import time
import uuid
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import Any

import pytest

from infra.demo.checks import run_checks
from infra.demo.listener import Heard, Listener
from infra.local import aws, backoffice, deploy, settlement, users
from infra.local.api import ApiClient, ApiError
from infra.local.catching_up import wait_until_caught_up
from infra.local.users import Person
from infra.trace.model import ALL_HOPS, JOURNAL, STREAM
from shared.ports.event_stream import TopicPartition
from shared.reference import instruments
from shared.streams import open_stream
from shared.wire.stream_events import PARTITIONS, SETTLEMENT_EVENTS
from tests.support.e2e_load import BUYER, SELLER
from tests.support.e2e_platform import SYMBOL, Platform, status_of
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow

PRICE = "24.00"  # away from where other tests trade
QUANTITY = "100"
CASH_MINOR = 100 * 24_00


def minor(amount: str) -> int:
    """Return a decimal string with two places in minor units."""
    whole, _, cents = amount.partition(".")
    return int(whole) * 100 + int(cents)


def shares(balances: dict[str, Any], kind: str) -> int:
    held = {item["symbol"]: item for item in balances["positions"]}
    return int(held[SYMBOL][kind])


@pytest.fixture
def buyer(platform: Platform) -> Iterator[ApiClient]:
    with platform.client(BUYER) as api:
        clear(api)
        yield api


@pytest.fixture
def seller(platform: Platform) -> Iterator[ApiClient]:
    with platform.client(SELLER) as api:
        clear(api)
        yield api


def clear(api: ApiClient) -> None:
    """Cancel what other tests left resting, so that these members meet only each other."""

    def nothing_open() -> bool:
        orders = [
            order
            for status in ("PENDING", "PARTIALLY_FILLED")
            for order in api.call("GET", f"/api/v1/orders?status={status}&limit=200")["orders"]
        ]
        for order in orders:
            response = api.request("DELETE", f"/api/v1/orders/{order['order_id']}")
            assert response.status_code in (200, 409), response.text
        return not orders

    wait_for(nothing_open, timeout_s=60, what="all orders cancelled")


def test_a_new_user_is_verified_by_webhook_and_pays_in(platform: Platform) -> None:
    person = Person(f"newcomer-{uuid.uuid4().hex[:12]}", "New", "Comer", "1234.56")
    with platform.client(person) as api:
        with pytest.raises(ApiError):
            api.log_in()
        password = users.password(platform.settings, person.name)
        profile = users.ensure_verified(api, person, password)
        assert (profile["email"], profile["kyc_status"]) == (person.email, "APPROVED")
        users.ensure_funded(api, person)
        balances = api.balances()
        assert (balances["total"], balances["available"]) == ("1234.56", "1234.56")
        with pytest.raises(ApiError) as refused:
            api.place_order("NOVA", "BUY", "1000", "9.00")
        assert (refused.value.status, refused.value.code) == (422, "insufficient_funds")
        assert api.balances() == balances
    deposits = platform.rows(
        "clearing",
        "select d.status, t.kind from payments.deposits d "
        "join ledger.transfers t using (transfer_id) where d.account_id = %s",
        int(profile["account_id"]),
    )
    assert [row["status"] for row in deposits] == ["SUCCEEDED"]


async def trade(platform: Platform, buyer: ApiClient, seller: ApiClient) -> tuple[str, str, Heard]:
    """Let buyer and seller meet while a WebSocket client listens; return both orders."""
    async with Listener(platform.settings.feed_url, SYMBOL) as listener:
        bought = buyer.place_order(SYMBOL, "BUY", QUANTITY, PRICE)
        assert bought["status"] == "PENDING"
        assert bought["open_quantity"] == QUANTITY
        await listener.reach(bought["sequence"])
        assert listener.heard.books["BUY"][PRICE] == QUANTITY
        assert buyer.balances()["reserved"] != "0.00"
        sold = seller.place_order(SYMBOL, "SELL", QUANTITY, PRICE)
        assert (sold["status"], sold["average_price"]) == ("FILLED", "24.000000")
        await listener.reach(sold["sequence"])
        async with asyncio.timeout(20):
            while not listener.heard.trades:
                await asyncio.sleep(0.01)
        assert PRICE not in listener.heard.books["BUY"]
    return bought["order_id"], sold["order_id"], listener.heard


def test_a_trading_day_from_order_to_report(
    platform: Platform, buyer: ApiClient, seller: ApiClient
) -> None:
    before = buyer.balances(), seller.balances()
    order_id, sold_id, heard = asyncio.run(trade(platform, buyer, seller))
    assert (heard.trades, heard.traded_quantity, heard.gaps) == (1, 100, 0)
    assert status_of(buyer, order_id, "FILLED")["filled_quantity"] == QUANTITY
    expect_market_data(platform, buyer)
    expect_unsettled(before[0], buyer.balances())

    wait_until_caught_up(platform.settings)
    settled = settlement.settle(platform.settings, "next")
    assert settled["status"] == "SUCCEEDED", settled
    output = settled["output"]
    assert (output["outcome"], output["reconciliation"]["breaks"]) == ("DONE", 0)

    for api, own in ((buyer, order_id), (seller, sold_id)):
        status_of(api, own, "SETTLED", timeout_s=60)
    expect_moved(before[0], buyer.balances(), -CASH_MINOR, 100)
    expect_moved(before[1], seller.balances(), CASH_MINOR, -100)
    expect_settlement_events(platform, buyer, order_id)
    expect_reports(platform, output, order_id)
    expect_whole_trace(platform, order_id)
    expect_nothing_from_a_second_batch(platform, output["batch_id"])

    for business_date in settlement.business_dates_of_trades(platform.settings):
        assert settlement.settle(platform.settings, business_date)["status"] == "SUCCEEDED"
    checks = list(run_checks(platform.settings, output["batch_id"], listened(platform)))
    assert len(checks) == 11
    assert [check for check in checks if not check.ok] == []


def test_one_trace_leads_from_the_request_to_the_trade(
    platform: Platform, buyer: ApiClient, seller: ApiClient
) -> None:
    """The caller's own trace id stands in the journal, in the trade and in its headers."""
    trace_id = secrets.token_hex(16)
    seller.place_order(SYMBOL, "SELL", "10", PRICE)
    body = {"symbol": SYMBOL, "side": "BUY", "quantity": "10", "type": "LIMIT", "price": PRICE}
    asked = {"traceparent": f"00-{trace_id}-{secrets.token_hex(8)}-01"}
    answer = buyer.request("POST", "/api/v1/orders", body, headers=asked)
    assert answer.json()["status"] == "FILLED", answer.text
    span = answer.headers["traceparent"]
    assert span.startswith(f"00-{trace_id}-")
    wait_until_caught_up(platform.settings)

    trace = platform.run("trace", answer.json()["order_id"], "--json").json()

    assert trace["trace_id"] == trace_id
    found = {
        (hop["kind"], hop["where"], hop["data"]["traceparent"])
        for hop in trace["hops"]
        if hop["kind"] in (JOURNAL, STREAM)
    }
    assert {carried for _, _, carried in found} == {span}
    assert {where for kind, where, _ in found if kind == STREAM} == {
        "order-events",
        "trade-executions",
        "market-data",
    }


def expect_market_data(platform: Platform, buyer: ApiClient) -> None:
    """The trade shows in ticker, trades, candles and position."""

    def newest_trade() -> dict[str, Any] | None:
        path = f"/api/v1/instruments/{SYMBOL}"
        with platform.anonymous() as api:
            trades = api.call("GET", f"{path}/trades")["trades"]
            newest = trades[0] if trades else None
            if newest is None or newest["price"] != PRICE:
                return None
            assert api.call("GET", f"{path}/ticker")["last_price"] == PRICE
            assert api.call("GET", f"{path}/history")["candles"][-1]["close"] == PRICE
            return dict(newest)

    newest = wait_for(newest_trade, timeout_s=30, what="market data of the trade")
    assert newest is not None
    assert newest["quantity"] == QUANTITY

    def position() -> int:
        found = buyer.call("GET", "/api/v1/risk/positions")["positions"]
        return next(int(item["quantity"]) for item in found if item["symbol"] == SYMBOL)

    expected = shares(buyer.balances(), "total")
    wait_for(lambda: position() == expected, timeout_s=30, what="the position in risk")


def expect_unsettled(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A trade changes what is owned at once, and what is settled only by settlement."""
    assert minor(after["total"]) == minor(before["total"]) - CASH_MINOR
    assert after["settled"] == before["settled"]
    assert shares(after, "total") == shares(before, "total") + 100
    assert shares(after, "settled") == shares(before, "settled")


def expect_moved(
    before: dict[str, Any], after: dict[str, Any], cash_minor: int, quantity: int
) -> None:
    """All is settled now, whatever was unsettled before."""
    assert minor(after["total"]) == minor(before["total"]) + cash_minor
    assert after["settled"] == after["total"]
    assert shares(after, "total") == shares(before, "total") + quantity
    assert shares(after, "settled") == shares(after, "total")


def expect_settlement_events(platform: Platform, buyer: ApiClient, order_id: str) -> None:
    """The buyer's instruction is on the stream and in the API, with the order's trade."""
    stream = open_stream(platform.settings.stream_url)
    places = [TopicPartition(SETTLEMENT_EVENTS, n) for n in range(PARTITIONS[SETTLEMENT_EVENTS])]
    reader = stream.reader(f"test-{uuid.uuid4().hex}", places)
    events = []
    try:
        for place in places:
            reader.seek(place, 0)
        deadline = time.monotonic() + 20
        while any(reader.position(place) < stream.end_offset(place) for place in places):
            assert time.monotonic() < deadline
            events += [json.loads(message.value) for message in reader.poll(1_000, 200)]
    finally:
        reader.close()
        stream.close()
    trade = traded(platform, order_id)
    named = [event for event in events if trade in event["trade_ids"]]
    assert [event["type"] for event in named] == ["SETTLED", "SETTLED"]
    mine = next(event for event in named if order_id in event["order_ids"])
    assert mine["account_id"] == buyer.profile()["account_id"]
    listed = buyer.call("GET", "/api/v1/settlements")["settlements"]
    assert {item["instruction_id"] for item in listed} & {
        event["instruction_id"] for event in named
    }


def traded(platform: Platform, order_id: str) -> str:
    """Return the id of the one trade of a buyer's order, as clearing has it."""
    found = platform.rows(
        "clearing", "select trade_id from settlement.trades where buy_order_id = %s", int(order_id)
    )
    assert len(found) == 1
    return str(found[0]["trade_id"])


def expect_reports(platform: Platform, output: dict[str, Any], order_id: str) -> None:
    """The day's reports lie in S3 as the batch said; the regulator's names the trade twice."""
    bucket = deploy.require(platform.settings).outputs["ReportBucketName"]
    client = aws.s3(platform.settings)
    bodies = {
        report["key"]: client.get_object(Bucket=bucket, Key=report["key"])["Body"].read()
        for report in output["reports"]
    }
    assert {key.rpartition(".")[2] for key in bodies} == {"csv", "xml"}
    assert all(len(bodies[report["key"]]) == report["bytes"] for report in output["reports"])
    regulator = next(body for key, body in bodies.items() if key.endswith(".xml"))
    assert ElementTree.fromstring(regulator).tag.endswith("Document")
    assert regulator.count(traded(platform, order_id).encode()) >= 2


def expect_whole_trace(platform: Platform, order_id: str) -> None:
    answer = platform.run("trace", order_id, "--json")
    assert answer.code == 0, answer.errors
    trace = answer.json()
    assert (trace["order_id"], trace["status"], trace["missing"]) == (order_id, "SETTLED", [])
    assert {hop["kind"] for hop in trace["hops"]} == set(ALL_HOPS)


def expect_nothing_from_a_second_batch(platform: Platform, batch_id: str) -> None:
    """Running the date again moves no money and writes no report."""
    rows = platform.row_counts()
    answer = platform.run("settle", "--date", batch_id, "--json")
    assert answer.code == 0, answer.errors
    assert answer.json()["output"]["instructions"]["rolled"] == 0
    platform.settle_down()
    again = platform.row_counts()
    changed = {name for name in rows if rows[name] != again[name]}
    assert changed <= {"clearing.settlement.reconciliations"}, changed


def listened(platform: Platform) -> Heard:
    """Return what a WebSocket client knows after one more change of the book."""

    async def listen() -> Heard:
        with platform.client(SELLER) as api:
            async with Listener(platform.settings.feed_url, SYMBOL) as listener:
                resting = api.place_order(SYMBOL, "SELL", "10", "26.50")
                await listener.reach(resting["sequence"])
            return listener.heard

    heard = asyncio.run(listen())
    wait_until_caught_up(platform.settings)
    return heard


def test_an_operator_halts_and_resumes_an_instrument(platform: Platform, seller: ApiClient) -> None:
    account_id = int(seller.profile()["account_id"])
    with backoffice.BackofficeClient(platform.settings) as office:
        shown = office.account(account_id)
        assert shown["profile"]["kyc_status"] == "APPROVED"
        try:
            assert office.halt(SYMBOL, "operator-1", "test")["engine"] == "APPLIED"
            with pytest.raises(ApiError) as refused:
                seller.place_order(SYMBOL, "SELL", "10", "26.50")
            assert (refused.value.status, refused.value.code) == (422, "instrument_halted")
        finally:
            assert office.resume(SYMBOL, "operator-1", "test over")["engine"] == "APPLIED"
    placed = seller.place_order(SYMBOL, "SELL", "10", "26.50")
    assert placed["status"] == "PENDING"
    actions = platform.rows(
        "core",
        "select action, subject, operator from admin.actions order by action_id desc limit 2",
    )
    assert [(row["action"], row["subject"]) for row in actions] == [
        ("RESUME_INSTRUMENT", instruments().by_symbol[SYMBOL].symbol),
        ("HALT_INSTRUMENT", instruments().by_symbol[SYMBOL].symbol),
    ]
