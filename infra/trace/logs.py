"""Finds the log lines of one trace in the functions' log groups."""

import json
from typing import Any

from infra.local import aws
from infra.local.settings import Settings
from infra.trace.model import LOG_LINE, Hop

_GROUP_PREFIX = "/aws/lambda/"


def log_lines(settings: Settings, trace_id: str) -> list[Hop]:
    """Return every line that carries the trace id, oldest first."""
    if not trace_id:
        return []
    client = aws.logs(settings)
    found = []
    for page in client.get_paginator("describe_log_groups").paginate(
        logGroupNamePrefix=_GROUP_PREFIX
    ):
        for group in page["logGroups"]:
            name = group["logGroupName"]
            events = client.get_paginator("filter_log_events").paginate(
                logGroupName=name, filterPattern=f'"{trace_id}"'
            )
            found += [
                (event["timestamp"], name, event["message"])
                for batch in events
                for event in batch["events"]
                if trace_id in event["message"]
            ]
    return [
        Hop(LOG_LINE, name, _summary(message), {"timestamp_ms": timestamp, "line": message.strip()})
        for timestamp, name, message in sorted(found)
    ]


def _summary(message: str) -> str:
    try:
        line: dict[str, Any] = json.loads(message)
    except ValueError:
        return message.strip()[:120]
    parts = [line.get("service"), line.get("message"), line.get("route"), line.get("status")]
    return " ".join(str(part) for part in parts if part not in (None, ""))
