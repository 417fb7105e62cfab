"""What is published or delivered a second time changes no balance, position, trade or order."""

from collections.abc import Iterator
from typing import Any

import pytest

from hotpath.runtime.publisher.resume import POSITION_FILE
from infra.demo.evidence import Evidence
from infra.local import packaging
from infra.local.consumers.routes import read_routes
from shared.ports.event_stream import TopicPartition
from shared.streams import open_stream
from shared.wire.stream_events import PARTITIONS, TRADE_EXECUTIONS
from tests.support.e2e_census import take_census
from tests.support.e2e_load import BUYER, PRICE, QUANTITY, SELLER
from tests.support.e2e_platform import SYMBOL, Platform

pytestmark = pytest.mark.slow


@pytest.fixture
def traded(platform: Platform) -> Iterator[Platform]:
    """A platform on which at least a few trades were made, healthy again afterwards."""
    with platform.client(BUYER) as buyer, platform.client(SELLER) as seller:
        for _ in range(3):
            buyer.place_order(SYMBOL, "BUY", QUANTITY, PRICE)
            seller.place_order(SYMBOL, "SELL", QUANTITY, PRICE)
    platform.settle_down()
    yield platform
    platform.heal()


def everything(platform: Platform) -> dict[str, Any]:
    """Return what money, shares, trades and orders the stores hold."""
    evidence = Evidence(platform.settings)
    census = take_census(platform)
    assert census.differences() == []
    return {
        "trades": census.trades,
        "orders": census.orders,
        "engine": evidence.engine_holdings(),
        "ledger": evidence.ledger_holdings(),
        "risk": evidence.risk_positions(),
        "candles": platform.rows("market", "select * from market.candles_1m order by 1, 2"),
        "states": platform.rows(
            "core",
            "select order_id, status, filled_lots, filled_value, leaves_lots "
            "from orders.orders order by 1",
        ),
        "rows": platform.row_counts(),
    }


def test_a_publisher_that_lost_its_position_publishes_no_trade_twice(traded: Platform) -> None:
    before = everything(traded)
    ends = stream_ends(traded)
    traded.stack.kill("publisher")
    (traded.settings.journal / POSITION_FILE).unlink(missing_ok=True)
    traded.stack.start("publisher")
    with traded.client(BUYER) as buyer, traded.client(SELLER) as seller:
        buyer.place_order(SYMBOL, "BUY", QUANTITY, PRICE)
        seller.place_order(SYMBOL, "SELL", QUANTITY, PRICE)
    traded.settle_down()
    after = everything(traded)
    new = set(after["trades"]["stream"]) - set(before["trades"]["stream"])
    assert set(before["trades"]["stream"]) < set(after["trades"]["stream"])
    assert new
    assert sum(stream_ends(traded)) == sum(ends) + len(new)


def stream_ends(platform: Platform) -> list[int]:
    stream = open_stream(platform.settings.stream_url)
    try:
        return [
            stream.end_offset(TopicPartition(TRADE_EXECUTIONS, number))
            for number in range(PARTITIONS[TRADE_EXECUTIONS])
        ]
    finally:
        stream.close()


def test_consumers_that_start_from_the_beginning_change_nothing(traded: Platform) -> None:
    before = everything(traded)
    traded.stack.stop("consumers")
    rewind_all(traded)
    traded.stack.start("consumers")
    traded.settle_down()
    assert everything(traded) == before


def rewind_all(platform: Platform) -> None:
    """Let every consumer group read its topics again from the earliest offset."""
    stream = open_stream(platform.settings.stream_url)
    try:
        for route in read_routes(packaging.read_template()):
            places = [TopicPartition(route.topic, n) for n in range(PARTITIONS[route.topic])]
            reader = stream.reader(route.group, places)
            try:
                reader.commit(dict.fromkeys(places, 0))
                assert all(reader.committed(place) == 0 for place in places)
            finally:
                reader.close()
    finally:
        stream.close()
