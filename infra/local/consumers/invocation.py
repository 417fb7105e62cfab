"""The function at the other end: invokes it, and tells its answers from outages."""

import json
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.consumers.msk_event import EventSource, dead_letter, msk_event
from infra.local.consumers.outcomes import FunctionFailed, Handled, Outcome
from infra.local.consumers.routes import Route
from shared.ports.event_stream import StoredMessage
from shared.ports.failures import InfrastructureUnavailable

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

# Errors of a function that say nothing about its records: shared/edge/stream_handler.py raises the
# first, the others mean that the function's code cannot be loaded.
_NOT_THE_RECORDS: Final = (
    InfrastructureUnavailable.__name__,
    "Runtime.ImportModuleError",
    "Runtime.HandlerNotFound",
    "Runtime.UserCodeSyntaxError",
)
_TOO_LARGE: Final = "RequestTooLargeException"


class FunctionTarget:
    """One route's function and its dead-letter queue.

    Parameters
    ----------
    function_name, queue_url
        What the deployment calls the route's function and queue.
    turn
        Held during an invocation: it bounds how many of this function run at once.
    """

    def __init__(
        self,
        route: Route,
        source: EventSource,
        *,
        functions: "LambdaClient",
        queues: "SQSClient",
        function_name: str,
        queue_url: str,
        turn: threading.Semaphore,
    ) -> None:
        self._route = route
        self._source = source
        self._functions = functions
        self._queues = queues
        self._function_name = function_name
        self._queue_url = queue_url
        self._turn = turn

    def invoke(self, batch: Sequence[StoredMessage]) -> Outcome:
        """Invoke the function with the batch and wait for its answer.

        Raises
        ------
        InfrastructureUnavailable
            The function could not be invoked, or says that something it needs is away.
        """
        payload = json.dumps(msk_event(self._source, batch)).encode()
        try:
            with self._turn:
                answer = self._functions.invoke(FunctionName=self._function_name, Payload=payload)
                body = answer["Payload"].read()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == _TOO_LARGE:
                return FunctionFailed(_TOO_LARGE)
            raise InfrastructureUnavailable(f"{self._function_name}: {error}") from error
        except (BotoCoreError, OSError) as error:
            raise InfrastructureUnavailable(f"{self._function_name}: {error}") from error
        document = _document(body)
        if answer.get("FunctionError"):
            return self._function_error(document)
        return Handled(_failed_offsets(document))

    def bury(self, message: StoredMessage, attempts: int, error: str) -> None:
        """Put a record, its coordinates and its error into the dead-letter queue.

        Without a queue the record is dropped, as Lambda does.
        """
        if not self._queue_url:
            return
        letter = dead_letter(
            self._source,
            group=self._route.group,
            function=self._function_name,
            message=message,
            attempts=attempts,
            error=error,
        )
        try:
            self._queues.send_message(QueueUrl=self._queue_url, MessageBody=letter)
        except (BotoCoreError, ClientError, OSError) as failure:
            raise InfrastructureUnavailable(f"{self._queue_url}: {failure}") from failure

    def _function_error(self, document: Mapping[str, Any]) -> FunctionFailed:
        kind, text = document.get("errorType", ""), document.get("errorMessage", "")
        if kind in _NOT_THE_RECORDS:
            raise InfrastructureUnavailable(f"{self._function_name}: {kind}: {text}")
        return FunctionFailed(f"{kind}: {text}")


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _failed_offsets(document: Mapping[str, Any]) -> frozenset[int]:
    failures = document.get("batchItemFailures") or ()
    return frozenset(int(failure["itemIdentifier"]["offset"]) for failure in failures)
