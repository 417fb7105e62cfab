-- Alerts of rules 2: limits on prices that were met, kill switches, amended trades.
alter table risk.alerts
    drop constraint alerts_kind_check,
    add constraint alerts_kind_check check (kind in (
        'REJECTION_BURST', 'ACCOUNT_STATE', 'INSTRUMENT_STATE', 'LIMITS', 'PRICE_LIMIT', 'KILL_SWITCH',
        'TRADE_BUSTED', 'TRADE_CORRECTED'));
