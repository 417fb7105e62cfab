"""Entries of the settlement function: the HTTP API, trade capture, the state machine's tasks."""

import time
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.openapi.params import Path, Query

from functions.settlement import queries
from functions.settlement.capture import capture
from functions.settlement.queries import SettlementDetail, SettlementList
from functions.settlement.service import Tasks
from shared.edge.auth import principal
from shared.edge.engine import engine
from shared.edge.http import HttpApp
from shared.edge.problems import Problem
from shared.edge.rate_limit import rate_limit
from shared.edge.settings import dsn
from shared.edge.stream_handler import StreamRecord, stream_handler
from shared.edge.tracing import start_trace, trace_id
from shared.postgres.unit_of_work import UnitOfWork
from shared.reference import instruments
from shared.streams import open_stream
from shared.wire.stream_events import TradeExecution

app = HttpApp("settlement")
logger = Logger(service="settlement")


def _source() -> str:
    return dsn("settlement")


@cache
def _tasks() -> Tasks:
    return Tasks(_source, engine(), open_stream(), instruments())


@app.get(
    "/api/v1/settlements",
    summary="List the caller's settlements, newest first",
    middlewares=[rate_limit("reads")],
)
def list_settlements(
    before: Annotated[
        int | None, Query(ge=1, le=queries.MAX_NUMBER, description="next_before of a page")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=queries.MAX_PAGE)] = 50,
) -> SettlementList:
    account_id = principal(app).trading_account()
    with UnitOfWork(_source) as uow:
        return queries.list_settlements(uow, instruments(), account_id, before, limit)


@app.get(
    "/api/v1/settlements/<instruction_id>",
    summary="Show one settlement with its trades",
    middlewares=[rate_limit("reads")],
)
def get_settlement(
    instruction_id: Annotated[str, Path(pattern=r"^[0-9-]{1,64}$")],
) -> SettlementDetail:
    account_id = principal(app).trading_account()
    with UnitOfWork(_source) as uow:
        found = queries.get_settlement(uow, instruments(), account_id, instruction_id)
    if found is None:
        raise Problem(404, "settlement_not_found", "There is no such settlement of yours.")
    return found


handler = app.handler


@stream_handler("settlement", TradeExecution)
def trade_capture_handler(records: Sequence[StreamRecord[TradeExecution]]) -> None:
    with UnitOfWork(_source) as uow:
        capture(uow, instruments(), [record.value for record in records])
        uow.commit()


def task_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Run the task that the state machine names by `action`."""
    if event.get("ping") is True:
        return {"pong": "settlement"}
    started_ns = time.perf_counter_ns()
    start_trace(event.get("traceparent"))
    answer = _tasks().run(event["action"], event)
    logger.info(
        "settlement_task",
        extra={
            "action": event["action"],
            "batch_id": event.get("batch_id", answer.get("batch_id", "")),
            "instruction_id": event.get("instruction_id", ""),
            "outcome": answer.get("outcome", ""),
            "duration_ms": (time.perf_counter_ns() - started_ns) // 1_000_000,
            "trace_id": trace_id(),
        },
    )
    return answer
