-- Busts and corrections on their way: ASKED of settlement, SENT to the engine with an action, or given
-- up (ABANDONED) because the one who asked ended in between; DONE once settlement knows the outcome.
create table admin.amendments (
    amendment_id bigint generated always as identity primary key,
    trade_id bigint not null,
    state text not null default 'ASKED' check (state in ('ASKED', 'SENT', 'ABANDONED', 'DONE')),
    command_id bigint,  -- of the engine command, from SENT on
    created_at timestamptz not null default clock_timestamp(),
    check ((command_id is null) or state in ('SENT', 'DONE'))
);
create index on admin.amendments (amendment_id) where state <> 'DONE';
grant select, insert, update (state, command_id) on admin.amendments to backoffice_app;
