-- The ledger's rules, kept by the database itself for whoever writes, the owner included:
-- balanced transfers, no change after the fact, balances that follow the steps, the hash chain.

-- One writer at a time, taken before anything else: the chain has one end, and a single lock in one
-- place cannot deadlock. Released at commit. The number is an arbitrary name.
create function ledger.lock() returns void language sql as
$$ select pg_advisory_xact_lock(4927143051) $$;

create function ledger.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'ledger.% is append-only', tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger accounts_append_only before update or delete or truncate on ledger.accounts
    execute function ledger.refuse_change();
create trigger transfers_append_only before update or delete or truncate on ledger.transfers
    execute function ledger.refuse_change();
create trigger entries_append_only before update or delete or truncate on ledger.entries
    execute function ledger.refuse_change();
create trigger steps_append_only before update or delete or truncate on ledger.steps
    execute function ledger.refuse_change();
create trigger chain_append_only before update or delete or truncate on ledger.chain
    execute function ledger.refuse_change();

-- Every account has its balance. Members may not owe; the house's accounts carry the other side.
create function ledger.open_balance() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into ledger.balances (account_id, may_be_negative)
    values (new.account_id, new.owner = 'HOUSE');
    return null;
end $$;
create trigger accounts_open_balance after insert on ledger.accounts
    for each row execute function ledger.open_balance();

-- At commit, each new transfer balances per asset and has been given a step.
create function ledger.check_transfer() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    if not exists (select from ledger.entries e where e.transfer_id = new.transfer_id)
       or exists (
           select from ledger.entries e join ledger.accounts a using (account_id)
           where e.transfer_id = new.transfer_id group by a.asset having sum(e.amount) <> 0) then
        raise exception 'transfer % does not balance', new.transfer_id
            using errcode = 'integrity_constraint_violation', constraint = 'transfer_balances';
    end if;
    if not exists (select from ledger.steps s where s.transfer_id = new.transfer_id) then
        raise exception 'transfer % has no step', new.transfer_id
            using errcode = 'integrity_constraint_violation', constraint = 'transfer_has_step';
    end if;
    return null;
end $$;
create constraint trigger transfer_balances after insert on ledger.transfers
    deferrable initially deferred for each row execute function ledger.check_transfer();

-- With a step a transfer is sealed. Every committed transfer has one, so none can grow later.
create function ledger.refuse_late_entries() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    if exists (select from added join ledger.steps s using (transfer_id)) then
        raise exception 'entries cannot be added to a sealed transfer'
            using errcode = 'integrity_constraint_violation', constraint = 'transfer_sealed';
    end if;
    return null;
end $$;
create trigger entries_before_steps after insert on ledger.entries
    referencing new table as added for each statement
    execute function ledger.refuse_late_entries();

-- POSTED alone: the amounts move. PENDING: debits are set aside. POSTED or VOIDED after PENDING:
-- what was set aside is released, and, when POSTED, moved.
create function ledger.apply_steps() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    perform ledger.lock();
    if exists (select from added a where a.state = 'VOIDED' and not exists (
            select from ledger.steps s
            where s.transfer_id = a.transfer_id and s.state = 'PENDING')) then
        raise exception 'only a pending transfer can be voided'
            using errcode = 'integrity_constraint_violation', constraint = 'void_needs_pending';
    end if;
    update ledger.balances b
    set posted = b.posted + change.posted, pending_debits = b.pending_debits + change.pending
    from (
        select e.account_id,
               coalesce(sum(e.amount) filter (where a.state = 'POSTED'), 0) as posted,
               coalesce(sum(-e.amount) filter (where e.amount < 0 and a.state = 'PENDING'), 0)
               - coalesce(sum(-e.amount) filter (where e.amount < 0 and a.state <> 'PENDING'
                                                 and p.transfer_id is not null), 0) as pending
        from added a
        join ledger.entries e using (transfer_id)
        left join ledger.steps p
            on p.transfer_id = a.transfer_id and p.state = 'PENDING' and a.state <> 'PENDING'
        group by e.account_id
    ) change
    where b.account_id = change.account_id;
    return null;
end $$;
create trigger steps_apply after insert on ledger.steps
    referencing new table as added for each statement execute function ledger.apply_steps();

-- Each step's canonical text, chained. Owners and free texts are length-prefixed, so that no two
-- steps have the same text. shared/domain/ledger.py writes the same text on its own to verify.
create function ledger.extend_chain() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
declare
    last_sequence bigint;
    last_hash bytea;
    step record;
    transfer_ids bigint[];
    states text[];
    hashes bytea[];
begin
    perform ledger.lock();
    select c.sequence, c.hash into last_sequence, last_hash
    from ledger.chain c order by c.sequence desc limit 1;
    last_sequence := coalesce(last_sequence, 0);
    last_hash := coalesce(last_hash, sha256(''::bytea));
    for step in
        select s.transfer_id, s.state, convert_to(
            concat_ws('|', s.transfer_id, s.state, s.recorded_us, t.kind,
                      length(t.reference), t.reference, length(t.trace_id), t.trace_id,
                      string_agg(concat_ws(',', length(a.owner), a.owner, a.asset, a.purpose,
                                           e.amount), ';' order by e.line)), 'UTF8') as body
        from added s
        join ledger.transfers t using (transfer_id)
        join ledger.entries e using (transfer_id)
        join ledger.accounts a using (account_id)
        group by s.transfer_id, s.state, s.recorded_us, t.kind, t.reference, t.trace_id
        order by s.transfer_id, s.state
    loop
        last_hash := sha256(last_hash || step.body);
        transfer_ids := array_append(transfer_ids, step.transfer_id);
        states := array_append(states, step.state);
        hashes := array_append(hashes, last_hash);
    end loop;
    insert into ledger.chain (sequence, transfer_id, state, hash)
    select last_sequence + l.place, l.transfer_id, l.state, l.hash
    from unnest(transfer_ids, states, hashes)
        with ordinality as l (transfer_id, state, hash, place);
    return null;
end $$;
create trigger steps_extend_chain after insert on ledger.steps
    referencing new table as added for each statement execute function ledger.extend_chain();
