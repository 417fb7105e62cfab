-- The limits that the engine has, as it told by `risk-events`, whoever set them.
create table risk.engine_limits (
    account_id bigint primary key,
    max_order_lots bigint not null,         -- 2^62 - 1 is no limit
    max_order_value_minor bigint not null,
    max_position_lots bigint not null,
    max_open_orders bigint not null,
    engine_sequence bigint not null
);
grant select, insert, update on risk.engine_limits to risk_app;
