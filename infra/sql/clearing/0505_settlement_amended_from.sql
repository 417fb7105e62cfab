-- The terms before the last correction: the same request again is told them, and not its own.
alter table settlement.amendments add column from_price_ticks bigint, add column from_quantity_lots bigint;
