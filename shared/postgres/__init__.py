"""PostgreSQL adapters: pools, units of work, the outbox, idempotency keys, the ledger."""
