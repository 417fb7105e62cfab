"""The record layouts of the hot path on one page: what a command and an event are, word by word.

A record is a row of signed 64-bit words, little-endian on the wire and in the journal. A command
has 8 words, or 16 when its kind is at or above FIRST_EXTENDED_KIND. An event always has 8.

Word 0 of both is packed from the lowest bit up:

    command   kind 8 | side 8 | order_type 8 | time_in_force 8 | flags 16 | instrument 15
    event     kind 8 | side 8 | code 16                        | flags 16 | instrument 15
"""

from typing import Final

COMMAND_WORDS: Final = 8
EXTENDED_COMMAND_WORDS: Final = 16
EVENT_WORDS: Final = 8
RULES_VERSION: Final = 1  # raised when the same command may now give other events

# --- command words -----------------------------------------------------------------------------
C_HEADER: Final = 0
C_ACCOUNT: Final = 1
C_ID: Final = 2  # order id, or administrative id
C_PRICE: Final = 3  # price_ticks
C_QUANTITY: Final = 4  # quantity_lots
C_TIME_NS: Final = 5  # stamped by the sequencer: nanoseconds since the epoch
C_SEQUENCE: Final = 6  # stamped by the sequencer: 1, 2, 3 …
C_REQUEST: Final = 7  # the sender's own number, opaque to the core; copied nowhere
# money commands reuse the order words
C_TARGET_ID: Final = 3  # withdrawal confirm and release: id of the hold
C_CASH_MINOR: Final = 3  # settlement: cash that settles, signed
C_AMOUNT_MINOR: Final = 4  # deposits and withdrawals: minor units of the account's currency
C_CURRENCY: Final = 3  # ADD_ACCOUNT: ISO 4217 numeric code
C_STATE: Final = 4  # SET_ACCOUNT_STATE, SET_INSTRUMENT_STATE

# ADD_INSTRUMENT (extended): C_PRICE is the reference price
C_TICK_VALUE_MINOR: Final = 4  # minor units that one tick on one lot is worth
C_MIN_PRICE_TICKS: Final = 8
C_MAX_PRICE_TICKS: Final = 9
C_MAX_ORDER_LOTS: Final = 10
C_INSTRUMENT_CURRENCY: Final = 11
C_COLLAR_BPS: Final = 12  # how far from the reference a market order may reach

# SET_LIMITS (extended): 0 means that nothing is allowed, NO_LIMIT that all is
C_LIMIT_ORDER_LOTS: Final = 8
C_LIMIT_ORDER_VALUE_MINOR: Final = 9
C_LIMIT_POSITION_LOTS: Final = 10  # absolute, with open orders counted in
C_LIMIT_OPEN_ORDERS: Final = 11

# --- command kinds -----------------------------------------------------------------------------
PLACE_ORDER: Final = 1
CANCEL_ORDER: Final = 2
REPLACE_ORDER: Final = 3  # C_ID names the order; C_PRICE and C_QUANTITY the new open order
MASS_CANCEL: Final = 4  # C_ACCOUNT's orders in the instrument, at most MASS_CANCEL_BATCH of them
DEPOSIT_CASH: Final = 16
HOLD_WITHDRAWAL: Final = 17
CONFIRM_WITHDRAWAL: Final = 18
RELEASE_WITHDRAWAL: Final = 19
DEPOSIT_SHARES: Final = 20
SETTLE: Final = 21  # C_CASH_MINOR and C_QUANTITY (signed) of one instrument become settled
SET_ACCOUNT_STATE: Final = 24
SET_INSTRUMENT_STATE: Final = 25
ADD_ACCOUNT: Final = 26
FIRST_EXTENDED_KIND: Final = 128
ADD_INSTRUMENT: Final = 128
SET_LIMITS: Final = 129

MASS_CANCEL_BATCH: Final = 1024

# --- event words -------------------------------------------------------------------------------
E_HEADER: Final = 0
E_ID: Final = 1  # order id (the aggressor's in a trade), or the administrative id
E_ACCOUNT: Final = 2  # account id; in a trade contra account << 32 | aggressor account
E_PRICE: Final = 3
E_QUANTITY: Final = 4
E_LEAVES: Final = 5  # open lots of the order; in a trade resting leaves << 32 | aggressor leaves
E_CONTRA_ID: Final = 6  # TRADE_EXECUTED: the resting order
E_LEVEL_LOTS: Final = 7  # total displayed at the touched price level after this event
# ORDER_REPLACED
E_OLD_LEVEL_LOTS: Final = 5  # total left at the old price level
E_OLD_PRICE: Final = 6
# CASH_CHANGED and POSITION_CHANGED (a SETTLE gives one of each)
E_DELTA: Final = 3
E_TOTAL: Final = 4  # cash_minor or lots, unsettled trades included
E_SETTLED: Final = 5  # of which settled
E_RESERVED: Final = 6  # reserved for open orders
E_HELD: Final = 7  # held for withdrawals
# LIMITS_CHANGED: four words, in the order of SET_LIMITS
E_LIMITS: Final = 3
# REJECTED: E_CONTRA_ID carries, for DUPLICATE_ID, the sequence of the first command
E_FIRST_SEQUENCE: Final = 6

# --- event kinds -------------------------------------------------------------------------------
ORDER_ACCEPTED: Final = 1  # flag RESTING: it went straight to the book and E_LEVEL_LOTS is set
REJECTED: Final = 2  # code is a RejectCode; the command changed nothing
TRADE_EXECUTED: Final = 3  # side is the aggressor's
ORDER_RESTED: Final = 4  # what an aggressor left over went to the book
ORDER_CANCELLED: Final = 5  # code is a CancelReason
ORDER_REPLACED: Final = 6  # flag RESTING as above; without it trades and ORDER_RESTED follow
CASH_CHANGED: Final = 16
POSITION_CHANGED: Final = 17
ACCOUNT_ADDED: Final = 18
INSTRUMENT_ADDED: Final = 19
LIMITS_CHANGED: Final = 20
ACCOUNT_STATE_CHANGED: Final = 21  # E_QUANTITY is the new state
INSTRUMENT_STATE_CHANGED: Final = 22  # E_QUANTITY is the new state
MASS_CANCELLED: Final = 23  # E_QUANTITY orders cancelled, E_LEAVES still open

FLAG_RESTING: Final = 1
FLAG_PRIORITY_KEPT: Final = 2  # ORDER_REPLACED: less quantity at the same price

# --- small closed sets -------------------------------------------------------------------------
BUY: Final = 0
SELL: Final = 1
LIMIT: Final = 1
MARKET: Final = 2
GTC: Final = 1
IOC: Final = 2

ACCOUNT_ACTIVE: Final = 1
ACCOUNT_REDUCING: Final = 2  # may only bring its position nearer to zero
ACCOUNT_HALTED: Final = 3
INSTRUMENT_CONTINUOUS: Final = 1
INSTRUMENT_HALTED: Final = 2  # cancels are taken, everything else is refused

# --- bounds, checked once where commands enter -------------------------------------------------
MAX_QUANTITY_LOTS: Final = (1 << 31) - 1
MAX_PRICE_TICKS: Final = (1 << 40) - 1
MAX_AMOUNT_MINOR: Final = (1 << 62) - 1
NO_LIMIT: Final = MAX_AMOUNT_MINOR


def command_words(kind: int) -> int:
    """Return how many words a command of this kind has."""
    return EXTENDED_COMMAND_WORDS if kind >= FIRST_EXTENDED_KIND else COMMAND_WORDS


def pack_command_header(
    kind: int, side: int = 0, order_type: int = 0, tif: int = 0, flags: int = 0, instrument: int = 0
) -> int:
    return kind | side << 8 | order_type << 16 | tif << 24 | flags << 32 | instrument << 48


def pack_event_header(
    kind: int, side: int = 0, code: int = 0, flags: int = 0, instrument: int = 0
) -> int:
    return kind | side << 8 | code << 16 | flags << 32 | instrument << 48
