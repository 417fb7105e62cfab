"""Entry of the reporting function: makes the daily reports when the settlement batch asks."""

import time
from datetime import date
from typing import Any

from aws_lambda_powertools import Logger

from functions.reporting.adapters import S3ReportStore
from functions.reporting.service import make_daily_reports
from shared.edge.settings import dsn, setting
from shared.edge.tracing import start_trace, trace_id
from shared.reference import instruments

logger = Logger(service="reporting")


def daily_report_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Make the reports of `business_date` (ISO); a repeat with the same data changes nothing."""
    if event.get("ping") is True:
        return {"pong": "reporting"}
    started_ns = time.perf_counter_ns()
    start_trace(event.get("traceparent"))
    business_date = date.fromisoformat(event["business_date"])
    reports = make_daily_reports(
        lambda: dsn("reporting"),
        S3ReportStore(setting("REPORT_BUCKET")),
        instruments(),
        business_date,
    )
    logger.info(
        "daily_report",
        extra={
            "business_date": business_date.isoformat(),
            "reports": [f"{item['name']}#{item['revision']}" for item in reports],
            "duration_ms": (time.perf_counter_ns() - started_ns) // 1_000_000,
            "trace_id": trace_id(),
        },
    )
    return {"business_date": business_date.isoformat(), "reports": reports}
