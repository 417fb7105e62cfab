-- Every engine tells of an account's limits; the word of the one with the lowest number counts.
alter table risk.engine_limits add column shard integer not null default 0;
