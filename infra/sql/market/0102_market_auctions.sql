-- Nobody is the aggressor of a trade at an uncross.
alter table market.trades
    drop constraint trades_aggressor_side_check,
    add constraint trades_aggressor_side_check check (aggressor_side in ('BUY', 'SELL', 'NONE'));
