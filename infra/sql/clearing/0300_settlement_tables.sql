-- Settlement: trades as captured, what each side owes, netting instructions, batches, what is
-- published, and what reconciliation found.

create schema settlement;

create table settlement.trades (
    trade_id bigint primary key,
    shard integer not null,
    sequence bigint not null,
    event_index integer not null,
    executed_ns bigint not null,
    instrument_id integer not null,
    isin text not null,
    currency text not null,
    price_ticks bigint not null check (price_ticks > 0),
    quantity_lots bigint not null check (quantity_lots > 0),
    notional_minor bigint not null check (notional_minor > 0),
    aggressor_side text not null check (aggressor_side in ('BUY', 'SELL')),
    buy_account_id bigint not null,
    buy_order_id bigint not null,
    sell_account_id bigint not null,
    sell_order_id bigint not null,
    trade_date date not null,
    settlement_date date not null check (settlement_date >= trade_date),
    trace_id text not null default '',
    captured_at timestamptz not null default now()
);
create index trades_by_date on settlement.trades (trade_date, trade_id);

create table settlement.batches (
    batch_id date primary key,  -- the business date
    state text not null default 'OPEN' check (state in ('OPEN', 'DONE')),
    passes integer not null default 0,
    settled_before_pass integer not null default 0,
    opened_at timestamptz not null default now(),
    done_at timestamptz
);

create table settlement.instructions (
    instruction_number bigint generated always as identity primary key,
    instruction_id text not null unique,
    batch_id date not null references settlement.batches,
    account_id bigint not null,
    instrument_id integer not null,
    isin text not null,
    currency text not null,
    cash_minor bigint not null,     -- signed: what the account receives
    quantity_lots bigint not null,  -- signed
    state text not null default 'NETTED'
        check (state in ('NETTED', 'PREPARED', 'WAITING', 'SETTLED', 'ROLLED')),
    reason text not null default '',
    attempts integer not null default 0,
    transfer_id bigint,  -- the last one prepared in the ledger; none when nothing is left to move
    payment_outcome text not null default '',
    trace_id text not null default '',
    created_at timestamptz not null default now(),
    settled_at timestamptz
);
create index instructions_by_account on settlement.instructions (account_id, instruction_number);
create index instructions_unfinished on settlement.instructions (batch_id, instruction_number)
    where state not in ('SETTLED', 'ROLLED');

-- One side of one trade. It belongs to at most one instruction at a time.
create table settlement.obligations (
    trade_id bigint not null references settlement.trades,
    side text not null check (side in ('BUY', 'SELL')),
    account_id bigint not null,
    order_id bigint not null,
    instrument_id integer not null,
    currency text not null,
    cash_minor bigint not null,
    quantity_lots bigint not null,
    due_date date not null,  -- the trade's settlement date, or later when rolled
    state text not null default 'OPEN' check (state in ('OPEN', 'NETTED', 'SETTLED')),
    primary key (trade_id, side)
);
create index obligations_due on settlement.obligations (due_date) where state = 'OPEN';
create index obligations_unsettled on settlement.obligations (account_id) where state <> 'SETTLED';
create index obligations_by_order on settlement.obligations (order_id);

create table settlement.instruction_obligations (
    instruction_number bigint not null references settlement.instructions,
    trade_id bigint not null,
    side text not null,
    primary key (instruction_number, trade_id, side),
    foreign key (trade_id, side) references settlement.obligations
);
create index instructions_of_trade on settlement.instruction_obligations (trade_id);

-- Events to publish, stored with the decision. Their bytes follow from this and the instruction,
-- neither of which changes any more.
create table settlement.events_outbox (
    event_sequence bigint generated always as identity primary key,
    instruction_number bigint not null references settlement.instructions,
    event_type text not null check (event_type in ('SETTLED', 'ROLLED')),
    occurred_ns bigint not null,
    published_at timestamptz,
    unique (instruction_number, event_type)
);
create index events_unpublished on settlement.events_outbox (event_sequence)
    where published_at is null;
create sequence settlement.publisher_epoch;

create table settlement.engine_outbox (
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
create index on settlement.engine_outbox (outbox_id) where answered_at is null;
create index on settlement.engine_outbox (account_id, outbox_id) where answered_at is null;

create table settlement.reconciliations (
    reconciliation_id bigint generated always as identity primary key,
    batch_id date not null references settlement.batches,
    checked_at timestamptz not null default now(),
    accounts integer not null
);
create table settlement.breaks (
    reconciliation_id bigint not null references settlement.reconciliations,
    kind text not null,
    account_id bigint not null,  -- 0: no account's
    subject text not null,       -- currency, ISIN, instruction or command
    expected text not null,
    found text not null,
    primary key (reconciliation_id, kind, account_id, subject)
);

grant usage on schema settlement to settlement_app;
grant select, insert on all tables in schema settlement to settlement_app;
grant update on settlement.batches, settlement.instructions, settlement.obligations,
    settlement.events_outbox, settlement.engine_outbox to settlement_app;
grant usage on all sequences in schema settlement to settlement_app;
