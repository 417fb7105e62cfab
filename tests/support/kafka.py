"""A real Kafka broker for tests: one per session, or the one of KAFKA_BOOTSTRAP_SERVERS.

from tests.support.kafka import kafka_server
"""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from infra.local import kafka, runner, settings
from tests.support.servers import Server


@pytest.fixture(scope="session")
def kafka_server() -> Iterator[Server]:
    """Kafka on a free port; skips where neither a broker nor Java and Maven are to be had."""
    if reason := kafka.missing_tools():
        pytest.skip(reason)
    with settings.temporary({}) as stack:
        part = kafka.part(replace(stack, stream="kafka"))
        try:
            runner.start(part)
            yield Server(f"kafka://{stack.address('stream')}", part)
        finally:
            runner.stop_part(part)


def running_kafka_url() -> str | None:
    """Return the URL of the broker that the environment names, if it does."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return f"kafka://{servers}" if servers else None
