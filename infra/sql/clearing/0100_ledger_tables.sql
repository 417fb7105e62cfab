-- The double-entry ledger. Nothing here is ever updated or deleted except the balances, which only
-- the triggers of 0101 touch. A transfer is a set of entries; its steps (PENDING, POSTED, VOIDED)
-- say what became of it; every step is a link of one hash chain.

create schema ledger;

create table ledger.accounts (
    account_id bigint generated always as identity primary key,
    owner text not null check (owner <> ''),
    asset text not null check (asset ~ '^[A-Z0-9]{3}([A-Z0-9]{9})?$'),  -- ISO 4217 or ISIN
    purpose text not null check (purpose ~ '^[A-Z_]+$'),
    unique (owner, asset, purpose)
);

-- posted: sum of posted entries. pending_debits: what pending transfers will take away.
create table ledger.balances (
    account_id bigint primary key references ledger.accounts,
    posted bigint not null default 0,
    pending_debits bigint not null default 0,
    may_be_negative boolean not null,
    constraint pending_debits_not_negative check (pending_debits >= 0),
    constraint balance_not_negative check (may_be_negative or posted - pending_debits >= 0)
);

create table ledger.transfers (
    transfer_id bigint generated always as identity primary key,
    kind text not null check (kind ~ '^[A-Z_]+$'),
    reference text not null check (reference <> ''),
    trace_id text not null default '',
    unique (kind, reference)
);

create table ledger.entries (
    transfer_id bigint not null references ledger.transfers,
    line smallint not null check (line > 0),
    account_id bigint not null references ledger.accounts,
    amount bigint not null check (amount <> 0 and abs(amount) < 4611686018427387904),
    primary key (transfer_id, line)
);
create index entries_by_account on ledger.entries (account_id, transfer_id);

create table ledger.steps (
    transfer_id bigint not null references ledger.transfers,
    state text not null check (state in ('PENDING', 'POSTED', 'VOIDED')),
    recorded_us bigint not null
        default (extract(epoch from clock_timestamp()) * 1000000)::bigint,  -- since 1970, UTC
    primary key (transfer_id, state)
);
-- A transfer ends once: POSTED or VOIDED, never both.
create unique index steps_end_once on ledger.steps (transfer_id) where state <> 'PENDING';

-- hash = sha256(hash of sequence - 1, then the step's canonical text); see shared/domain/ledger.py.
create table ledger.chain (
    sequence bigint primary key,
    transfer_id bigint not null,
    state text not null,
    hash bytea not null check (length(hash) = 32),
    unique (transfer_id, state),
    foreign key (transfer_id, state) references ledger.steps
);
