"""One market of the feed: what is news in each channel, and what is none."""

from hotpath.feed import render
from hotpath.feed.market import Market
from shared.reference import instruments
from shared.wire.stream_events import Auction, LevelChange, MarketDataUpdate, MarketTrade

NOVA = instruments().by_symbol["NOVA"]


def update(sequence: int, *levels: tuple[str, int, int], **more: object) -> MarketDataUpdate:
    return MarketDataUpdate(
        shard=0,
        sequence=sequence,
        index=0,
        time_ns=sequence,
        instrument_id=NOVA.instrument_id,
        levels=[
            LevelChange(side=side, price_ticks=price, quantity_lots=lots)
            for side, price, lots in levels
        ],
        **more,  # type: ignore[arg-type]
    )


def test_a_total_that_stays_is_no_news_so_hidden_orders_stay_hidden() -> None:
    market = Market(NOVA.instrument_id)
    market.apply(update(1, ("BUY", 1000, 5)))
    silent = market.apply(update(2, ("BUY", 1000, 5), ("SELL", 1001, 0)))
    assert silent is not None
    assert (silent.book_prev, silent.ticker_prev, silent.trades_prev) == (None, None, None)
    told = market.apply(update(3, ("BUY", 1000, 6)))
    assert told is not None and told.book_prev == 1, "the chain leaves out what was not told"


def test_a_level_that_changes_twice_is_told_once() -> None:
    market = Market(NOVA.instrument_id)
    market.apply(update(1, ("SELL", 1000, 5)))
    trade = MarketTrade(trade_id="1", price_ticks=1000, quantity_lots=5, aggressor_side="BUY")
    same = market.apply(update(2, ("SELL", 1000, 0), ("SELL", 1000, 5), trades=[trade]))
    assert same is not None and same.levels == []
    assert same.trades_prev == 0
    fewer = market.apply(update(3, ("SELL", 1000, 0), ("SELL", 1000, 2)))
    assert fewer is not None
    assert [(level.price_ticks, level.quantity_lots) for level in fewer.levels] == [(1000, 2)]


def test_a_call_shows_its_indicative_outcome_until_it_ends() -> None:
    market = Market(NOVA.instrument_id)
    market.apply(update(1, state="PRE_OPEN"))
    outcome = Auction(price_ticks=1005, quantity_lots=40, surplus_lots=-3)
    told = market.apply(update(2, auction=outcome))
    assert told is not None and told.ticker_prev == 1
    ticker = render.ticker(NOVA, market, 1)
    assert (ticker.state, ticker.indicative_price) == ("PRE_OPEN", "10.05")
    assert (ticker.indicative_quantity, ticker.indicative_surplus) == ("40", "-3")
    market.apply(update(3, state="OPENING_UNCROSS"))
    assert market.auction == outcome
    final = Auction(price_ticks=1005, quantity_lots=40, surplus_lots=-3, is_final=True)
    market.apply(update(4, state="CONTINUOUS", auction=final))
    assert render.ticker(NOVA, market, 3).indicative_price is None


def test_without_a_price_an_indicative_outcome_says_so() -> None:
    market = Market(NOVA.instrument_id)
    nothing = Auction(price_ticks=0, quantity_lots=0, surplus_lots=0)
    market.apply(update(1, state="CLOSING_AUCTION", auction=nothing))
    ticker = render.ticker(NOVA, market, 0)
    assert (ticker.indicative_price, ticker.indicative_quantity) == (None, "0")
