"""The ledger's auditor: conservation of every asset, balances against entries, the hash chain."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shared.domain.ledger import CHAIN_START, ChainedEntry, ChainedStep, chain_hash
from shared.postgres.pool import Connection

_PAGE: Final = 5_000

_STEPS = """
    select c.sequence, c.hash, c.transfer_id, c.state, s.recorded_us, t.kind, t.reference,
           t.trace_id,
           array_agg(a.owner order by e.line), array_agg(a.asset order by e.line),
           array_agg(a.purpose order by e.line), array_agg(e.amount order by e.line)
    from (select * from ledger.chain where sequence > %s order by sequence limit %s) c
    left join ledger.steps s using (transfer_id, state)
    left join ledger.transfers t using (transfer_id)
    left join ledger.entries e using (transfer_id)
    left join ledger.accounts a using (account_id)
    group by c.sequence, c.hash, c.transfer_id, c.state, s.recorded_us, t.kind, t.reference,
             t.trace_id
    order by c.sequence
"""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`broken_at` is the first sequence that does not follow from those before; None when sound."""

    length: int
    head: bytes
    broken_at: int | None = None

    @property
    def sound(self) -> bool:
        return self.broken_at is None


@dataclass(frozen=True, slots=True)
class WrongBalance:
    """A stored balance that differs from what the account's entries sum to."""

    owner: str
    asset: str
    purpose: str
    posted: int
    posted_by_entries: int
    pending_debits: int
    pending_debits_by_entries: int


def conservation(connection: Connection) -> dict[str, int]:
    """Return the sum of all posted entries per asset; every value is 0 in a sound ledger."""
    rows = connection.execute(
        "select a.asset, coalesce(sum(e.amount) filter (where s.state = 'POSTED'), 0) "
        "from ledger.accounts a left join ledger.entries e using (account_id) "
        "left join ledger.steps s on s.transfer_id = e.transfer_id and s.state = 'POSTED' "
        "group by a.asset"
    )
    return {asset: int(total) for asset, total in rows}


def wrong_balances(connection: Connection) -> list[WrongBalance]:
    """Return the balances that do not follow from the entries."""
    rows = connection.execute(
        "select a.owner, a.asset, a.purpose, b.posted, w.posted, b.pending_debits, w.pending "
        "from ledger.balances b join ledger.accounts a using (account_id), lateral ("
        "  select coalesce(sum(e.amount) filter (where l.state = 'POSTED'), 0) as posted,"
        "  coalesce(sum(-e.amount) filter (where l.state = 'PENDING' and e.amount < 0), 0)"
        "    as pending"
        "  from ledger.entries e, lateral (select s.state from ledger.steps s"
        "    where s.transfer_id = e.transfer_id order by s.state = 'PENDING' limit 1) l"
        "  where e.account_id = b.account_id) w "
        "where (b.posted, b.pending_debits) <> (w.posted, w.pending) order by a.account_id"
    )
    return [WrongBalance(*row[:3], *(int(value) for value in row[3:])) for row in rows]


def verify_chain(connection: Connection) -> ChainReport:
    """Recompute every hash from the stored rows, and find the first that differs.

    A changed, removed or inserted row shows as the first link that no longer follows; steps that
    the chain does not know show as a break after its end.
    """
    previous, sequence = CHAIN_START, 0
    for found_sequence, found_hash, step in _links(connection):
        if found_sequence != sequence + 1 or step is None:
            return ChainReport(sequence, previous, sequence + 1)
        if chain_hash(previous, step) != found_hash:
            return ChainReport(sequence, previous, found_sequence)
        previous, sequence = found_hash, found_sequence
    row = connection.execute("select count(*) from ledger.steps").fetchone()
    assert row is not None
    return ChainReport(sequence, previous, None if row[0] == sequence else sequence + 1)


def _links(connection: Connection) -> Iterator[tuple[int, bytes, ChainedStep | None]]:
    """Yield (sequence, hash, step) in order; the step is None where its rows are missing."""
    after = 0
    while True:
        page = connection.execute(_STEPS, (after, _PAGE)).fetchall()
        for sequence, digest, transfer_id, state, recorded_us, *rest in page:
            after = sequence
            kind, reference, trace_id, owners, assets, purposes, amounts = rest
            if recorded_us is None or kind is None or None in owners:
                yield sequence, bytes(digest), None
                continue
            entries = [
                ChainedEntry(*fields)
                for fields in zip(owners, assets, purposes, amounts, strict=True)
            ]
            step = ChainedStep(transfer_id, state, recorded_us, kind, reference, trace_id, entries)
            yield sequence, bytes(digest), step
        if len(page) < _PAGE:
            return
