"""The naive engine: a command's words in, its events out."""

from collections.abc import Callable, Sequence
from functools import partial

from shared.domain import ids
from shared.domain import records as r
from shared.domain.reject_codes import RejectCode as Code
from tests.reference import admin, amend, book, money, orders, risk, work
from tests.reference.command import Command
from tests.reference.model import Event, Market, Refused, Settings, refuse_if

Handler = Callable[[Market, Command], None]

PLACING = (r.PLACE_ORDER, r.PLACE_ORDER_EXTENDED)
IN_BATCH: dict[int, Handler] = {
    r.PLACE_ORDER: orders.place,
    r.PLACE_ORDER_EXTENDED: orders.place,
    r.CANCEL_ORDER: orders.cancel,
    r.REPLACE_ORDER: orders.replace_order,
}
WITHOUT_ID: dict[int, Handler] = {
    r.MASS_CANCEL: orders.mass_cancel,
    r.DISCONNECT: orders.disconnect,
    r.PUBLISH_INDICATIVE: admin.publish_indicative,
    r.CONTINUE: lambda market, command: None,
}
WITH_ID: dict[int, Handler] = {**money.KINDS, **admin.KINDS, **amend.KINDS}
HANDLERS: dict[int, Handler] = {**IN_BATCH, **WITHOUT_ID, **WITH_ID}


class NaiveEngine:
    """Applies commands one after the other; keyword settings as in `Settings`."""

    def __init__(self, **settings: int) -> None:
        self.market = Market(Settings(**settings))

    def apply_words(self, words: Sequence[int]) -> list[Event]:
        """Apply one command, a batch with the commands that follow it; return its events."""
        market, command = self.market, Command(tuple(words))
        market.events = []
        stamp, time_ns = command[r.C_SEQUENCE], command[r.C_TIME_NS]
        stamped = 0 < stamp <= ids.MAX_SEQUENCE and time_ns >= 0
        if stamped:
            market.sequence, market.time_ns = stamp, time_ns
        if stamped and stamp <= market.numbers_used:
            self._pass_number(command)
            return market.events
        if command.kind == r.BATCH:
            self._answer(command, lambda: self._batch(command, stamped))
        else:
            self._answer(command, lambda: self._dispatch(command, stamped))
        work.go_on(market)
        if len(market.events) > market.settings.events_of_number:
            self._use_numbers()
        return market.events

    def _use_numbers(self) -> None:
        """A trade's id has room for so many events; the next take the numbers that follow."""
        market = self.market
        if not market.work_remains:
            market.emit(r.WORK_REMAINS, 0, 0, [])
        more = (len(market.events) - 1) // market.settings.events_of_number
        market.numbers_used = market.sequence + more

    def _pass_number(self, command: Command) -> None:
        """The number belongs to trades of an earlier command: this one does nothing."""
        market = self.market
        if command.kind != r.CONTINUE:
            self._answer(command, lambda: refuse_if(True, Code.ENGINE_BUSY))
        if market.work_remains or market.sequence < market.numbers_used:
            market.emit(r.WORK_REMAINS, 0, 0, [])

    def displayed_levels(self, instrument: int, side: int) -> list[tuple[int, int]]:
        """Return (price, displayed lots) of each level that others see, best first."""
        levels: dict[int, int] = {}
        for order in book.side_of_book(self.market, instrument, side):
            if order.displayed():
                levels[order.price] = levels.get(order.price, 0) + order.displayed()
        return list(levels.items())

    def money(self, account: int) -> tuple[int, int, int]:
        """Return an account's total, reserved and available cash."""
        found = self.market.accounts[account]
        reserved = risk.reserved(self.market, account)
        return found.total, reserved, risk.available(self.market, found)

    def lots(self, account: int, instrument: int) -> int:
        """Return an account's position."""
        return self.market.accounts[account].position(instrument).total

    def _answer(self, command: Command, act: Callable[[], None]) -> bool:
        """Act; if that is refused, say so. Return whether it was accepted."""
        try:
            act()
        except Refused as refusal:
            words = [command.price, command.lots, 0, refusal.first_sequence]
            number, account = command.instrument_id, command.account_id
            code, side = refusal.code, command.side
            self.market.emit(
                r.REJECTED, command.id, account, words, side=side, code=code, instrument=number
            )
            return False
        return True

    def _dispatch(self, command: Command, stamped: bool) -> None:
        market = self.market
        has_id = command.kind in PLACING or command.kind in WITH_ID
        if has_id and command.id in market.ids:
            raise Refused(Code.DUPLICATE_ID, market.ids[command.id][0])
        self._refuse_added_again(command)
        refuse_if(command.kind not in HANDLERS, Code.UNKNOWN_KIND)
        refuse_if(not stamped or command.words[0] < 0, Code.MALFORMED)
        if command.kind in WITH_ID:
            administrative = command.id > 0 and ids.is_administrative(command.id)
            refuse_if(not administrative, Code.MALFORMED)
        HANDLERS[command.kind](market, command)

    def _refuse_added_again(self, command: Command) -> None:
        """An account or instrument is added once, whatever the id."""
        known: dict[int, dict] = {
            r.ADD_ACCOUNT: self.market.accounts,
            r.ADD_INSTRUMENT: self.market.instruments,
        }
        number = command.account_id if command.kind == r.ADD_ACCOUNT else command.instrument_id
        found = known.get(command.kind, {}).get(number)
        if found and command.words[0] >= 0:
            raise Refused(Code.DUPLICATE_ID, found.added_by)

    def _batch(self, command: Command, stamped: bool) -> None:
        """Apply a member's commands as one: nothing comes between them, each is judged alone."""
        sound = stamped and command.words[0] >= 0 and 1 <= command.lots <= r.MAX_BATCH
        refuse_if(not sound, Code.MALFORMED)
        inner = _split(command)
        refuse_if(len(inner) != command.lots, Code.MALFORMED)
        accepted = 0
        for one in inner:
            accepted += self._answer(one, partial(self._inner, one, command))
        words = [0, accepted, len(inner) - accepted]
        self.market.emit(r.BATCH_DONE, command.id, command.account_id, words)

    def _inner(self, command: Command, batch: Command) -> None:
        refuse_if(command.kind not in IN_BATCH, Code.UNKNOWN_KIND)
        refuse_if(command.account_id != batch.account_id, Code.NOT_OWNER)
        self._dispatch(command, stamped=True)


def _split(batch: Command) -> list[Command]:
    """Return the commands that follow a batch's own 8 words; empty if their lengths do not fit."""
    words, found = batch.words[r.COMMAND_WORDS :], []
    while words:
        length = r.command_words(words[0] & 0xFF)
        if len(words) < length:
            return []
        found.append(Command(words[:length]))
        words = words[length:]
    return found
