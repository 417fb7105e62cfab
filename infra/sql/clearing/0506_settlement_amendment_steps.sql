-- An amendment is asked for, then applied once the engine has carried it out, or withdrawn. What was
-- asked and what became of it are rows that never change; until the second comes, the trade's
-- obligations are AMENDING, which no batch takes up. settlement.amendments has the terms that hold now.
create table settlement.amendment_steps (
    amendment_id bigint not null,  -- of the back office
    step text not null check (step in ('ASKED', 'APPLIED', 'WITHDRAWN')),
    trade_id bigint not null,
    price_ticks bigint check (price_ticks > 0),  -- ASKED: the corrected terms; neither is a bust
    quantity_lots bigint check (quantity_lots > 0),
    taken_at timestamptz not null default clock_timestamp(),
    primary key (amendment_id, step)
);
create unique index on settlement.amendment_steps (amendment_id) where step <> 'ASKED';
create index on settlement.amendment_steps (trade_id);
alter table settlement.amendments drop column from_price_ticks, drop column from_quantity_lots;
alter table settlement.obligations
    drop constraint obligations_state_check,
    add constraint obligations_state_check
        check (state in ('OPEN', 'AMENDING', 'NETTED', 'SETTLED', 'BUSTED'));
grant select, insert on settlement.amendment_steps to settlement_app;
