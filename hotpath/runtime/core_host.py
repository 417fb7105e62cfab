"""The core inside the engine process: commands in, events and answers to queries out."""

from collections.abc import Sequence

from hotpath.core.api import Engine
from hotpath.runtime.batch import BatchApplier
from hotpath.runtime.sequencer import Applied
from shared.wire import frames, views


class CoreHost:
    """Adapts the core to the sequencer and to the gateway's queries."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._applier = BatchApplier(engine)

    def apply(self, commands: Sequence[bytes], first_sequence: int, time_ns: int) -> Applied:
        """Apply the commands of whole COMMAND frames, and go on with what is left over."""
        applier = self._applier
        applier.apply(list(commands), frames.COMMAND_PREFIX_BYTES, first_sequence, time_ns)
        return Applied(applier.taken, applier.commands, applier.event_counts, applier.events)

    @property
    def has_work_left(self) -> bool:
        """Whether a CONTINUE has to follow."""
        return self.engine.has_work_left

    def account(self, account_id: int) -> list[int] | None:
        found = self.engine.queries.account(account_id)
        if found is None:
            return None
        words = [account_id, *found]
        for row in self.engine.queries.positions(account_id):
            words += row
        return words

    def book(self, instrument_id: int, depth: int) -> list[int] | None:
        levels = self.engine.queries.book_levels(instrument_id, depth)
        instrument = self.engine.queries.instrument(instrument_id)
        if levels is None or instrument is None:
            return None
        bids, asks = levels
        words = [instrument_id, instrument[0], self.engine.sequence, len(bids)]
        for row in (*bids, *asks):
            words += row
        return words

    def open_orders(self, account_id: int) -> list[int]:
        return [word for row in self.engine.queries.open_orders(account_id) for word in row]

    def order(self, order_id: int) -> list[int] | None:
        first = self.engine.queries.first_sequence(order_id)
        if first == 0:
            return None
        row = self.engine.queries.order(order_id)
        rest = [1, *row[1:]] if row is not None else [0] * (views.ORDER_WORDS - views.O_OPEN)
        return [order_id, first, *rest]
