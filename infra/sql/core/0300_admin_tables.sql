-- The back office: what operators did, and the projections of other services that it shows.

create schema admin;

create table admin.actions (
    action_id bigint generated always as identity primary key,
    action text not null check (action in ('HALT_INSTRUMENT', 'RESUME_INSTRUMENT')),
    subject text not null,
    operator text not null check (operator <> ''),
    reason text not null check (reason <> ''),
    command_id bigint,  -- of the engine command that carries the action out
    trace_id text not null default '',
    created_at timestamptz not null default now()
);

create table admin.engine_outbox (
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
create index on admin.engine_outbox (outbox_id) where answered_at is null;
create index on admin.engine_outbox (account_id, outbox_id) where answered_at is null;

-- What users and orders show to the back office, and nothing else of theirs.
create view admin.accounts as
    select a.account_id, a.currency, a.opened_at, u.user_id, u.email, u.given_name, u.family_name,
           u.country, u.kyc_status
    from users.accounts a join users.users u using (user_id);
create view admin.orders as
    select order_id, account_id, instrument_id, side, order_type, time_in_force, price_ticks,
           quantity_lots, leaves_lots, filled_lots, status, reason, created_at
    from orders.orders;

grant usage on schema admin to backoffice_app;
grant select on all tables in schema admin to backoffice_app;
-- The audit trail is append-only; only the id of the command is added afterwards.
grant insert, update (command_id) on admin.actions to backoffice_app;
grant insert, update on admin.engine_outbox to backoffice_app;
