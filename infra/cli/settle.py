"""`trading settle`: run the settlement batch of a business date."""

import json
from datetime import date
from typing import Any

import click

from infra.local import settings, settlement
from infra.local.errors import StackError


@click.command()
@click.option(
    "--date",
    "business_date",
    default="next",
    show_default=True,
    help='Business date (YYYY-MM-DD), "today" at the venue, or "next": its first session from now.',
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document on standard output.")
def settle(business_date: str, as_json: bool) -> None:
    """Settle what is due by a business date, reconcile, report. Running a date again is harmless.

    Exits with 1 unless the batch ran to its end without a break in its reconciliation.
    """
    if business_date not in ("today", "next"):
        _check_date(business_date)
    result = settlement.settle(settings.load(), business_date)
    click.echo(json.dumps(result) if as_json else _told(result))
    output = result["output"]
    if output.get("outcome") != "DONE" or output["reconciliation"]["breaks"]:
        raise SystemExit(1)


def _check_date(text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise StackError(f"--date {text} is no date of the form YYYY-MM-DD") from error


def _told(result: dict[str, Any]) -> str:
    """Return the batch's end for people to read."""
    output = result["output"]
    if output.get("outcome") == "NOT_A_BUSINESS_DAY":
        return "not a business day: nothing was settled"
    if output.get("outcome") != "DONE":
        return f"{result['status']}: {result.get('error', '')} {result.get('cause', '')}".rstrip()
    reconciliation, counts = output["reconciliation"], output["instructions"]
    settled = f"{counts['settled']} instructions settled, {counts['rolled']} rolled"
    lines = [
        f"batch {output['batch_id']}: {settled}, {output['published']} events published",
        f"reconciliation: {reconciliation['accounts']} accounts, {reconciliation['breaks']} breaks",
    ]
    for item in reconciliation["first_breaks"]:
        differs = f"expected {item['expected']}, found {item['found']}"
        lines.append(f"  {item['kind']} account {item['account_id']} {item['subject']}: {differs}")
    for item in output["reports"]:
        size = f"{item['rows']} rows, {item['bytes']} bytes, sha256 {item['sha256'][:12]}"
        lines.append(f"report {item['key']}: {size}")
    return "\n".join(lines)
