-- Users, their identity checks, their trading accounts, and what they have sent to the engine.
create schema if not exists users;

create table users.users (
    user_id uuid primary key,
    email text not null unique check (email = lower(email) and length(email) <= 254),
    subject text unique,                -- the identity pool's name of the user; null until it answered
    given_name text not null,
    family_name text not null,
    date_of_birth date not null,
    country text not null check (country ~ '^[A-Z]{2}$'),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    kyc_status text not null default 'PENDING'
        check (kyc_status in ('PENDING', 'IN_PROGRESS', 'APPROVED', 'REFUSED')),
    trace_id text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);
create index users_unfinished on users.users (created_at)
    where kyc_status in ('PENDING', 'IN_PROGRESS');

create table users.kyc_checks (
    user_id uuid primary key references users.users on delete cascade,
    applicant_id text not null unique,
    check_id text unique,               -- null until the provider has named it
    status text not null default '',
    result text not null default '',
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp()
);

-- Ids below 1001 are for accounts of the house, which no user owns.
create table users.accounts (
    account_id bigint generated always as identity (start with 1001 maxvalue 1073741823) primary key,
    user_id uuid not null references users.users,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    opened_at timestamptz not null default clock_timestamp(),
    unique (user_id, currency)
);

create table users.engine_outbox (
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
create index engine_outbox_waiting on users.engine_outbox (outbox_id) where answered_at is null;
create index engine_outbox_waiting_by_account on users.engine_outbox (account_id, outbox_id)
    where answered_at is null;

grant usage on schema users to users_app;
grant select, insert, update, delete on users.users, users.kyc_checks to users_app;
grant select, insert on users.accounts to users_app;
grant select, insert, update on users.engine_outbox to users_app;
