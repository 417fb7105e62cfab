-- What each engine said to a command that is for all of them, by shard.
alter table payments.engine_outbox add column shard_answers jsonb;
alter table settlement.engine_outbox add column shard_answers jsonb;
alter table risk.engine_outbox add column shard_answers jsonb;
