"""Why the engine refused: numbered families, checked in the order in which they stand here.

The first check that fails names the refusal, so a command with several faults always gives the
same code. The API's stable `code` of a problem answer is the lower-case name.
"""

from enum import IntEnum


class RejectCode(IntEnum):
    """A refusal. Families: 1xx identity, 2xx form, 3xx state, 4xx price and size, 5xx risk."""

    DUPLICATE_ID = 101  # before anything else: the first command stands
    UNKNOWN_KIND = 201
    MALFORMED = 202  # a word outside its declared range
    UNKNOWN_ACCOUNT = 301
    UNKNOWN_INSTRUMENT = 302
    UNKNOWN_ORDER = 303
    NOT_OWNER = 304
    ACCOUNT_HALTED = 305
    ACCOUNT_REDUCING = 306
    INSTRUMENT_HALTED = 307
    CURRENCY_MISMATCH = 308
    UNKNOWN_HOLD = 309
    PRICE_OUT_OF_BAND = 401
    QUANTITY_TOO_LARGE = 402
    VALUE_OVERFLOW = 403  # price x quantity would pass 2^62 minor units
    NO_REFERENCE_PRICE = 404
    ORDER_SIZE_LIMIT = 501
    ORDER_VALUE_LIMIT = 502
    POSITION_LIMIT = 503
    OPEN_ORDER_LIMIT = 504
    INSUFFICIENT_FUNDS = 505
    INSUFFICIENT_POSITION = 506  # no short selling
    CAPACITY = 601  # a table of configured size is full
    ENGINE_BUSY = 602  # answered by the gateway, never journaled


class CancelReason(IntEnum):
    """Why an order left the book without trading."""

    REQUESTED = 1
    IOC_REMAINDER = 2
    MASS_CANCEL = 3
    NO_LIQUIDITY = 4  # a market order found nothing within the collar
    TOO_MANY_TRADES = 5  # one command's work is bounded; the order may be sent again
