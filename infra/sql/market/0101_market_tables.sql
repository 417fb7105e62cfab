-- Public trades, one-minute candles and their roll-ups. Plain PostgreSQL: monthly partitions made
-- ahead, roll-ups as views under the names that TimescaleDB's continuous aggregates would have.
create schema market;

create table market.trades (
    trade_id bigint not null,           -- grows with the journal within a shard
    traded_at timestamptz not null,     -- time_ns to the microsecond
    time_ns bigint not null,
    instrument_id integer not null,
    price_ticks bigint not null check (price_ticks > 0),
    quantity_lots bigint not null check (quantity_lots > 0),
    aggressor_side text not null check (aggressor_side in ('BUY', 'SELL')),
    primary key (trade_id, traded_at)
) partition by range (traded_at);
create index trades_by_instrument on market.trades (instrument_id, traded_at desc, trade_id desc);

-- Makes the partition of a month (UTC) and of the one after it, so that writers find it ready.
-- The application may call it and make no other table.
create function market.ensure_trade_partitions(month_of timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    first_day timestamp := date_trunc('month', month_of at time zone 'UTC');
    starts timestamp;
begin
    perform pg_advisory_xact_lock(hashtext('market.ensure_trade_partitions'));
    foreach starts in array array[first_day, first_day + interval '1 month'] loop
        if to_regclass(format('market.trades_%s', to_char(starts, 'YYYY_MM'))) is null then
            execute format(
                'create table market.%I partition of market.trades for values from (%L) to (%L)',
                'trades_' || to_char(starts, 'YYYY_MM'),
                starts at time zone 'UTC', (starts + interval '1 month') at time zone 'UTC');
        end if;
    end loop;
end $$;
revoke all on function market.ensure_trade_partitions from public;
select market.ensure_trade_partitions(now());

-- first_trade_id and last_trade_id decide open and close, so a trade that comes late or again
-- leaves a candle as it has to be.
create table market.candles_1m (
    instrument_id integer not null,
    bucket timestamptz not null,
    open_ticks bigint not null,
    high_ticks bigint not null,
    low_ticks bigint not null,
    close_ticks bigint not null,
    volume_lots numeric(38, 0) not null,
    value numeric(38, 0) not null,      -- sum of ticks times lots: value / volume_lots is the VWAP
    trades bigint not null,
    first_trade_id bigint not null,
    last_trade_id bigint not null,
    primary key (instrument_id, bucket)
);

create function market.rolled_up(width interval)
returns table (instrument_id integer, bucket timestamptz, open_ticks bigint, high_ticks bigint,
               low_ticks bigint, close_ticks bigint, volume_lots numeric, value numeric,
               trades numeric)
language sql stable as $$
    select c.instrument_id, date_bin(width, c.bucket, 'epoch'::timestamptz) as wide,
           (array_agg(c.open_ticks order by c.bucket))[1], max(c.high_ticks), min(c.low_ticks),
           (array_agg(c.close_ticks order by c.bucket desc))[1],
           sum(c.volume_lots), sum(c.value), sum(c.trades)
    from market.candles_1m c group by c.instrument_id, wide
$$;
create view market.candles_5m as select * from market.rolled_up('5 minutes');
create view market.candles_1h as select * from market.rolled_up('1 hour');
create view market.candles_1d as select * from market.rolled_up('1 day');

grant usage on schema market to marketdata_app;
grant select, insert on market.trades to marketdata_app;
grant select, insert, update on market.candles_1m to marketdata_app;
grant select on market.candles_5m, market.candles_1h, market.candles_1d to marketdata_app;
grant execute on function market.ensure_trade_partitions to marketdata_app;
