"""The markets and who listens to them: applies updates, serves snapshots, fans changes out."""

from collections.abc import Iterable, Sequence
from typing import Final

from hotpath.feed import messages as m
from hotpath.feed import render
from hotpath.feed.client import Client, Subscription, frame
from hotpath.feed.market import Change, Market
from shared.domain.instruments import Instrument
from shared.reference import Instruments
from shared.wire.stream_events import MarketDataUpdate

MAX_SUBSCRIPTIONS: Final = 300  # pairs of channel and symbol, per client
MAX_FAULTS: Final = 5
MAX_MESSAGES_PER_S: Final = 50


class Hub:
    """All state of the gateway but its sockets; used by the event loop's thread alone."""

    def __init__(self, instruments: Instruments) -> None:
        self._instruments = instruments
        self.markets: dict[int, tuple[Instrument, Market]] = {
            item.instrument_id: (item, Market(item.instrument_id)) for item in instruments
        }
        self.clients: set[Client] = set()
        self._subscribers: dict[Subscription, set[Client]] = {}

    @property
    def sequence(self) -> int:
        """Return the newest journal sequence that is applied."""
        return max(market.sequence for _, market in self.markets.values())

    def reset(self) -> None:
        """Begin with empty markets, when the stream turns out to be another one."""
        for number, (instrument, _) in self.markets.items():
            self.markets[number] = (instrument, Market(number))

    def add(self, client: Client) -> None:
        self.clients.add(client)

    def remove(self, client: Client) -> None:
        self.clients.discard(client)
        for subscription in list(client.subscriptions):
            self._end(client, subscription)

    def apply(self, updates: Iterable[MarketDataUpdate]) -> None:
        """Apply updates in order and tell subscribers of each."""
        for update in updates:
            found = self.markets.get(update.instrument_id)
            if found is None:
                continue  # an instrument that this build does not know yet
            change = found[1].apply(update)
            if change is not None:
                self._publish(*found, change)

    def handle(self, client: Client, text: str | bytes, now_s: float) -> int | None:
        """Follow a client's message; return a close code when it has tried too much."""
        if client.count_message(now_s) > MAX_MESSAGES_PER_S:
            return m.CLOSE_TOO_MANY_MESSAGES
        try:
            message = m.decode(text)
        except m.BadMessage as error:
            return self._fault(client, "bad_message", str(error))
        if isinstance(message, m.Ping):
            client.write(frame(m.Pong(time_ns=self._newest_time_ns())))
            return None
        unknown = [name for name in message.symbols if name not in self._instruments.by_symbol]
        if unknown:
            return self._fault(client, "unknown_symbol", "There is no such symbol.")
        if not message.channels or not message.symbols:
            return self._fault(client, "bad_message", "Name at least one channel and one symbol.")
        wanted = self._pairs(message.channels, message.symbols)
        if isinstance(message, m.Unsubscribe):
            for subscription in wanted:
                self._end(client, subscription)
            self._confirm(client)
            return None
        return self._subscribe(client, wanted)

    def tick(self, now_s: float) -> list[Client]:
        """Let slow clients catch up; return those that are lost."""
        behind = [client for client in self.clients if client.is_behind]
        for client in behind:
            client.catch_up(self.markets)
        return [client for client in behind if client.is_lost(now_s)]

    def _pairs(self, channels: Sequence[m.Channel], symbols: Sequence[str]) -> list[Subscription]:
        ids = [self._instruments.by_symbol[symbol].instrument_id for symbol in symbols]
        return list(dict.fromkeys((channel, number) for number in ids for channel in channels))

    def _subscribe(self, client: Client, wanted: Sequence[Subscription]) -> int | None:
        new = [subscription for subscription in wanted if subscription not in client.subscriptions]
        if len(client.subscriptions) + len(new) > MAX_SUBSCRIPTIONS:
            detail = f"At most {MAX_SUBSCRIPTIONS} pairs of channel and symbol."
            return self._fault(client, "too_many_subscriptions", detail)
        for subscription in new:
            client.subscriptions.add(subscription)
            self._subscribers.setdefault(subscription, set()).add(client)
        self._confirm(client)
        for subscription in wanted:  # asked again: a fresh snapshot, from which to go on
            client.forget(subscription)
            client.write(frame(self._snapshot(subscription)))
        return None

    def _end(self, client: Client, subscription: Subscription) -> None:
        client.subscriptions.discard(subscription)
        client.forget(subscription)
        listening = self._subscribers.get(subscription)
        if listening is not None:
            listening.discard(client)

    def _confirm(self, client: Client) -> None:
        pairs = sorted(
            (channel, self.markets[number][0].symbol) for channel, number in client.subscriptions
        )
        client.write(
            frame(m.Subscribed(subscriptions=[(channel, name) for channel, name in pairs]))
        )

    def _fault(self, client: Client, code: str, detail: str) -> int | None:
        client.faults += 1
        client.write(frame(m.ErrorMessage(code=code, detail=detail)))
        return m.CLOSE_TOO_MANY_ERRORS if client.faults >= MAX_FAULTS else None

    def _snapshot(self, subscription: Subscription) -> m.ServerMessage:
        channel, number = subscription
        instrument, market = self.markets[number]
        if channel == "book":
            return render.book_snapshot(instrument, market)
        if channel == "trades":
            return render.trades_snapshot(instrument, market)
        return render.ticker(instrument, market, prev=0)

    def _publish(self, instrument: Instrument, market: Market, change: Change) -> None:
        """Tell each channel that has news; a message is made only where someone listens."""
        number = instrument.instrument_id
        if change.book_prev is not None and self._subscribers.get(("book", number)):
            framed = frame(render.book_update(instrument, market, change))
            for client in self._at_once(("book", number), framed):
                client.hold_book(change)
        if change.trades_prev is not None and self._subscribers.get(("trades", number)):
            framed = frame(render.trades_update(instrument, change))
            for client in self._at_once(("trades", number), framed):
                client.hold_trades(change, framed)
        if change.ticker_prev is not None and self._subscribers.get(("ticker", number)):
            framed = frame(render.ticker(instrument, market, change.ticker_prev))
            for client in self._at_once(("ticker", number), framed):
                client.hold_ticker(change)

    def _at_once(self, subscription: Subscription, framed: bytes) -> list[Client]:
        """Write to all who listen and keep up; return those who are behind."""
        behind: list[Client] = []
        for client in self._subscribers[subscription]:
            if client.is_behind:
                behind.append(client)
            else:
                client.write(framed)
        return behind

    def _newest_time_ns(self) -> int:
        return max(market.time_ns for _, market in self.markets.values())
