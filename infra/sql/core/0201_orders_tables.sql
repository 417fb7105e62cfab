-- Orders as their owners see them, every step that each of them took, and which trades settled.
create schema if not exists orders;

-- The last order number that the platform issued for an account. Its row is what two requests of
-- one account queue on.
create table orders.order_numbers (
    account_id bigint primary key,
    last_number bigint not null check (last_number between 0 and 2147483647)
);

create table orders.orders (
    order_id bigint primary key,
    account_id bigint not null,
    user_id text,                       -- null: entered on the member's own session
    client_order_id text,
    request_hash bytea,                 -- of the request that made it
    instrument_id integer not null,
    side text not null check (side in ('BUY', 'SELL')),
    order_type text not null check (order_type in ('LIMIT', 'MARKET')),
    time_in_force text not null check (time_in_force in ('GTC', 'IOC')),
    price_ticks bigint not null check (price_ticks >= 0),      -- 0: a market order has none
    quantity_lots bigint not null check (quantity_lots > 0),   -- filled and open together
    leaves_lots bigint not null check (leaves_lots >= 0),
    filled_lots bigint not null default 0 check (filled_lots >= 0),
    filled_value numeric(38, 0) not null default 0,            -- sum of ticks times lots
    status text not null check (status in ('NEW', 'PENDING', 'PARTIALLY_FILLED', 'FILLED', 'SETTLED',
                                           'CANCELLED', 'REJECTED', 'EXPIRED', 'REPLACED')),
    reason text not null default '',    -- why it was rejected or cancelled
    engine_sequence bigint not null default 0,  -- the newest step of the engine that is applied;
    engine_index integer not null default -1,   -- 0, -1 while the engine is not known to have it
    trace_id text not null default '',
    traceparent text not null default '',
    answer_status integer,              -- what the request was answered, kept for its repetition
    answer_body text,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create unique index orders_by_client_order_id on orders.orders (account_id, client_order_id)
    where client_order_id is not null;
create index orders_by_account on orders.orders (account_id, created_at desc, order_id desc);
-- What the resend job looks for: stored, and not known to be with the engine.
create index orders_unanswered on orders.orders (created_at)
    where status in ('NEW', 'PENDING') and engine_sequence = 0;

-- Append-only. Steps of the engine carry their place in the journal; NEW, PENDING (sent, no answer)
-- and SETTLED are the platform's own and have none.
create table orders.order_history (
    history_id bigint generated always as identity primary key,
    order_id bigint not null,
    engine_sequence bigint,
    engine_index integer,
    step text not null check (step in ('NEW', 'PENDING', 'ACCEPTED', 'REJECTED', 'FILL', 'RESTED',
                                       'CANCELLED', 'REPLACED', 'SETTLED')),
    status text not null,               -- of the order after this step
    time_ns bigint not null,
    leaves_lots bigint not null default 0,
    price_ticks bigint not null default 0,         -- the order's terms: NEW, ACCEPTED, REPLACED
    quantity_lots bigint not null default 0,
    last_price_ticks bigint not null default 0,    -- FILL
    last_quantity_lots bigint not null default 0,
    trade_id bigint,
    liquidity text not null default '',
    reason text not null default '',
    trace_id text not null default '',
    unique (order_id, engine_sequence, engine_index)
);
create index order_history_by_trade on orders.order_history (trade_id) where trade_id is not null;
create unique index order_history_platform_steps on orders.order_history (order_id, step)
    where engine_sequence is null;

-- One side of a trade is settled; an order whose trades all are, and that is done, is SETTLED.
create table orders.settled_trades (
    trade_id bigint not null,
    account_id bigint not null,
    instruction_id text not null,
    time_ns bigint not null,
    primary key (trade_id, account_id)
);

create table orders.idempotency_keys (
    scope text not null,
    key text not null,
    request_hash bytea not null,
    owner uuid not null,
    held_until timestamptz not null,
    status integer,
    content_type text,
    body bytea,
    created_at timestamptz not null default now(),
    primary key (scope, key)
);
create index on orders.idempotency_keys (created_at);

grant usage on schema orders to orders_app;
grant select, insert, update on orders.order_numbers, orders.orders to orders_app;
grant select, insert on orders.order_history, orders.settled_trades to orders_app;
grant update (status) on orders.order_history to orders_app;  -- when a step arrives late
grant select, insert, update, delete on orders.idempotency_keys to orders_app;
