"""Reject codes and cancel reasons as plain integers: an enum member costs compiled code a lookup.

`shared/domain/reject_codes.py` is the definition; a unit test keeps these equal to it.
"""

from typing import Final

ACCEPTED: Final = 0  # no refusal

DUPLICATE_ID: Final = 101
UNKNOWN_KIND: Final = 201
MALFORMED: Final = 202
UNKNOWN_ACCOUNT: Final = 301
UNKNOWN_INSTRUMENT: Final = 302
UNKNOWN_ORDER: Final = 303
NOT_OWNER: Final = 304
ACCOUNT_HALTED: Final = 305
ACCOUNT_REDUCING: Final = 306
INSTRUMENT_HALTED: Final = 307
CURRENCY_MISMATCH: Final = 308
UNKNOWN_HOLD: Final = 309
PRICE_OUT_OF_BAND: Final = 401
QUANTITY_TOO_LARGE: Final = 402
VALUE_OVERFLOW: Final = 403
NO_REFERENCE_PRICE: Final = 404
ORDER_SIZE_LIMIT: Final = 501
ORDER_VALUE_LIMIT: Final = 502
POSITION_LIMIT: Final = 503
OPEN_ORDER_LIMIT: Final = 504
INSUFFICIENT_FUNDS: Final = 505
INSUFFICIENT_POSITION: Final = 506
CAPACITY: Final = 601

CANCEL_REQUESTED: Final = 1
CANCEL_IOC_REMAINDER: Final = 2
CANCEL_MASS: Final = 3
CANCEL_NO_LIQUIDITY: Final = 4
CANCEL_TOO_MANY_TRADES: Final = 5
