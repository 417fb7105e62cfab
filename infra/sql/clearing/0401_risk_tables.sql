-- Positions as trading made them, the limits that were set, and what risk has to look at.
create schema risk;

-- Trades and deposits that positions have in them: what makes a repeated message a no-op.
create table risk.applied_trades (trade_id bigint primary key);
create table risk.applied_events (
    shard integer not null,
    sequence bigint not null,
    index integer not null,
    primary key (shard, sequence, index)
);

-- traded_lots is signed: what was bought less what was sold. cost_value and realised_value are in
-- ticks times lots; cost_value belongs to traded_lots and has its sign.
create table risk.positions (
    account_id bigint not null,
    instrument_id integer not null,
    traded_lots bigint not null default 0,
    deposited_lots bigint not null default 0,
    cost_value numeric(38, 0) not null default 0,
    realised_value numeric(38, 0) not null default 0,
    bought_lots numeric(38, 0) not null default 0,
    sold_lots numeric(38, 0) not null default 0,
    version bigint not null default 0,  -- grows with every change; the hot copy keeps the newest
    updated_at timestamptz not null default clock_timestamp(),
    primary key (account_id, instrument_id),
    check (bought_lots - sold_lots = traded_lots)
);

create table risk.last_prices (
    instrument_id integer primary key,
    price_ticks bigint not null check (price_ticks > 0),
    trade_id bigint not null
);

-- What was last decided for an account; null is no limit. confirmed_sequence: the engine has it.
create table risk.risk_limits (
    account_id bigint primary key,
    max_order_lots bigint check (max_order_lots >= 0),
    max_order_value_minor bigint check (max_order_value_minor >= 0),
    max_position_lots bigint check (max_position_lots >= 0),
    max_open_orders bigint check (max_open_orders >= 0),
    command_id bigint not null unique,
    decided_by text not null,
    decided_at timestamptz not null default clock_timestamp(),
    confirmed_sequence bigint,
    reject_code integer
);
create sequence risk.command_numbers minvalue 1 maxvalue 72057594037927935;

create table risk.rejections (
    account_id bigint not null,
    minute timestamptz not null,
    rejected integer not null,
    primary key (account_id, minute)
);
create table risk.alerts (
    alert_id bigint generated always as identity primary key,
    kind text not null check (kind in ('REJECTION_BURST', 'ACCOUNT_STATE', 'INSTRUMENT_STATE',
                                       'LIMITS')),
    subject text not null,              -- what makes it one alert: account and minute, or place
    account_id bigint,
    instrument_id integer,
    detail text not null default '',
    time_ns bigint not null,
    trace_id text not null default '',
    raised_at timestamptz not null default clock_timestamp(),
    unique (kind, subject)
);
create index alerts_by_account on risk.alerts (account_id, alert_id desc);

create table risk.engine_outbox (
    outbox_id bigint generated always as identity primary key,
    command_id bigint not null unique,
    account_id bigint not null,
    words bigint[] not null,
    traceparent text not null default '',
    created_at timestamptz not null default now(),
    attempts integer not null default 0,
    answered_at timestamptz,
    engine_sequence bigint,
    reject_code integer
);
create index on risk.engine_outbox (outbox_id) where answered_at is null;
create index on risk.engine_outbox (account_id, outbox_id) where answered_at is null;

grant usage on schema risk to risk_app;
grant select, insert on risk.applied_trades, risk.applied_events, risk.alerts to risk_app;
grant select, insert, update on risk.positions, risk.last_prices, risk.risk_limits,
    risk.rejections, risk.engine_outbox to risk_app;
grant usage on sequence risk.command_numbers to risk_app;
