"""What the engine answers, read from the words of `records.py` into one value."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain import records as r
from shared.domain.reject_codes import CancelReason, ExpiryReason, RejectCode


@dataclass(frozen=True, slots=True)
class EngineEvent:
    """One event of one command: `sequence` and `index` say where the journal holds it.

    The fields keep the record's names; properties give the meaning that depends on the kind.
    """

    sequence: int
    index: int
    time_ns: int
    kind: int
    side: int
    code: int
    flags: int
    instrument_id: int
    words: tuple[int, ...]

    @property
    def order_id(self) -> int:
        return self.words[r.E_ID]

    @property
    def account_id(self) -> int:
        return self.words[r.E_ACCOUNT] & 0xFFFF_FFFF

    @property
    def contra_account_id(self) -> int:
        return self.words[r.E_ACCOUNT] >> 32

    @property
    def contra_order_id(self) -> int:
        return self.words[r.E_CONTRA_ID]

    @property
    def price_ticks(self) -> int:
        return self.words[r.E_PRICE]

    @property
    def quantity_lots(self) -> int:
        return self.words[r.E_QUANTITY]

    @property
    def leaves_lots(self) -> int:
        """Open lots of the order; of the aggressor in a trade, of the new order after a replace."""
        if self.kind == r.TRADE_EXECUTED:
            return self.words[r.E_LEAVES] & 0xFFFF_FFFF
        if self.kind == r.ORDER_REPLACED:
            return self.words[r.E_QUANTITY]
        return self.words[r.E_LEAVES]

    @property
    def contra_leaves_lots(self) -> int:
        return self.words[r.E_LEAVES] >> 32

    @property
    def is_resting(self) -> bool:
        return self.flags & r.FLAG_RESTING != 0

    @property
    def reject_code(self) -> RejectCode:
        return RejectCode(self.code)

    @property
    def cancel_reason(self) -> CancelReason:
        return CancelReason(self.code)

    @property
    def expiry_reason(self) -> ExpiryReason:
        return ExpiryReason(self.code)


def decode_event(words: Sequence[int], sequence: int, index: int, time_ns: int) -> EngineEvent:
    """Return the event whose EVENT_WORDS words are given, found at (sequence, index)."""
    header = words[r.E_HEADER]
    return EngineEvent(
        sequence=sequence,
        index=index,
        time_ns=time_ns,
        kind=header & 0xFF,
        side=header >> 8 & 0xFF,
        code=header >> 16 & 0xFFFF,
        flags=header >> 32 & 0xFFFF,
        instrument_id=header >> 48 & 0x7FFF,
        words=tuple(words),
    )
