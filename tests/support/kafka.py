"""A real Kafka broker for tests: one per session, or the one of KAFKA_BOOTSTRAP_SERVERS.

from tests.support.kafka import kafka_server
"""

import os
from contextlib import ExitStack
from dataclasses import replace

import pytest

from infra.local import kafka, runner, settings
from tests.support.servers import Server

_STACK = pytest.StashKey[settings.Settings]()


@pytest.fixture(scope="session")
def kafka_server(pytestconfig: pytest.Config) -> Server:
    """Kafka on a free port; skips where neither a broker nor Java and Maven are to be had.

    Every module that imports this has a fixture of its own, and all of them the same broker.
    """
    if reason := kafka.missing_tools():
        pytest.skip(reason)
    if _STACK not in pytestconfig.stash:
        cleanup = ExitStack()
        pytestconfig.add_cleanup(cleanup.close)
        stack = replace(cleanup.enter_context(settings.temporary({})), stream="kafka")
        # Its folder goes with it, so nothing has to be saved: an orderly end takes seconds.
        cleanup.callback(lambda: runner.kill_part(kafka.part(stack)))
        pytestconfig.stash[_STACK] = stack
    stack = pytestconfig.stash[_STACK]
    part = kafka.part(stack)
    runner.start(part)
    return Server(f"kafka://{stack.address('stream')}", part)


def running_kafka_url() -> str | None:
    """Return the URL of the broker that the environment names, if it does."""
    servers = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    return f"kafka://{servers}" if servers else None
