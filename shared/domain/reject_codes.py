"""Why the engine refuses, cancels and expires: numbered families.

Checks are made in the order of the numbers, so a command with several faults gives the lowest. The
API's stable `code` of a problem answer is the lower-case name. A code keeps its number for good;
401 was PRICE_OUT_OF_BAND in rules 1.
"""

from enum import IntEnum


class RejectCode(IntEnum):
    """A refusal. Families: 1xx identity, 2xx form, 3xx state, 4xx price and size, 5xx risk."""

    DUPLICATE_ID = 101
    UNKNOWN_KIND = 201
    MALFORMED = 202
    TIME_IN_FORCE_NOT_FOR_TYPE = 210
    FLAG_NOT_FOR_TYPE = 211
    HIDDEN_AND_ICEBERG = 212
    POST_ONLY_MUST_REST = 213
    MINIMUM_NEEDS_IOC = 214
    DISPLAY_MUST_REST = 215  # hidden or iceberg, and never to rest
    SELF_TRADE_MODE_WITHOUT_USE = 216  # at-open and at-close: auctions prevent no self-trade
    UNKNOWN_ACCOUNT = 301
    UNKNOWN_INSTRUMENT = 302
    UNKNOWN_ORDER = 303
    NOT_OWNER = 304
    ACCOUNT_HALTED = 305
    ACCOUNT_REDUCING = 306
    INSTRUMENT_HALTED = 307
    CURRENCY_MISMATCH = 308
    UNKNOWN_HOLD = 309
    KILL_SWITCH = 310
    INSTRUMENT_CLOSED = 311
    NOT_IN_SESSION = 312  # the market is open, but not for such an order
    INSTRUMENT_DELISTED = 313
    UNKNOWN_LINK = 314
    UNKNOWN_FEE_TIER = 315
    UNKNOWN_TICK_TABLE = 316
    SESSION_CANNOT_FOLLOW = 317
    UNCROSS_NEEDED = 318  # the book is crossed
    TRADE_DIFFERS = 319  # bust or correction: no such trade, or other terms than it has now
    ALREADY_BUSTED = 320
    UNKNOWN_CREDIT_MOVE = 321
    POSITIONS_OPEN = 322  # delisting
    REPLACE_NOT_POSSIBLE = 323  # only orders with a limit in the book can be replaced
    QUANTITY_TOO_LARGE = 402
    VALUE_OVERFLOW = 403
    NO_REFERENCE_PRICE = 404
    OFF_TICK = 405
    OFF_LOT = 406
    BELOW_MINIMUM_VALUE = 407
    PRICE_COLLAR = 408
    WOULD_TRADE = 409  # post-only
    ORDER_SIZE_LIMIT = 501
    ORDER_VALUE_LIMIT = 502
    POSITION_LIMIT = 503
    OPEN_ORDER_LIMIT = 504
    INSUFFICIENT_FUNDS = 505
    INSUFFICIENT_POSITION = 506
    SHORT_NOT_ALLOWED = 507  # a cash account
    LOCATE_TOO_SMALL = 508
    LEVERAGE_LIMIT = 509
    ACCOUNT_THROTTLED = 510
    SESSION_THROTTLED = 511
    CAPACITY = 601
    ENGINE_BUSY = 602


class CancelReason(IntEnum):
    """Why an order left without trading."""

    REQUESTED = 1
    IOC_REMAINDER = 2
    MASS_CANCEL = 3
    NO_LIQUIDITY = 4
    TOO_MANY_TRADES = 5
    FOK_NOT_FILLED = 6
    MINIMUM_NOT_MET = 7
    SELF_TRADE = 8
    LINKED = 9
    COLLAR = 10
    HALTED = 11
    DISCONNECT = 12
    KILL_SWITCH = 13
    DELISTED = 14


class ExpiryReason(IntEnum):
    """Why an order expired."""

    DAY_OVER = 1
    TIME_REACHED = 2
    AUCTION_OVER = 3


class PriceLimit(IntEnum):
    """Which bound on prices the market met."""

    DYNAMIC_COLLAR = 1
    LIMIT_UP = 2
    LIMIT_DOWN = 3
    CIRCUIT_BREAKER = 4
