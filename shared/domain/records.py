"""The record layouts of the hot path on one page: what a command and an event are, word by word.

A record is a row of signed 64-bit words, little-endian on the wire and in the journal. A command
has 8 words, or 16 when its kind is at or above FIRST_EXTENDED_KIND; those of a BATCH follow it. An
event always has 8. `docs/RULES.md` says what the words do.

Word 0 of both is packed from the lowest bit up:

    command   kind 8 | side 8 | order_type 8 | time_in_force 8 | flags 16 | instrument 15
    event     kind 8 | side 8 | code 16                        | flags 16 | instrument 15
"""

from typing import Final

COMMAND_WORDS: Final = 8
EXTENDED_COMMAND_WORDS: Final = 16
EVENT_WORDS: Final = 8
RULES_VERSION: Final = 2  # raised when the same command may now give other events

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
C_STATE: Final = 4  # SET_ACCOUNT_STATE, SET_INSTRUMENT_STATE, UNCROSS

# PLACE_ORDER_EXTENDED
C_DISPLAY_LOTS: Final = 8
C_MINIMUM_LOTS: Final = 9
C_STOP_PRICE_TICKS: Final = 10
C_OFFSET_TICKS: Final = 11  # how far a peg stays, or a trailing stop trails; never negative
C_EXPIRY_NS: Final = 12  # GTD
C_LINKED_ID: Final = 13  # an open order of the same account and instrument
C_MODES: Final = 14  # peg kind 8 | self-trade mode 8 | link kind 8 | 0 8 | session 31
C_LOCATE_LOTS: Final = 15

# ADD_INSTRUMENT (extended): C_PRICE is the reference price
C_TICK_VALUE_MINOR: Final = 4  # minor units that one tick on one lot is worth
C_MIN_PRICE_TICKS: Final = 8  # this and the next: any price is taken, and these are not looked at
C_MAX_PRICE_TICKS: Final = 9
C_MAX_ORDER_LOTS: Final = 10
C_INSTRUMENT_CURRENCY: Final = 11
C_COLLAR_BPS: Final = 12  # how far from the reference a market order may reach

# SET_INSTRUMENT_TERMS; 0 switches a rule off
C_REFERENCE_TICKS: Final = 3
C_TICK_TABLE: Final = 4
C_LOT_SIZE: Final = 8
C_MIN_NOTIONAL_MINOR: Final = 9
C_STATIC_COLLAR_BPS: Final = 10  # a limit further from the reference is refused
C_DYNAMIC_COLLAR_BPS: Final = 11  # a trade further from the last one does not happen
C_COLLAR_ACTION: Final = 12
C_LIMIT_BAND_BPS: Final = 13  # limit up, limit down, around the reference
C_BREAKER_BPS: Final = 14  # a trade this far from the reference halts the instrument
C_UNCROSS_ORDER: Final = 15  # four nibbles, the first criterion lowest; 0: the usual order

# SET_TICK_TABLE: four pairs of price and step
C_TICK_ROWS: Final = 8
TICK_ROWS: Final = 4

# SET_LIMITS (extended): 0 means that nothing is allowed, NO_LIMIT that all is
C_LIMIT_ORDER_LOTS: Final = 8
C_LIMIT_ORDER_VALUE_MINOR: Final = 9
C_LIMIT_POSITION_LOTS: Final = 10  # absolute, with open orders counted in
C_LIMIT_OPEN_ORDERS: Final = 11

# SET_FEE_TIER: millionths of the traded value; negative is a rebate
C_MAKER_RATE: Final = 8
C_TAKER_RATE: Final = 9
C_AUCTION_RATE: Final = 10

# BUST_TRADE and CORRECT_TRADE carry the trade as the journal has it
C_TRADE_SEQUENCE: Final = 3
C_TRADE_INDEX: Final = 4
C_TRADE_BUYER: Final = 8
C_TRADE_SELLER: Final = 9
C_TRADE_PRICE_TICKS: Final = 10
C_TRADE_LOTS: Final = 11
C_TRADE_BUYER_FEE_MINOR: Final = 12  # negative: a rebate
C_TRADE_SELLER_FEE_MINOR: Final = 13
C_CORRECTED_PRICE_TICKS: Final = 14
C_CORRECTED_LOTS: Final = 15

C_SCOPE: Final = 3  # SET_KILL_SWITCH
C_SESSION: Final = 3  # SET_THROTTLE with account 0

# --- command kinds of 8 words ------------------------------------------------------------------
PLACE_ORDER: Final = 1  # a limit or market order without other terms
CANCEL_ORDER: Final = 2
REPLACE_ORDER: Final = 3  # C_ID names the order; C_PRICE and C_QUANTITY the new open order
MASS_CANCEL: Final = 4  # C_ACCOUNT's orders in the instrument, or in all
DISCONNECT: Final = 5  # C_ID is the session; its ORDER_CANCEL_ON_DISCONNECT orders are cancelled
CONTINUE: Final = 6  # goes on with work that a bound cut off; the sequencer sends it
BATCH: Final = 7  # C_QUANTITY commands of C_ACCOUNT follow, each of its own length
DEPOSIT_CASH: Final = 16
HOLD_WITHDRAWAL: Final = 17
CONFIRM_WITHDRAWAL: Final = 18
RELEASE_WITHDRAWAL: Final = 19
DEPOSIT_SHARES: Final = 20
SETTLE: Final = 21  # C_CASH_MINOR and C_QUANTITY (signed) of one instrument become settled
SET_ACCOUNT_STATE: Final = 24
SET_INSTRUMENT_STATE: Final = 25
ADD_ACCOUNT: Final = 26
UNCROSS: Final = 27  # C_STATE is the session that follows
END_OF_DAY: Final = 28  # an instrument's orders expire; without an instrument the day ends
PUBLISH_INDICATIVE: Final = 29
EXPIRE_ORDERS: Final = 30  # GTD orders whose time has come
DELIST_INSTRUMENT: Final = 31
SET_ACCOUNT_FEE_TIER: Final = 32  # C_STATE is the tier
SET_ACCOUNT_GROUP: Final = 33  # C_STATE is the group; 0: the account is its own
SET_KILL_SWITCH: Final = 34  # C_SCOPE, C_STATE 1 on or 0 off; C_ACCOUNT is account or group
CREDIT_OUT: Final = 35  # C_AMOUNT_MINOR of a credit line leaves for another shard
CREDIT_IN: Final = 36  # and arrives there
CREDIT_UNDO: Final = 37  # C_TARGET_ID is the CREDIT_OUT that came to nothing
SET_MARGIN: Final = 38  # C_STATE is the leverage in hundredths; 100 is a cash account
SET_THROTTLE: Final = 39  # C_STATE orders per window (0: none); C_ACCOUNT, or C_SESSION

# --- command kinds of 16 words -----------------------------------------------------------------
FIRST_EXTENDED_KIND: Final = 128
ADD_INSTRUMENT: Final = 128
SET_LIMITS: Final = 129
PLACE_ORDER_EXTENDED: Final = 130
BUST_TRADE: Final = 131
CORRECT_TRADE: Final = 132
SET_INSTRUMENT_TERMS: Final = 133
SET_FEE_TIER: Final = 134  # C_STATE is the tier's number
SET_TICK_TABLE: Final = 135  # C_STATE is the table's number; then four pairs of price and step

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
MASS_CANCELLED: Final = 23  # E_QUANTITY orders leave behind it, by ORDER_CANCELLED
ORDER_TRIGGERED: Final = 24  # E_PRICE: its limit now, E_QUANTITY: its open lots
ORDER_EXPIRED: Final = 25  # code is an ExpiryReason; the words of ORDER_CANCELLED
ORDER_REPRICED: Final = 26  # E_PRICE: new, 0 waits; E_OLD_PRICE; the totals of ORDER_REPLACED
ORDER_REPLENISHED: Final = 27  # iceberg: E_QUANTITY lots are displayed, behind all others
ORDER_REDUCED: Final = 28  # self-trade: E_QUANTITY lots were taken off, E_LEAVES are open
INDICATIVE_PRICE: Final = 29  # E_PRICE (0: none), E_QUANTITY would trade, E_LEAVES surplus, signed
UNCROSSED: Final = 30  # the same words, of what traded
PRICE_LIMIT_HIT: Final = 31  # code is a PriceLimit; E_PRICE is the price that did not or did trade
FEE_CHARGED: Final = 32  # E_ID order; E_DELTA: fee, negative a rebate; E_TOTAL: cash afterwards
TRADE_BUSTED: Final = 33  # E_PRICE, E_QUANTITY; E_LEAVES: sequence; E_CONTRA_ID: index
TRADE_CORRECTED: Final = 34  # the same words, with the corrected terms
WORK_REMAINS: Final = 35  # the last event: a CONTINUE has to follow
BATCH_DONE: Final = 36  # E_QUANTITY commands accepted, E_LEAVES refused
DAY_ENDED: Final = 37  # E_QUANTITY: number of the new day
INSTRUMENT_CHANGED: Final = 38  # E_PRICE: reference
FEE_TIER_CHANGED: Final = 39  # E_QUANTITY: tier; words 5-7: maker, taker, auction
TICK_TABLE_CHANGED: Final = 40  # E_QUANTITY: table
ACCOUNT_TERMS_CHANGED: Final = 41  # E_PRICE: fee tier, E_QUANTITY: group, E_LEAVES: leverage
KILL_SWITCH_CHANGED: Final = 42  # E_PRICE: scope, E_QUANTITY: on
THROTTLE_CHANGED: Final = 43  # E_PRICE: session, E_QUANTITY: limit
ORDERS_EXPIRING: Final = 44  # EXPIRE_ORDERS is accepted; the orders' own events follow
LEVEL_CHANGED: Final = 45  # after an uncross: E_PRICE, E_LEVEL_LOTS of the header's side

FLAG_RESTING: Final = 1
FLAG_PRIORITY_KEPT: Final = 2  # ORDER_REPLACED: less quantity at the same price
# ORDER_ACCEPTED, flag WAITING: open, not in the book (stop, auction, link, peg)
# ORDER_CANCELLED, ORDER_EXPIRED, ORDER_REDUCED, flag WAITING: it was not in the book, so no level
# changed, and E_PRICE names none
FLAG_WAITING: Final = 4
FLAG_AUCTION: Final = 8  # TRADE_EXECUTED: at an uncross; E_ID is the buy order
FLAG_SELF_TRADE: Final = 16  # TRADE_EXECUTED: both sides are of one group

# --- small closed sets -------------------------------------------------------------------------
BUY: Final = 0
SELL: Final = 1

LIMIT: Final = 1
MARKET: Final = 2
MARKET_TO_LIMIT: Final = 3  # trades at the best price; what is left rests there
STOP: Final = 4  # becomes a market order
STOP_LIMIT: Final = 5
TRAILING_STOP: Final = 6  # a STOP whose trigger follows the market by C_OFFSET_TICKS
PEGGED: Final = 7  # C_PRICE is the worst price it may have

GTC: Final = 1
IOC: Final = 2
FOK: Final = 3
DAY: Final = 4
GTD: Final = 5
AT_OPEN: Final = 6
AT_CLOSE: Final = 7

ORDER_HIDDEN: Final = 1
ORDER_ICEBERG: Final = 2  # C_DISPLAY_LOTS is set
ORDER_POST_ONLY: Final = 4
ORDER_MINIMUM: Final = 8  # C_MINIMUM_LOTS is set
ORDER_SHORT: Final = 16  # a sale of what is not owned; C_LOCATE_LOTS is set
ORDER_CANCEL_ON_DISCONNECT: Final = 32
ORDER_FLAGS: Final = 63

PEG_PRIMARY: Final = 1  # the best displayed price of the same side
PEG_MARKET: Final = 2  # the best displayed price of the other side, at least one tick away
PEG_MIDPOINT: Final = 3  # half way between both, rounded away from the other side

SELF_TRADE_ALLOWED: Final = 0
SELF_TRADE_CANCEL_NEWEST: Final = 1
SELF_TRADE_CANCEL_OLDEST: Final = 2
SELF_TRADE_CANCEL_BOTH: Final = 3
SELF_TRADE_DECREMENT: Final = 4

LINK_CANCELS_OTHER: Final = 1  # a trade of either cancels the other
LINK_AFTER_OTHER: Final = 2  # waits until the other is filled; leaves with it

SCOPE_ALL_INSTRUMENTS: Final = 1  # flag of MASS_CANCEL and SET_INSTRUMENT_STATE
SCOPE_ONE_SIDE: Final = 2  # flag of MASS_CANCEL: only the header's side

KILL_ACCOUNT: Final = 1
KILL_GROUP: Final = 2
KILL_FIRM: Final = 3

ACCOUNT_ACTIVE: Final = 1
ACCOUNT_REDUCING: Final = 2  # may only bring its position nearer to zero
ACCOUNT_HALTED: Final = 3

# sessions: the state of an instrument
SESSION_CONTINUOUS: Final = 1
SESSION_HALTED: Final = 2  # cancels are taken, everything else is refused
SESSION_CLOSED: Final = 3
SESSION_PRE_OPEN: Final = 4
SESSION_OPENING_UNCROSS: Final = 5  # the call is frozen until UNCROSS
SESSION_VOLATILITY_AUCTION: Final = 6
SESSION_CLOSING_AUCTION: Final = 7
SESSION_DELISTED: Final = 8  # by DELIST_INSTRUMENT alone, for good

COLLAR_CANCELS: Final = 0
COLLAR_STARTS_AUCTION: Final = 1

UNCROSS_VOLUME: Final = 1
UNCROSS_SURPLUS: Final = 2
UNCROSS_PRESSURE: Final = 3
UNCROSS_REFERENCE: Final = 4
USUAL_UNCROSS_ORDER: Final = 0x4321

# --- bounds, checked once where commands enter -------------------------------------------------
MAX_QUANTITY_LOTS: Final = (1 << 31) - 1
MAX_PRICE_TICKS: Final = (1 << 40) - 1
MAX_AMOUNT_MINOR: Final = (1 << 62) - 1
NO_LIMIT: Final = MAX_AMOUNT_MINOR
MAX_FEE_RATE: Final = 100_000  # 10 %
FEE_RATE_UNIT: Final = 1_000_000
MAX_BATCH: Final = 64
MAX_GROUP: Final = (1 << 30) - 1
MAX_SESSION: Final = (1 << 31) - 1
MAX_LEVERAGE: Final = 1_000  # ten times


def command_words(kind: int) -> int:
    """Return how many words a command of this kind has; a BATCH those before its own commands."""
    return EXTENDED_COMMAND_WORDS if kind >= FIRST_EXTENDED_KIND else COMMAND_WORDS


def pack_command_header(
    kind: int, side: int = 0, order_type: int = 0, tif: int = 0, flags: int = 0, instrument: int = 0
) -> int:
    return kind | side << 8 | order_type << 16 | tif << 24 | flags << 32 | instrument << 48


def pack_event_header(
    kind: int, side: int = 0, code: int = 0, flags: int = 0, instrument: int = 0
) -> int:
    return kind | side << 8 | code << 16 | flags << 32 | instrument << 48


def pack_modes(peg: int = 0, self_trade: int = 0, link: int = 0, session: int = 0) -> int:
    """Return C_MODES of an order."""
    return peg | self_trade << 8 | link << 16 | session << 32
