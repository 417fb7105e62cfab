-- Trades that were corrected: the terms that hold now. A busted trade's obligations are never netted.
create table settlement.amendments (
    trade_id bigint primary key references settlement.trades,
    price_ticks bigint not null check (price_ticks > 0),
    quantity_lots bigint not null check (quantity_lots > 0),
    amended_at timestamptz not null default now()
);
alter table settlement.obligations
    drop constraint obligations_state_check,
    add constraint obligations_state_check check (state in ('OPEN', 'NETTED', 'SETTLED', 'BUSTED'));
grant select, insert, update on settlement.amendments to settlement_app;
