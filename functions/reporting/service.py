"""Makes the reports of a business date: same data, same bytes, stored once per content."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Protocol

from functions.reporting.csv_reports import reconciliation_csv, trades_csv
from functions.reporting.mifid import transaction_report
from functions.reporting.records import read_breaks, read_trades
from shared.domain.calendars import calendar
from shared.postgres.pool import PoolSource
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import Instruments

REPORT_CALENDAR: Final = "XNYS"


class ReportStore(Protocol):
    def put(self, key: str, body: bytes, content_type: str, sha256: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Report:
    name: str
    content_type: str
    rows: int
    body: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()


def make_daily_reports(
    source: PoolSource, store: ReportStore, instruments: Instruments, business_date: date
) -> list[dict[str, str | int]]:
    """Make and store the date's reports; return what each is and where it lies.

    The object goes to the store before its row is committed: a run that is cut off stores the same
    object again. A report whose bytes are those of its last revision is left alone.
    """
    answer: list[dict[str, str | int]] = []
    with UnitOfWork(source) as uow:
        uow.connection.execute(
            "select pg_advisory_xact_lock(hashtext('reporting'), %s)", (business_date.toordinal(),)
        )
        for report in _reports(uow, instruments, business_date):
            key = f"daily/{business_date.isoformat()}/{report.name}"
            last = _last_revision(uow, business_date, report.name)
            revision, last_sha256 = last
            if report.sha256 != last_sha256:
                revision += 1
                store.put(key, report.body, report.content_type, report.sha256)
                _insert(uow, business_date, report, key, revision)
            answer.append(
                {
                    "name": report.name,
                    "key": key,
                    "rows": report.rows,
                    "bytes": len(report.body),
                    "sha256": report.sha256,
                    "revision": revision,
                }
            )
        uow.commit()
    return answer


def _reports(uow: UnitOfWork, instruments: Instruments, business_date: date) -> Iterable[Report]:
    """Yield the reports of all trades since the session before."""
    trades = read_trades(uow, _session_before(business_date), business_date)
    breaks = read_breaks(uow, business_date)
    yield Report("trades.csv", "text/csv", len(trades), trades_csv(trades, instruments))
    yield Report(
        "mifid2-transactions.xml",
        "application/xml",
        2 * len(trades),
        transaction_report(trades, instruments),
    )
    found = sum(1 for item in breaks if item.kind)
    yield Report("reconciliation.csv", "text/csv", found, reconciliation_csv(breaks))


def _session_before(day: date) -> date:
    venue = calendar(REPORT_CALENDAR)
    day -= timedelta(days=1)
    while not venue.is_session(day):
        day -= timedelta(days=1)
    return day


def _last_revision(uow: UnitOfWork, business_date: date, name: str) -> tuple[int, str]:
    row = uow.connection.execute(
        "select revision, sha256 from reporting.reports where report_date = %s and name = %s "
        "order by revision desc limit 1",
        (business_date, name),
    ).fetchone()
    return (0, "") if row is None else (int(row[0]), str(row[1]))


def _insert(uow: UnitOfWork, business_date: date, report: Report, key: str, revision: int) -> None:
    uow.connection.execute(
        "insert into reporting.reports (report_date, name, object_key, rows, bytes, sha256, "
        "revision) values (%s, %s, %s, %s, %s, %s, %s)",
        (
            business_date,
            report.name,
            key,
            report.rows,
            len(report.body),
            report.sha256,
            revision,
        ),
    )
