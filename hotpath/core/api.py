"""How the rest of the hot path uses the core. Stable: add, do not change.

    from hotpath.core.api import Engine

    engine = Engine()                          # keyword settings: see Engine.__init__
    engine.reset_events()
    engine.apply_bytes(record, offset)         # a stamped command, as the journal holds it
    engine.apply_stamped(frame, offset, sequence, time_ns)   # the same, stamped on the way in
    engine.event_count                         # since reset_events(); at least 1 per command
    engine.events_bytes()                      # their words, 64 bytes an event
    engine.sequence                            # of the command applied last
    engine.has_work_left                       # the last event is WORK_REMAINS: send CONTINUE
    engine.is_passing                          # and nothing else before that

Commands may be applied one after the other without a reset: events pile up. No command raises;
what is wrong is answered with REJECTED. The caller only sees that all bytes of the command are in
the buffer: 8 words, 16 for kinds from FIRST_EXTENDED_KIND on. The commands of a BATCH follow it;
`engine.batch_words(buffer, offset)` tells how long it is with them.

    engine.queries.account(account_id)         # (state, currency, total, settled, reserved, held,
                                               #  open orders) or None
    engine.queries.positions(account_id)       # [(instrument, total, settled, open buy, open sell)]
    engine.queries.buying_power(account_id)    # cash that new orders may reserve, or None
    engine.queries.book_levels(instrument, 5)  # ([(price, lots, orders)] bids, offers) or None
    engine.queries.instrument(instrument)      # (session, last or reference price) or None
    engine.queries.open_orders(account_id)     # [(order, instrument, side, price, leaves)]
    engine.queries.order(order_id)             # (order, instrument, side, price, leaves) or None
    engine.queries.first_sequence(id)          # of the accepted command with that id; 0: none

    engine.state_hash()                        # 63 bits, the same on every implementation
    engine.snapshot_bytes()                    # canonical
    Engine().restore(snapshot)                 # ValueError when damaged or of another version

What `records.py` leaves open:

- REJECTED echoes the command: side, instrument, words 1-4. Refused commands are not remembered:
  the same id may be sent again and is then judged anew.
- CONTINUE has no answer of its own: its events are the work that it does, none if there is none.
- ORDER_ACCEPTED: E_PRICE as sent (0: market), E_QUANTITY and E_LEAVES the whole order.
- ORDER_RESTED: E_QUANTITY and E_LEAVES what went to the book.
- ORDER_CANCELLED: E_QUANTITY the lots cancelled, E_LEAVES 0.
- ORDER_REPLACED: E_OLD_LEVEL_LOTS is the old price's total after the event; at an unchanged price
  it equals E_LEVEL_LOTS. With FLAG_PRIORITY_KEPT, FLAG_RESTING is set as well.
- CASH_CHANGED: E_DELTA is what the command moves: total (deposit +, confirm -), held (hold +,
  release -) or settled (SETTLE). A confirm lowers total, settled and held by the amount.
- POSITION_CHANGED: E_DELTA moves total and settled (deposit), or settled (SETTLE). E_RESERVED is
  the lots in open sell orders.
- LIMITS_CHANGED: words 3-6 are the new limits, in the order of SET_LIMITS.
- A replaced order's id stays; a market order's collar is around the last trade's price, before the
  first trade around the reference price.
- A mass cancel takes the newest orders first.
"""

from hotpath.core.engine import Engine

__all__ = ["Engine"]
