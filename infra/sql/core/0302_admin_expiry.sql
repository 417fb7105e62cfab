-- What the back office needs to see which orders are to expire.
create or replace view admin.orders as
    select order_id, account_id, instrument_id, side, order_type, time_in_force, price_ticks,
           quantity_lots, leaves_lots, filled_lots, status, reason, created_at, instructions
    from orders.orders;
create index orders_to_expire on orders.orders (((instructions->>'expiry_ns')::bigint))
    where time_in_force = 'GTD' and status in ('PENDING', 'PARTIALLY_FILLED', 'REPLACED');
