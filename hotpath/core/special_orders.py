"""The long way of an order: judged by all rules, with a cold row, and its new terms."""

from typing import Final, final

from librt.vecs import vec
from mypy_extensions import i64

from hotpath.core import (
    book,
    followers,
    form,
    leaving,
    promises,
    risk,
    session_changes,
    throttles,
    validity,
)
from hotpath.core.codes import (
    ACCEPTED,
    CAPACITY,
    MALFORMED,
    NOT_OWNER,
    UNKNOWN_ACCOUNT,
    UNKNOWN_INSTRUMENT,
    UNKNOWN_ORDER,
)
from hotpath.core.drafts import fill_draft
from hotpath.core.entering import Entering
from hotpath.core.layout import (
    COLD_ROW_SHIFT,
    I_FOLLOWER_COUNT,
    I_SESSION,
    IN_BOOK,
    IS_INCOMING,
    O_LEAVES,
    O_OWNER,
    O_PRICE,
    ORDER_SHIFT,
    P_ACCOUNT,
    P_INSTRUMENT,
    POSITION_MASK,
    SIDE_MASK,
    X_FLAGS,
    X_LIMIT,
    X_LINK,
    X_ORDER,
    X_PARTNER,
    X_PLACE,
    X_SESSION,
    X_TYPE,
)
from hotpath.core.orders import DRAFT
from hotpath.core.risk import Draft
from hotpath.core.state import State
from hotpath.core.stepping import shrink
from hotpath.core.words import zeros
from shared.domain.ids import MAX_ACCOUNT_ID
from shared.domain.records import (
    C_ACCOUNT,
    C_HEADER,
    C_ID,
    C_LINKED_ID,
    C_MODES,
    C_PRICE,
    C_QUANTITY,
    C_STOP_PRICE_TICKS,
    EXTENDED_COMMAND_WORDS,
    FIRST_EXTENDED_KIND,
    FOK,
    GTC,
    IOC,
    LIMIT,
    ORDER_POST_ONLY,
    ORDER_REPLACED,
    PEGGED,
    SESSION_CONTINUOUS,
)

_RESTING: Final = 1 << 32  # the flags of records.py where an event's header has them
_PRIORITY_KEPT: Final = 3 << 32


@final
class SpecialOrders:
    """The fields hold the order in hand: each is set before it is read."""

    def __init__(self, state: State, entering: Entering) -> None:
        self.state: Final = state
        self.entering: Final = entering
        self.draft = Draft()
        self.words: vec[i64] = zeros(EXTENDED_COMMAND_WORDS)
        self.order_id: i64 = 0
        self.account_id: i64 = 0
        self.account: i64 = 0  # offset
        self.instrument: i64 = 0  # offset
        self.position: i64 = 0  # offset
        self.side: i64 = 0
        self.event: i64 = 0  # side and instrument, as an event's header has them
        self.order: i64 = 0  # offset of the open order that a command names

    def place(self, c: vec[i64], at: i64) -> bool:
        words = self.words
        count: i64 = EXTENDED_COMMAND_WORDS
        if c[at + C_HEADER] & 0xFF < FIRST_EXTENDED_KIND:
            count = 8
        index: i64 = 0
        while index < EXTENDED_COMMAND_WORDS:
            words[index] = c[at + index] if index < count else 0
            index += 1
        code: i64 = self._judge(words)
        if code != ACCEPTED:
            self.state.refuse(c, at, code, 0)
            return False
        self._accept()
        return True

    def _judge(self, c: vec[i64]) -> i64:
        """Return the code that refuses a new order of 16 words, or ACCEPTED with its draft made."""
        state = self.state
        header: i64 = c[C_HEADER]
        if header < 0 or not form.is_well_formed(c, state.time_ns):
            return MALFORMED
        order_type: i64 = header >> 16 & 0xFF
        time: i64 = header >> 24 & 0xFF
        flags: i64 = header >> 32 & 0xFFFF
        mode: i64 = c[C_MODES] >> 8 & 0xFF
        code: i64 = validity.never_valid(order_type, time, mode, flags)
        if code == ACCEPTED:
            code = self.find_position(c, 0)
        if code != ACCEPTED:
            return code
        if self.order_id >> 32 != self.account_id:
            return NOT_OWNER  # an id names its account: nobody takes another's
        self.side = header >> 8 & 0xFF
        fill_draft(state, c, self.account, self.instrument, self.side)
        draft = self.draft
        session: i64 = state.instruments.words[self.instrument + I_SESSION]
        self._draft_order(DRAFT, c[C_QUANTITY])
        draft.replaces = False
        draft.open_lots = 0
        draft.open_reserved = 0
        draft.stays = time != IOC and time != FOK
        draft.prices[0] = c[C_PRICE]
        draft.prices[1] = c[C_STOP_PRICE_TICKS]
        draft.not_now = validity.not_now(order_type, time, flags, session)
        draft.wrong_link = self._link_is_wrong(c)
        draft.cannot_be_replaced = False
        draft.would_trade = self._would_take(draft.limit, flags)
        code = risk.check(state, draft)
        return self._check_room(code, order_type)

    def _draft_order(self, row: i64, lots: i64) -> None:
        draft = self.draft
        draft.row = row
        draft.account = self.account
        draft.instrument = self.instrument
        draft.position = self.position
        draft.side = self.side
        draft.lots = lots
        draft.limit = self.state.orders.cold[row + X_LIMIT]

    def _link_is_wrong(self, c: vec[i64]) -> bool:
        """Say whether a link does not name an open order of the position that has none yet."""
        if c[C_MODES] >> 16 & 0xFF == 0:
            return False
        state = self.state
        other: i64 = state.open_order(c[C_LINKED_ID])
        if other == 0 or state.orders.words[other + O_OWNER] & POSITION_MASK != self.position:
            return True
        row: i64 = state.orders.cold_of(other)
        return row != 0 and state.orders.cold[row + X_PARTNER] != 0

    def _would_take(self, limit: i64, flags: i64) -> bool:
        """Say whether a post-only order would trade."""
        if flags & ORDER_POST_ONLY == 0 or limit == 0:
            return False
        instruments = self.state.instruments.words
        if instruments[self.instrument + I_SESSION] != SESSION_CONTINUOUS:
            return False
        return book.counterparty(self.state, self.instrument, self.side, limit) != 0

    def _check_room(self, code: i64, order_type: i64) -> i64:
        """Return CAPACITY for a sound order that does not fit in the tables."""
        state = self.state
        if code != ACCEPTED:
            return code
        if followers.follows(order_type):
            count: i64 = state.instruments.words[self.instrument + I_FOLLOWER_COUNT]
            if count >= state.max_followers:
                return CAPACITY
        if self.draft.stays and not state.orders.has_room():
            return CAPACITY
        return CAPACITY if state.ids.is_full() else ACCEPTED

    def _accept(self) -> None:
        """Open the order of the draft and let it do what it can do now."""
        state = self.state
        state.work_due = True
        orders = state.orders
        c = self.words
        lots: i64 = self.draft.lots
        order: i64 = orders.add(self.order_id, self.draft.limit, lots, self.position, self.side)
        row: i64 = orders.add_cold(order)
        word: i64 = X_ORDER + 1
        while word < 1 << COLD_ROW_SHIFT:
            orders.cold[row + word] = orders.cold[DRAFT + word]
            word += 1
        state.ids.insert(self.order_id, state.sequence, order >> ORDER_SHIFT)
        if state.risk:
            promises.count_lots(state, order, lots)
            promises.reserve_anew(state, order)
        throttles.count(state, self.account, orders.cold[row + X_SESSION])
        followers.note(state, order)
        if orders.cold[row + X_LINK] != 0:
            leaving.link(state, order, state.open_order(c[C_LINKED_ID]))
        self.entering.accept(order, c[C_PRICE])

    # --- replace ---------------------------------------------------------------------------------

    def replace(self, c: vec[i64], at: i64, order: i64) -> bool:
        """Give an open order new terms; return whether they were accepted."""
        state = self.state
        owner: i64 = state.orders.words[order + O_OWNER]
        self.order = order
        self.order_id = c[at + C_ID]
        self.account_id = c[at + C_ACCOUNT]
        self.position = owner & POSITION_MASK
        self.account = state.positions.words[self.position + P_ACCOUNT]
        self.instrument = state.positions.words[self.position + P_INSTRUMENT]
        self.side = owner & SIDE_MASK
        self.event = self.side << 8 | c[at + C_HEADER] >> 48 << 48
        code: i64 = self._judge_terms(c[at + C_PRICE], c[at + C_QUANTITY])
        if code != ACCEPTED:
            state.refuse(c, at, code, 0)
            return False
        self._give_terms(order, c[at + C_PRICE], c[at + C_QUANTITY])
        return True

    def _judge_terms(self, price: i64, lots: i64) -> i64:
        """Return the code that refuses new terms for the open order in hand, or ACCEPTED."""
        state = self.state
        orders = state.orders
        order: i64 = self.order
        row: i64 = orders.cold_of(order)
        reserved: i64 = promises.reserved_by(state, order)
        if row == 0:
            row = leaving.make_cold(state, order)
        draft = self.draft
        self._draft_order(row, lots)
        draft.limit = price
        draft.replaces = True
        draft.open_lots = orders.words[order + O_LEAVES]
        draft.open_reserved = reserved
        draft.stays = False
        draft.prices[0] = price
        draft.prices[1] = 0
        session: i64 = state.instruments.words[self.instrument + I_SESSION]
        draft.not_now = validity.not_now(LIMIT, GTC, 0, session)
        draft.wrong_link = False
        in_book: bool = orders.cold[row + X_PLACE] == IN_BOOK
        draft.cannot_be_replaced = not in_book or orders.cold[row + X_TYPE] == PEGGED
        draft.would_trade = not self._keeps(row, price, lots) and self._would_take(
            price, orders.cold[row + X_FLAGS]
        )
        return risk.check(state, draft)

    def _keeps(self, row: i64, price: i64, lots: i64) -> bool:
        orders = self.state.orders
        return price == orders.cold[row + X_LIMIT] and lots <= orders.words[self.order + O_LEAVES]

    def _give_terms(self, order: i64, price: i64, lots: i64) -> None:
        state = self.state
        state.work_due = True
        orders = state.orders
        row: i64 = orders.cold_of(order)
        throttles.count(state, self.account, orders.cold[row + X_SESSION])
        old_price: i64 = orders.words[order + O_PRICE]
        if self._keeps(row, price, lots):
            total: i64 = shrink(state, order, lots)
            self._emit(ORDER_REPLACED | _PRIORITY_KEPT, old_price, lots, total, old_price, total)
            return
        book.leave(state, order)
        more: i64 = lots - orders.words[order + O_LEAVES]
        orders.cold[row + X_LIMIT] = price
        orders.cold[row + X_PLACE] = IS_INCOMING
        orders.words[order + O_LEAVES] = lots
        if state.risk:
            promises.count_lots(state, order, more)
            promises.reserve_anew(state, order)
        in_call: bool = session_changes.is_call(
            state.instruments.words[self.instrument + I_SESSION]
        )
        meets: bool = book.counterparty(state, self.instrument, self.side, price) != 0
        if not in_call and meets:
            old_total: i64 = book.lots_at(state, self.instrument, self.side, old_price)
            self._emit(ORDER_REPLACED, price, lots, old_total, old_price, 0)
            self.entering.aggress(order)
            return
        total = self.entering.rest(order, price)
        old_total = book.lots_at(state, self.instrument, self.side, old_price)
        rests_at: i64 = orders.words[order + O_PRICE]
        self._emit(ORDER_REPLACED | _RESTING, rests_at, lots, old_total, old_price, total)

    # --- finding ---------------------------------------------------------------------------------

    def find_position(self, c: vec[i64], at: i64) -> i64:
        """Take account and instrument in hand; return ACCEPTED or the code that refuses them."""
        account_id: i64 = c[at + C_ACCOUNT]
        if not 0 < account_id <= MAX_ACCOUNT_ID:
            return MALFORMED
        state = self.state
        account: i64 = state.accounts.find(account_id)
        if account == 0:
            return UNKNOWN_ACCOUNT
        instrument: i64 = state.instruments.find(c[at + C_HEADER] >> 48)
        if instrument == 0:
            return UNKNOWN_INSTRUMENT
        self.order_id = c[at + C_ID]
        self.account_id = account_id
        self.account = account
        self.instrument = instrument
        self.position = state.positions.find(account, instrument)
        return ACCEPTED

    def why_not_open(self, c: vec[i64], at: i64) -> i64:
        """Return the code for a command whose account has no such open order in its instrument."""
        if c[at + C_ID] <= 0 or c[at + C_HEADER] < 0:
            return MALFORMED
        code: i64 = self.find_position(c, at)
        if code != ACCEPTED:
            return code
        is_open: bool = self.state.open_order(self.order_id) != 0
        is_own: bool = self.order_id >> 32 == self.account_id
        return NOT_OWNER if is_open and not is_own else UNKNOWN_ORDER

    def _emit(
        self, kind: i64, price: i64, lots: i64, leaves: i64, contra: i64, level_lots: i64
    ) -> None:
        self.state.events.emit(
            kind | self.event,
            self.order_id,
            self.account_id,
            price,
            lots,
            leaves,
            contra,
            level_lots,
        )
