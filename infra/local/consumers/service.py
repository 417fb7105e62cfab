"""All consumers of one stack, wired: pollers, the watch over the engine, the status server."""

import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from infra.local.consumers import status_server
from infra.local.consumers.engine_watch import EngineWatch, resend_all
from infra.local.consumers.invocation import FunctionTarget
from infra.local.consumers.msk_event import EventSource
from infra.local.consumers.poller import PartitionPoller
from infra.local.consumers.progress import Progress
from infra.local.consumers.routes import Resend, Route
from shared.ports.event_stream import EventStream, TopicPartition

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

_STOP_GRACE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Wiring:
    """What the consumers stand on."""

    stream: EventStream
    partitions: Mapping[str, int]  # of each topic
    source: EventSource
    functions: "LambdaClient"
    queues: "SQSClient"
    names: Mapping[str, str]  # physical names of functions and URLs of queues, by logical id
    status_port: int
    engine_health_urls: Sequence[str] = ()  # of the engines to watch


class Consumers:
    """The running consumers. They may be ended at any moment: what is not committed comes again."""

    def __init__(self, wiring: Wiring, routes: Sequence[Route], resends: Sequence[Resend]) -> None:
        self._stop = threading.Event()
        self._wiring = wiring
        # One invocation of a function at a time unless told otherwise: each more is one more worker
        # process of the emulator.
        at_once = int(os.environ.get("TRADING_FUNCTION_CONCURRENCY", "1"))
        turns = {route.function: threading.Semaphore(at_once) for route in routes}
        self.progress: list[Progress] = []
        self._pollers: list[PartitionPoller] = []
        self._watches: list[EngineWatch] = []
        for route in routes:
            target = self._target(route, turns[route.function])
            for number in range(wiring.partitions[route.topic]):
                progress = Progress(route, TopicPartition(route.topic, number))
                self.progress.append(progress)
                poller = PartitionPoller(wiring.stream, target, progress, self._stop)
                self._pollers.append(poller)
        for url in wiring.engine_health_urls:
            watch = EngineWatch(
                url,
                lambda: resend_all(wiring.functions, resends, wiring.names),
                self._stop,
            )
            self._watches.append(watch)

    def start(self) -> None:
        for thread in [each.thread for each in self._pollers] + [it.thread for it in self._watches]:
            thread.start()
        stream = self._wiring.stream
        self._server = status_server.serve(
            self._wiring.status_port,
            lambda: status_server.report(stream, self.progress),
            lambda: status_server.metrics(stream, self.progress),
        )

    def stop(self) -> None:
        """Let batches under way end, for a while; then leave them to be delivered again."""
        self._stop.set()
        deadline = time.monotonic() + _STOP_GRACE_S
        for poller in self._pollers:
            poller.await_last(max(0.0, deadline - time.monotonic()))
        for watch in self._watches:
            watch.thread.join(max(0.0, deadline - time.monotonic()))
        self._server.shutdown()
        self._server.server_close()

    def _target(self, route: Route, turn: threading.Semaphore) -> FunctionTarget:
        names = self._wiring.names
        return FunctionTarget(
            route,
            self._wiring.source,
            functions=self._wiring.functions,
            queues=self._wiring.queues,
            function_name=names[route.function],
            queue_url=names[route.dead_letters] if route.dead_letters else "",
            turn=turn,
        )
