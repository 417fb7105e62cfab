"""Every row of the core's tables on one page: what each word of an order, level, account … means.

All tables are rows of 64-bit words. A row is named by its offset, the index of its first word;
offset 0 is none. Orders that need nothing but a price and lots live in one cache line (O_); all
that only some orders have stands in a cold row beside it (X_), whose slot the order's word O_OWNER
carries. "Nothing special here" is one word per account (A_WATCH) and instrument (I_WATCH): where
both are 0, a plain order takes the short way through the core.

Rows of orders, positions, levels and ids fill a cache line or divide one. Their words begin
LINE_START words behind the offset, so that no row lies in two lines: the words of a large table
begin 40 bytes into a page, behind the heads of its memory and of its vec.
"""

from typing import Final

LINE_START: Final = 3
# So many words follow the last row of a table, whatever the words of its rows are: compiled code
# then tests once, by a row's offset, that all of them are there; see compiler_hints.py.
ROW_ROOM: Final = 32

# --- an order: one cache line, 8 words ---------------------------------------------------------
O_ID: Final = LINE_START
O_PRICE: Final = LINE_START + 1  # where it stands in the book; elsewhere its limit
O_LEAVES: Final = LINE_START + 2
O_PREVIOUS: Final = LINE_START + 3  # in its queue: a level of the book, of stops, or of an auction
O_NEXT: Final = LINE_START + 4  # in its queue; of a free record, the next free one
O_OWNER: Final = (
    LINE_START + 5
)  # cold slot << 40 | offset of its position | side; offsets are multiples of 8
O_CHAIN: Final = LINE_START + 6  # of its account in the instrument: newer order << 32 | older order
O_ARRIVED: Final = LINE_START + 7  # grows with each arrival in the book; the smaller trades first
ORDER_SHIFT: Final = 3
COLD_SHIFT: Final = 40
SIDE_MASK: Final = 1
POSITION_MASK: Final = ((1 << COLD_SHIFT) - 1) & ~7
CHAIN_SHIFT: Final = 32
OLDER_MASK: Final = (1 << CHAIN_SHIFT) - 1

# --- the cold row of an order: 32 words --------------------------------------------------------
X_ORDER: Final = 0  # offset of the order; of a free row, the next free one
X_TYPE: Final = 1
X_TIME: Final = 2  # time in force
X_FLAGS: Final = 3
X_PLACE: Final = 4
X_LIMIT: Final = 5  # the worst price that it may trade at
X_DISPLAY: Final = 6  # iceberg: what it displays when it is replenished
X_SHOWN: Final = 7  # iceberg: what it displays now
X_MINIMUM: Final = 8
X_STOP: Final = 9  # stop price
X_OFFSET: Final = 10  # of a peg or a trailing stop
X_PEG: Final = 11
X_MODE: Final = 12  # self-trade mode
X_LINK: Final = 13  # of the order that named the other one
X_PARTNER: Final = 14  # offset of the order at the other end of an open link
X_SESSION: Final = 15
X_EXPIRY: Final = 16
X_LOCATE: Final = 17
X_FEE_WHOLE: Final = 18  # what its trades have cost: minor units …
X_FEE_PART: Final = 19  # … and millionths of one
X_FEE_PAID: Final = 20
X_RATES: Final = 21  # maker, taker, auction: three words
X_LEVERAGE: Final = 24
X_RESERVED: Final = 25  # what it counts for in the account's A_RESERVED
X_WOKEN_NEXT: Final = 26  # in the chain of orders that woke
X_BEFORE: Final = 27  # in the chain of followers of its instrument
X_AFTER: Final = 28
X_SESSION_OLDER: Final = 29  # cancelled on disconnect
X_SESSION_NEWER: Final = 30
X_TRIAL: Final = 31  # number of the trial in which it is gone
COLD_ROW_SHIFT: Final = 5

# Where an order with a cold row is.
IN_BOOK: Final = 1
IN_STOPS: Final = 2
IN_AUCTION: Final = 3  # at-open and at-close orders
IS_LINKED: Final = 4  # waits for another order to be filled
IS_UNPEGGED: Final = 5  # pegged, and there is no price to follow
IS_INCOMING: Final = 6  # being worked on by the command at hand
IS_WOKEN: Final = 7  # was linked; the other order is filled
IS_REACHED: Final = 8  # a trailing stop that the market has reached

# --- a level: 4 words --------------------------------------------------------------------------
L_HEAD: Final = LINE_START  # the order that trades first; of a free level, the next free one
L_TAIL: Final = LINE_START + 1
L_LOTS: Final = LINE_START + 2  # displayed
L_ORDERS: Final = LINE_START + 3  # offset of its dark row << 32 | number of displayed orders
LEVEL_SHIFT: Final = 2
DARK_SHIFT: Final = 32
ORDERS_MASK: Final = (1 << 32) - 1

# The dark row of a level that holds pegged or hidden orders, from the same pool as levels. The
# queue is: displayed orders, then pegged ones, then hidden ones.
D_LAST_SHOWN: Final = LINE_START
D_LAST_PEGGED: Final = LINE_START + 1
D_COUNT: Final = LINE_START + 2

# Classes of orders at one price, see order_rules.toml.
CLASS_SHOWN: Final = 1
CLASS_PEGGED: Final = 2
CLASS_HIDDEN: Final = 3

# --- an account: 32 words ----------------------------------------------------------------------
A_TOTAL: Final = 0  # cash_minor, unsettled trades included
A_RESERVED: Final = 1  # for open orders
A_HELD: Final = 2  # for withdrawals under way
A_WATCH: Final = 3  # WATCH_ bits; 0: nothing special
A_OWNER: Final = 4  # equal for accounts whose trades with each other are self-trades
A_OPEN_ORDERS: Final = 5
A_MAX_ORDER_LOTS: Final = 6
A_MAX_ORDER_VALUE: Final = 7
A_MAX_POSITION: Final = 8
A_MAX_OPEN_ORDERS: Final = 9
A_CURRENCY: Final = 10
A_ID: Final = 11
A_SETTLED: Final = 12
A_STATE: Final = 13
A_GROUP: Final = 14
A_TIER: Final = 15
A_LEVERAGE: Final = 16
A_THROTTLE: Final = 17  # limit, window, used: three words, see throttles.py
A_SEQUENCE: Final = 20  # of the command that added it
A_KILLED: Final = 21  # by a switch of its own
ACCOUNT_SHIFT: Final = 5

WATCH_STATE: Final = 1  # reducing or halted
WATCH_KILLED: Final = 2  # by a switch of its own, its group or the firm
WATCH_THROTTLE: Final = 4
WATCH_TERMS: Final = 8  # leverage or fees: its orders get a cold row
WATCH_MARGIN: Final = 16  # leverage, or possibly short: positions count for buying power

# --- a position: one cache line, 8 words -------------------------------------------------------
P_TOTAL: Final = LINE_START  # lots, unsettled trades included
P_OPEN_LOTS: Final = LINE_START + 1  # + side: lots in open buy orders, lots in open sell orders
P_NEWEST_ORDER: Final = LINE_START + 3  # that was accepted last; 0: none
P_OPEN_ORDERS: Final = LINE_START + 4  # sells << 32 | buys
P_SETTLED: Final = LINE_START + 5
P_ACCOUNT: Final = LINE_START + 6  # offset of the account
P_INSTRUMENT: Final = LINE_START + 7  # offset of the instrument
POSITION_SHIFT: Final = 3

# --- an instrument: 32 words -------------------------------------------------------------------
I_ID: Final = 0
I_WATCH: Final = 1  # WATCH_ bits; 0: nothing special
I_TICK_VALUE: Final = 2  # minor units
I_MAX_ORDER_LOTS: Final = 3
I_SAFE_VALUE: Final = 4  # ticks x lots up to this cannot overflow
I_ORIGIN: Final = 5  # + side: level of a bid = origin - price, of an offer = origin + price
I_LAST: Final = 7  # price of the last trade, before it the reference price; 0: none
I_HIGH: Final = 8  # of the trades since no stop was due
I_LOW: Final = 9
I_CURRENCY: Final = 10
I_COLLAR_BPS: Final = 11  # of orders without a limit
I_REFERENCE: Final = 12  # of the day
I_SESSION: Final = 13
I_ISSUED_LOTS: Final = 14  # all lots that came in; the sum over all positions
I_SEQUENCE: Final = 15  # of the command that added it
I_TICK_TABLE: Final = 16
I_LOT_SIZE: Final = 17
I_MIN_NOTIONAL: Final = 18
I_STATIC_BPS: Final = 19
I_DYNAMIC_BPS: Final = 20
I_COLLAR_ACTION: Final = 21
I_BAND_BPS: Final = 22
I_BREAKER_BPS: Final = 23
I_UNCROSS_ORDER: Final = 24
I_FOLLOWERS: Final = 25  # first of the chain of pegged and trailing orders
I_FOLLOWER_COUNT: Final = 26
I_PEG_COUNT: Final = 27
I_STOP_COUNT: Final = 28  # in stops, trailing ones included
I_WOKEN: Final = 29  # first of the chain of orders whose parent is filled
I_FAR_USES: Final = 30  # of prices beside the ladder since it was last centred
INSTRUMENT_SHIFT: Final = 5

WATCH_SESSION: Final = 1  # not in continuous trading
WATCH_PRICES: Final = 2  # tick table, lot size, minimum value, static collar: looked at on entry
WATCH_LIMITS: Final = 4  # dynamic collar, band, breaker: looked at with each trade
WATCH_STOPS: Final = 8  # there are stops: trades may trigger them
WATCH_PEGS: Final = 16  # there are pegs: every change of the book may move them

# Trees of prices, by instrument slot x 8 + kind x 2 + side.
TREE_FAR: Final = 0  # levels of the book beside the ladder
TREE_STOPS: Final = 1
TREE_OPEN: Final = 2  # at-open orders
TREE_CLOSE: Final = 3
