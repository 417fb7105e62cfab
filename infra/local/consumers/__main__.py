"""The consumers' process, of the stack that TRADING_STATE names."""

import logging
import signal
import sys
import threading

from infra.local import aws, deploy, packaging, settings
from infra.local.consumers.msk_event import EventSource
from infra.local.consumers.routes import Route, read_resends, read_routes
from infra.local.consumers.service import Consumers, Wiring
from infra.local.errors import StackError
from shared.streams import open_stream
from shared.wire.stream_events import partition_counts


def main() -> int:
    """Run until SIGTERM; return the exit code."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr
    )
    logging.getLogger("botocore").setLevel(logging.ERROR)
    stack = settings.load()
    template = packaging.read_template()
    routes = read_routes(template)
    stream = open_stream(stack.stream_url)
    partitions = partition_counts(stack.shards)
    stream.ensure_topics(partitions)
    arn = template["Parameters"]["StreamClusterArn"]["Default"]
    wiring = Wiring(
        stream=stream,
        partitions=partitions,
        source=EventSource(arn, stack.stream_url.partition("://")[2]),
        functions=aws.functions(stack),
        queues=aws.sqs(stack),
        names=deploy.require(stack).functions | _queues(stack, routes),
        status_port=stack.port("consumers"),
        engine_health_urls=[stack.engine_health(shard) for shard in range(stack.shards)],
    )
    consumers = Consumers(wiring, routes, read_resends(template))
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    consumers.start()
    stopping.wait()
    consumers.stop()  # its threads may still read, so the stream stays open
    return 0


def _queues(stack: settings.Settings, routes: list[Route]) -> dict[str, str]:
    """Return the URLs of the dead-letter queues by their logical ids."""
    client = aws.cloudformation(stack)
    queues = {}
    for logical_id in {route.dead_letters for route in routes if route.dead_letters}:
        found = client.describe_stack_resource(StackName=deploy.STACK, LogicalResourceId=logical_id)
        queues[logical_id] = found["StackResourceDetail"]["PhysicalResourceId"]
    return queues


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StackError as error:
        sys.exit(f"consumers: {error}")
