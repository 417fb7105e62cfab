"""The closing checks: each is computed from the stores, none from what the demo counted itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.demo.evidence import Evidence, securities
from infra.demo.listener import Heard
from infra.local import aws, deploy
from infra.local.provision import engine_client
from infra.local.settings import Settings
from infra.trace.stores import rows
from shared.postgres.ledger_audit import verify_chain
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments

Verdict = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    ok: bool
    detail: str


def run_checks(settings: Settings, business_date: str, heard: Heard) -> Iterator[Check]:
    """Yield the checks one after another; a check that cannot be computed has failed."""
    evidence = Evidence(settings)
    checks: list[tuple[str, Callable[[], Verdict]]] = [
        ("money and securities conserved in the ledger", lambda: conserved(evidence)),
        ("ledger hash chain unbroken", lambda: chained(evidence)),
        ("ledger equals engine, account by account", lambda: ledger_equals_engine(evidence)),
        ("positions equal: engine, ledger, risk", lambda: positions_equal(evidence)),
        ("trades equal: journal, stream, clearing, market data", lambda: census(evidence)),
        ("open orders equal: orders service, engine", lambda: orders_equal(evidence)),
        ("journal replayed to the same state hash", lambda: replay_hash(evidence)),
        ("every due trade settled, nothing broken", lambda: settled(evidence, business_date)),
        ("MiFID II reports have both sides of each trade", lambda: reported(evidence)),
        ("WebSocket feed without a gap, same book", lambda: feed(evidence, heard)),
        ("no message given up", lambda: no_dead_letters(evidence)),
    ]
    for name, check in checks:
        try:
            yield Check(name, *check())
        except Exception as error:  # a store that cannot be read fails the check
            yield Check(name, False, f"{type(error).__name__}: {error}")


def conserved(evidence: Evidence) -> Verdict:
    sums = rows(
        evidence.clearing,
        "select a.asset, sum(e.amount)::bigint as total, count(*) as entries "
        "from ledger.entries e join ledger.accounts a using (account_id) "
        "join ledger.steps s using (transfer_id) where s.state = 'POSTED' group by a.asset",
    )
    entries = sum(row["entries"] for row in sums)
    wrong = [row["asset"] for row in sums if row["total"] != 0]
    fine = f"{entries} entries in {len(sums)} assets, each sums to 0"
    return entries > 0 and not wrong, _wrong_or(wrong, fine)


def chained(evidence: Evidence) -> Verdict:
    with UnitOfWork(evidence.clearing) as uow:
        report = verify_chain(uow.connection)
    return report.sound and report.length > 0, f"{report.length} links"


def ledger_equals_engine(evidence: Evidence) -> Verdict:
    return _equal({"engine": evidence.engine_holdings(), "ledger": evidence.ledger_holdings()})


def positions_equal(evidence: Evidence) -> Verdict:
    return _equal(
        {
            "engine": securities(evidence.engine_holdings()),
            "ledger": securities(evidence.ledger_holdings()),
            "risk": evidence.risk_positions(),
        }
    )


def census(evidence: Evidence) -> Verdict:
    counts = {
        "journal": evidence.journal_trades(),
        "stream": evidence.stream_trades(),
        "clearing": evidence.trades_in(evidence.clearing, "settlement.trades"),
        "market data": evidence.trades_in(evidence.market, "market.trades"),
    }
    trades, lots = counts["journal"]
    if trades > 0 and len(set(counts.values())) == 1:
        return True, f"{trades} trades of {lots} lots in each"
    return False, ", ".join(f"{name} {count} of {lots}" for name, (count, lots) in counts.items())


def orders_equal(evidence: Evidence) -> Verdict:
    return _equal(
        {"orders": evidence.open_orders_stored(), "engine": evidence.open_orders_in_engine()}
    )


def replay_hash(evidence: Evidence) -> Verdict:
    with engine_client(evidence.settings) as engine:
        found = [engine.shard(number).status() for number in range(evidence.settings.shards)]
    replayed = [evidence.replayed_journal(shard) for shard in range(len(found))]
    mask = (1 << 64) - 1  # one prints the hash as a signed word, the other as hexadecimal digits
    same = all(
        again["sequence"] == status.sequence
        and int(again["state_hash"], 16) & mask == status.state_hash & mask
        for again, status in zip(replayed, found, strict=True)
    )
    return same, ", ".join(
        f"{again['sequence']} commands, {again['state_hash']}" for again in replayed
    )


def settled(evidence: Evidence, business_date: str) -> Verdict:
    row = rows(
        evidence.clearing,
        "select count(*) filter (where state = 'SETTLED') as settled, "
        "count(*) filter (where state <> 'SETTLED' and due_date <= %s) as due "
        "from settlement.obligations",
        business_date,
    )[0]
    found = rows(
        evidence.clearing,
        "select count(b.kind) as breaks, count(distinct r.reconciliation_id) as runs "
        "from settlement.reconciliations r left join settlement.breaks b "
        "using (reconciliation_id) where r.batch_id = %s",
        business_date,
    )[0]
    ok = row["settled"] > 0 and row["due"] == 0 and found["runs"] > 0 and found["breaks"] == 0
    return ok, f"{row['settled']} obligations settled, {row['due']} due, {found['breaks']} breaks"


def reported(evidence: Evidence) -> Verdict:
    """Compare the trades with the transactions of all days, each of which is reported once."""
    trade_ids = evidence.trade_ids()
    sides = {f"{trade_id}{side}" for trade_id in trade_ids for side in "BS"}
    reported = evidence.reported_transactions()
    same = sorted(reported) == sorted(sides)
    return bool(sides) and same, f"{len(reported)} transactions for {len(trade_ids)} trades"


def feed(evidence: Evidence, heard: Heard) -> Verdict:
    instrument = instruments().by_symbol[heard.symbol]
    with engine_client(evidence.settings) as engine:
        book = engine.book(instrument.instrument_id, 0)
    assert book is not None
    expected = {
        side: {
            instrument.price_text(level.price_ticks): instrument.quantity_text(level.quantity_lots)
            for level in levels
        }
        for side, levels in (("BUY", book.bids), ("SELL", book.asks))
    }
    same = heard.books == expected
    detail = f"{heard.messages} updates, {heard.gaps} gaps, book {'equal' if same else 'differs'}"
    return heard.gaps == 0 and heard.messages > 0 and same, detail


def no_dead_letters(evidence: Evidence) -> Verdict:
    url = deploy.require(evidence.settings).outputs["StreamDeadLettersUrl"]
    attributes = aws.sqs(evidence.settings).get_queue_attributes(
        QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]
    count = int(attributes["ApproximateNumberOfMessages"])
    return count == 0, f"{count} messages in the dead-letter queue"


def _equal(books: Mapping[str, Mapping[Any, int]]) -> Verdict:
    """Return whether all books hold the same amounts; none of them may be empty."""
    keys = set().union(*books.values())
    wrong = [
        f"{key}: " + ", ".join(f"{name} {book.get(key, 0)}" for name, book in books.items())
        for key in sorted(keys)
        if len({book.get(key, 0) for book in books.values()}) > 1
    ]
    return bool(keys) and not wrong, _wrong_or(wrong, f"{len(keys)} compared")


def _wrong_or(wrong: list[str], fine: str) -> str:
    return f"{len(wrong)} differ: " + "; ".join(wrong[:3]) if wrong else fine
