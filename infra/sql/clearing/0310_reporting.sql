-- What settlement shows to reporting: views, a contract of its own, and the reports made from them.

create schema reporting;

create view reporting.trades as
    select t.*,
           max(i.batch_id) filter (where i.state = 'SETTLED' and o.side = 'BUY') as buy_settled_on,
           max(i.instruction_id) filter (where i.state = 'SETTLED' and o.side = 'BUY')
               as buy_instruction_id,
           max(i.batch_id) filter (where i.state = 'SETTLED' and o.side = 'SELL')
               as sell_settled_on,
           max(i.instruction_id) filter (where i.state = 'SETTLED' and o.side = 'SELL')
               as sell_instruction_id
    from settlement.trades t
    left join settlement.instruction_obligations o using (trade_id)
    left join settlement.instructions i using (instruction_number)
    group by t.trade_id;

create view reporting.reconciliations as
    select r.reconciliation_id, r.batch_id, r.accounts, b.kind, b.account_id,
           b.subject, b.expected, b.found
    from settlement.reconciliations r left join settlement.breaks b using (reconciliation_id);

create table reporting.reports (
    report_date date not null,
    name text not null,
    object_key text not null,
    rows integer not null,
    bytes integer not null,
    sha256 text not null check (length(sha256) = 64),
    revision integer not null check (revision > 0),
    made_at timestamptz not null default now(),
    primary key (report_date, name, revision)
);

grant usage on schema reporting to reporting_app;
grant select on all tables in schema reporting to reporting_app;
grant insert on reporting.reports to reporting_app;
