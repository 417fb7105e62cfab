-- When a move's next command was last sent in vain: it may still reach the engine, so that what the
-- engine refuses shortly afterwards is not yet the end of it.
alter table payments.credit_moves add column unanswered_at timestamptz;
