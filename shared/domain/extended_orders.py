"""Orders that need more than eight words, and what is done to many orders at once."""

from dataclasses import dataclass

from shared.domain import records as r


@dataclass(frozen=True, slots=True)
class PlaceExtendedOrder:
    """An order with any of the terms of `records.py`; 0 stands for a term that it lacks."""

    account_id: int
    order_id: int
    instrument_id: int
    side: int
    order_type: int
    time_in_force: int
    quantity_lots: int
    price_ticks: int = 0
    flags: int = 0
    display_lots: int = 0
    minimum_lots: int = 0
    stop_price_ticks: int = 0
    offset_ticks: int = 0
    expiry_ns: int = 0
    linked_id: int = 0
    locate_lots: int = 0
    peg: int = 0
    self_trade: int = 0
    link: int = 0
    session: int = 0

    def words(self) -> list[int]:
        header = r.pack_command_header(
            r.PLACE_ORDER_EXTENDED,
            self.side,
            self.order_type,
            self.time_in_force,
            self.flags,
            self.instrument_id,
        )
        return [
            header,
            self.account_id,
            self.order_id,
            self.price_ticks,
            self.quantity_lots,
            0,
            0,
            0,
            self.display_lots,
            self.minimum_lots,
            self.stop_price_ticks,
            self.offset_ticks,
            self.expiry_ns,
            self.linked_id,
            r.pack_modes(self.peg, self.self_trade, self.link, self.session),
            self.locate_lots,
        ]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Cancel what a session wanted cancelled when it ends; the gateway sends it."""

    session: int

    def words(self) -> list[int]:
        return [r.pack_command_header(r.DISCONNECT), 0, self.session, 0, 0, 0, 0, 0]
