-- Services append and read. Balances and the chain are written by triggers alone.

grant usage on schema ledger to payments_app, settlement_app;
grant select on all tables in schema ledger to payments_app, settlement_app;
grant insert (owner, asset, purpose) on ledger.accounts to payments_app, settlement_app;
grant insert (kind, reference, trace_id) on ledger.transfers to payments_app, settlement_app;
grant insert (transfer_id, line, account_id, amount) on ledger.entries
    to payments_app, settlement_app;
grant insert (transfer_id, state) on ledger.steps to payments_app, settlement_app;
revoke all on all functions in schema ledger from public;
grant execute on function ledger.lock() to payments_app, settlement_app;
