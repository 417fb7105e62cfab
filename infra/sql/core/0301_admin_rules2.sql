-- What operators may do under rules 2: sessions, the day, the kill switch, amended trades.
alter table admin.actions
    drop constraint actions_action_check,
    add constraint actions_action_check check (action in (
        'HALT_INSTRUMENT', 'RESUME_INSTRUMENT', 'SET_SESSION', 'UNCROSS', 'END_OF_DAY', 'DELIST_INSTRUMENT',
        'SET_KILL_SWITCH', 'BUST_TRADE', 'CORRECT_TRADE')),
    add column detail text not null default '';  -- the session, on or off, the corrected terms
