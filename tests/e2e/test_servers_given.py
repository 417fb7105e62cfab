"""A stack on servers that run already: DATABASE_URL, REDIS_URL, KAFKA_BOOTSTRAP_SERVERS."""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import pytest

from infra.local import databases, kafka, runner, settings, users
from infra.local.catching_up import wait_until_caught_up
from infra.local.parts import postgres, redis
from infra.local.progress import Progress
from infra.local.stack import LocalStack
from infra.trace.stores import rows
from tests.support.e2e_platform import status_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers() -> Iterator[Mapping[str, str]]:
    """The environment that names PostgreSQL, Redis and, where it can be had, Kafka."""
    with settings.temporary({"STREAM": "kafka"}) as other:
        parts = [postgres.postgres(other), redis.cache(other)]
        environment = {
            "DATABASE_URL": postgres.admin_dsn(other),
            "REDIS_URL": f"redis://{other.address('cache')}/3",
        }
        if not kafka.missing_tools():
            parts.append(kafka.part(other))
            brokers = other.address("stream")
            environment |= {"STREAM": "kafka", "KAFKA_BOOTSTRAP_SERVERS": brokers}
        try:
            for part in parts:
                runner.start(part)
            yield environment
            assert {status.state for status in runner.status(parts)} == {"healthy"}
        finally:
            runner.stop_all(parts, Progress(quiet=True))
            postgres.remove_data(other)


def test_a_stack_uses_the_servers_it_is_given_and_leaves_them_running(
    servers: Mapping[str, str],
) -> None:
    with settings.temporary(servers) as own, LocalStack(own) as stack:
        started = {part.name for part in stack.parts}
        assert not started & {"postgres", "cache"}
        assert ("stream" in started) == ("KAFKA_BOOTSTRAP_SERVERS" not in servers)
        with users.client(own, "alice") as alice:
            bought = alice.place_order("NOVA", "BUY", "1")
            assert status_of(alice, bought["order_id"], "FILLED")["filled_quantity"] == "1"
        wait_until_caught_up(own)
        dsn = databases.owner_dsn(own, "clearing")
        assert urlsplit(dsn).port == urlsplit(servers["DATABASE_URL"]).port
        assert rows(dsn, "select count(*) as n from settlement.trades")[0]["n"] >= 1


def test_a_temporary_stack_passes_over_the_servers_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The demo and the tests leave the data alone that those servers hold."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody@127.0.0.1:1/somewhere")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    with settings.temporary() as own:
        assert (own.database_url, own.redis_url, own.kafka_bootstrap_servers) == ("", "", "")
