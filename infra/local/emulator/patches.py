"""Cures for defects of ministack 1.5.33: one function each, with the defect that it cures.

Each has a test in tests/integration/test_emulator_workarounds.py. Those that change source text
check that the text is still there, so that a new version fails at once and not in subtle ways.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

_HANDLER_FAILED: Final = "__handler_failed__"

_WORKER_REPORTS: Final = (
    '_real_stdout.write(json.dumps({"status": "error", "error": str(e),'
    ' "trace": traceback.format_exc()}) + "\\n")'
)
_WORKER_REPORTS_THE_TYPE: Final = (
    '_real_stdout.write(json.dumps({"status": "ok", "result": {"' + _HANDLER_FAILED + '": {'
    '"errorMessage": str(e), "errorType": type(e).__name__, "requestId": context.aws_request_id,'
    ' "stackTrace": traceback.format_tb(e.__traceback__)[1:]},'
    ' "trace": traceback.format_exc()}}) + "\\n")'
)

_QUIET_LOG_WAIT_S: Final = 0.003
_QUIET_LOG_CONFIRM_S: Final = 0.002
_STATE_MACHINE_DELAY_S: Final = 0.15
_WORKERS_PER_FUNCTION: Final = 4
_LONGEST_QUEUE_WAIT_S: Final = 30.0
_INVOCATIONS_LOGGED: Final = 2_000  # per function


def apply_all(worker_environment: Mapping[str, str]) -> None:
    """Apply every cure; call once, before the emulator serves."""
    report_exception_classes()
    shorten_log_wait()
    store_cors_as_it_is_read()
    start_state_machines_at_once()
    isolate_workers(worker_environment)
    bound_workers()
    bound_logs()


def report_exception_classes() -> None:
    """Report a handler's exception by its class, and keep the worker.

    Defect: errorType is always Runtime.HandlerError, so that Retry and Catch of a state machine
    cannot name an exception, and the worker is killed, so that the next call pays a cold start.
    """
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    assert _WORKER_REPORTS in script, "ministack's worker script changed"
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_WORKER_REPORTS, _WORKER_REPORTS_THE_TYPE)
    execute = lambda_svc._execute_function_warm

    def execute_and_unwrap(function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        outcome: dict[str, Any] = execute(function, event, request_id)
        body = outcome.get("body")
        if not (isinstance(body, dict) and _HANDLER_FAILED in body):
            return outcome
        log = "\n".join(text for text in (outcome.get("log", ""), body["trace"]) if text)
        return {"body": body[_HANDLER_FAILED], "error": True, "log": log}

    lambda_svc._execute_function_warm = execute_and_unwrap


def shorten_log_wait() -> None:
    """Wait 3 ms for a handler's first log line.

    Defect: every invocation that logs nothing is held for 50 ms.
    """
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_briefly(worker: Any) -> str:
        text: str = drain(worker, _QUIET_LOG_WAIT_S, _QUIET_LOG_CONFIRM_S)
        return text

    lambda_runtime.Worker._drain_stderr_bounded = drain_briefly


def store_cors_as_it_is_read() -> None:
    """Store an HTTP API's CORS configuration with the keys that the gateway looks up.

    Defect: CloudFormation stores AllowOrigins, the gateway reads allowOrigins: preflights get 403.
    """
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGatewayV2::Api"]
    create, update = handlers["create"], handlers["update"]

    def create_api(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        return create(logical_id, _with_readable_cors(properties), stack)

    def update_api(
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack: str,
        logical_id: str | None = None,
    ) -> Any:
        return update(physical_id, old, _with_readable_cors(new), stack, logical_id)

    handlers["create"], handlers["update"] = create_api, update_api


def _with_readable_cors(properties: dict[str, Any]) -> dict[str, Any]:
    cors = properties.get("CorsConfiguration")
    if not cors:
        return properties
    readable = {name[0].lower() + name[1:]: value for name, value in cors.items()}
    return {**properties, "CorsConfiguration": readable}


def start_state_machines_at_once() -> None:
    """Begin an execution without delay.

    Defect: each execution sleeps 150 ms before its first state.
    """
    stepfunctions.time = _ModuleWith(time, sleep=_skip_the_start_delay)


def _skip_the_start_delay(seconds: float) -> None:
    if seconds != _STATE_MACHINE_DELAY_S:
        time.sleep(seconds)


def isolate_workers(environment: Mapping[str, str]) -> None:
    """Start functions with this environment and their own variables, and nothing else.

    Defect: functions inherit the emulator's whole environment.
    """
    lambda_runtime.os = _ModuleWith(os, environ=dict(environment))


def bound_workers() -> None:
    """Let at most four invocations of one function run at once; more wait for their turn.

    Defect: each concurrent request starts a Python process of its own, so that fifty at once bring
    a machine of two cores to a standstill for most of a minute.
    """
    execute = lambda_svc._execute_function_warm
    turns: dict[str, threading.BoundedSemaphore] = {}
    lock = threading.Lock()

    def execute_in_turn(function: dict[str, Any], event: Any, request_id: str) -> dict[str, Any]:
        name = (function.get("config") or function).get("FunctionName", "")
        with lock:
            turn = turns.setdefault(name, threading.BoundedSemaphore(_WORKERS_PER_FUNCTION))
        if not turn.acquire(timeout=_LONGEST_QUEUE_WAIT_S):
            throttled: dict[str, Any] = lambda_svc._throttle_response(
                reason_code="ConcurrentInvocationLimitExceeded",
                msg=f"Rate Exceeded: {name} is busy",
            )
            return throttled
        try:
            outcome: dict[str, Any] = execute(function, event, request_id)
            return outcome
        finally:
            turn.release()

    lambda_svc._execute_function_warm = execute_in_turn


def bound_logs() -> None:
    """Keep the log streams of each function's newest invocations only.

    Defect: every line is kept in memory for good, about 1.3 KB an invocation, and every checkpoint
    copies them all.
    """
    emit = lambda_svc._emit_lambda_logs
    lock = threading.Lock()

    def emit_and_forget(function: dict[str, Any], *arguments: Any, **named: Any) -> None:
        emit(function, *arguments, **named)
        name = (function.get("config") or function).get("FunctionName", "")
        group = cloudwatch_logs._log_groups.get(f"/aws/lambda/{name}")
        if group is not None:
            with lock:
                keep_newest(group["streams"], _INVOCATIONS_LOGGED)

    lambda_svc._emit_lambda_logs = emit_and_forget


def keep_newest(entries: dict[str, Any], count: int) -> None:
    """Remove the oldest entries until at most `count` are left."""
    while len(entries) > count:
        entries.pop(next(iter(entries)), None)


class _ModuleWith:
    """A module as another module sees it, with some names replaced."""

    def __init__(self, module: Any, **replaced: Callable[..., Any] | dict[str, str]) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)
