"""Runs the settlement state machine for a business date and waits for its end."""

import json
import time
from datetime import date
from typing import Any, Final

from functions.reporting.service import REPORT_CALENDAR
from infra.local import aws, databases, deploy
from infra.local.settings import Settings
from infra.trace.stores import rows
from shared.domain.calendars import calendar

TIMEOUT_S: Final = 600.0
_POLL_S: Final = 0.2


def settle(
    settings: Settings, business_date: str = "today", timeout_s: float = TIMEOUT_S
) -> dict[str, Any]:
    """Start the batch of a date (YYYY-MM-DD, or "today" at the venue) and return how it ended.

    Returns {"status": SUCCEEDED, FAILED, TIMED_OUT, ABORTED or RUNNING, "execution",
    "output": {…}, "error", "cause"}; a batch that still runs after `timeout_s` goes on and is
    RUNNING. Running a date again is harmless.
    """
    machine = deploy.require(settings).outputs["SettlementStateMachineArn"]
    client = aws.step_functions(settings)
    execution = client.start_execution(
        stateMachineArn=machine, input=json.dumps({"business_date": business_date})
    )["executionArn"]
    deadline = time.monotonic() + timeout_s
    while True:
        found = client.describe_execution(executionArn=execution)
        if found["status"] != "RUNNING" or time.monotonic() >= deadline:
            break
        time.sleep(_POLL_S)
    output = json.loads(found["output"]) if found.get("output") else {}
    return {
        "status": found["status"],
        "execution": execution,
        "output": output,
        "error": found.get("error", ""),
        "cause": found.get("cause", ""),
    }


def business_dates_of_trades(settings: Settings) -> list[str]:
    """Return the business dates whose reports name the trades captured so far, oldest first.

    There are several when trading went on past the venue's midnight.
    """
    found = rows(
        databases.owner_dsn(settings, "clearing"),
        "select distinct trade_date::text as day from settlement.trades",
    )
    venue = calendar(REPORT_CALENDAR)
    return sorted(
        {venue.session_on_or_after(date.fromisoformat(row["day"])).isoformat() for row in found}
    )
