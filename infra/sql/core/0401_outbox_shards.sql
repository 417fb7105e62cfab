-- What each engine said to a command that is for all of them, by shard.
alter table users.engine_outbox add column shard_answers jsonb;
alter table admin.engine_outbox add column shard_answers jsonb;
