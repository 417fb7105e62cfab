-- Orders of rules 2: every type and time in force, what few orders have besides, and new steps.
alter table orders.orders
    drop constraint orders_order_type_check,
    add constraint orders_order_type_check check (order_type in (
        'LIMIT', 'MARKET', 'MARKET_TO_LIMIT', 'STOP', 'STOP_LIMIT', 'TRAILING_STOP', 'PEGGED')),
    drop constraint orders_time_in_force_check,
    add constraint orders_time_in_force_check check (time_in_force in (
        'GTC', 'IOC', 'FOK', 'DAY', 'GTD', 'AT_OPEN', 'AT_CLOSE')),
    -- Instructions of shared/wire/stream_events.py; only what is set is there. Most orders have none.
    add column instructions jsonb check (jsonb_typeof(instructions) = 'object');

alter table orders.order_history
    drop constraint order_history_step_check,
    add constraint order_history_step_check check (step in (
        'NEW', 'PENDING', 'ACCEPTED', 'REJECTED', 'FILL', 'RESTED', 'CANCELLED', 'REPLACED', 'SETTLED',
        'TRIGGERED', 'EXPIRED', 'REPRICED', 'REPLENISHED', 'REDUCED'));
