-- Moves of an account's credit between engines: out at one, then in at the other, under one id.
create table payments.credit_moves (
    number bigint generated always as identity primary key,  -- cuts the ids of its engine commands
    account_id bigint not null check (account_id > 0),
    from_shard integer not null check (from_shard >= 0),
    to_shard integer not null check (to_shard >= 0),
    amount_minor bigint not null check (amount_minor > 0),
    state text not null default 'REQUESTED'
        check (state in ('REQUESTED', 'OUT', 'DONE', 'REFUSED', 'UNDOING', 'UNDONE')),
    reason text not null default '',    -- the engine's refusal
    purpose text not null check (purpose in ('ORDER', 'WITHDRAWAL')),
    traceparent text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    check (from_shard <> to_shard)
);
-- One move of an account is under way at a time.
create unique index credit_moves_open on payments.credit_moves (account_id)
    where state in ('REQUESTED', 'OUT', 'UNDOING');
grant select, insert, update on payments.credit_moves to payments_app;

-- What reconciliation has to know: credit that may be at neither engine.
create view settlement.credit_under_way as
    select number, account_id, from_shard, to_shard, amount_minor, state, updated_at
    from payments.credit_moves where state in ('REQUESTED', 'OUT', 'UNDOING');
grant select on settlement.credit_under_way to settlement_app;
