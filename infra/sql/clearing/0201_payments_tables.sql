-- Deposits and withdrawals, the provider's webhooks, and the payments of settlement batches.
create schema if not exists payments;

create table payments.deposits (
    deposit_id uuid primary key,        -- also the provider's idempotency key and reference
    user_id text not null,
    account_id bigint not null check (account_id > 0),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    payment_method text not null,
    intent_id text unique,              -- null until the provider has named it
    status text not null default 'CREATED'
        check (status in ('CREATED', 'PROCESSING', 'SUCCEEDED', 'FAILED', 'QUARANTINED')),
    reason text not null default '',
    transfer_id bigint,                 -- of the ledger, once credited
    traceparent text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    check ((status = 'SUCCEEDED') = (transfer_id is not null))
);
create index deposits_open on payments.deposits (created_at)
    where status in ('CREATED', 'PROCESSING');

-- What the provider told us, for the record; correctness rests on the deposit's own row.
create table payments.webhook_events (
    event_id text primary key,
    type text not null,
    object_id text not null,
    outcome text not null,
    deliveries integer not null default 1,
    first_received_at timestamptz not null default clock_timestamp(),
    last_received_at timestamptz not null default clock_timestamp()
);

create table payments.withdrawals (
    withdrawal_id uuid primary key,
    number bigint generated always as identity unique,   -- cuts the ids of its engine commands
    user_id text not null,
    account_id bigint not null check (account_id > 0),
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    status text not null default 'REQUESTED'
        check (status in ('REQUESTED', 'HELD', 'PAYING', 'SUBMITTED', 'PAID', 'REFUSED', 'FAILED')),
    reason text not null default '',
    transfer_id bigint,
    payout_id text unique,
    traceparent text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create index withdrawals_open on payments.withdrawals (created_at)
    where status in ('REQUESTED', 'HELD', 'PAYING', 'SUBMITTED');

create table payments.settlement_payments (
    instruction_id text primary key,
    batch_id text not null,
    account_id bigint not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    cash_minor bigint not null,
    transfer_id bigint,                 -- the one prepared in the ledger; none when no cash moves
    outcome text not null check (outcome in ('CONFIRMED', 'REFUSED')),
    reason text not null default '',
    created_at timestamptz not null default clock_timestamp()
);

create table payments.engine_outbox (
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
create index engine_outbox_waiting on payments.engine_outbox (outbox_id) where answered_at is null;
create index engine_outbox_waiting_by_account on payments.engine_outbox (account_id, outbox_id)
    where answered_at is null;

create table payments.idempotency_keys (
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
create index idempotency_keys_by_age on payments.idempotency_keys (created_at);

grant usage on schema payments to payments_app;
grant select, insert, update on payments.deposits, payments.webhook_events, payments.withdrawals,
    payments.settlement_payments, payments.engine_outbox to payments_app;
grant select, insert, update, delete on payments.idempotency_keys to payments_app;
