"""Whether an order's own words lie in their declared ranges."""

from mypy_extensions import i64

from shared.domain.records import (
    GTC,
    IOC,
    LIMIT,
    MARKET,
    MAX_PRICE_TICKS,
    MAX_QUANTITY_LOTS,
    SELL,
)


def is_well_formed_order(header: i64, price: i64, lots: i64) -> bool:
    """Return whether the words of a PLACE_ORDER are ones that an order can have."""
    order_type: i64 = header >> 16 & 0xFF
    time_in_force: i64 = header >> 24 & 0xFF
    if header >> 8 & 0xFF > SELL or header >> 32 & 0xFFFF != 0:
        return False
    if time_in_force != GTC and time_in_force != IOC:
        return False
    if order_type == LIMIT:
        return 0 < price <= MAX_PRICE_TICKS and 0 < lots <= MAX_QUANTITY_LOTS
    return order_type == MARKET and price == 0 and 0 < lots <= MAX_QUANTITY_LOTS
