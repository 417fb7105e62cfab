"""The stores as parts: they start and stop, survive a kill, and listen on 127.0.0.1 only."""

import time
from collections.abc import Callable

import psutil
import psycopg
import pytest
import redis

from infra.local import runner, settings
from infra.local.part import Part
from infra.local.parts import postgres
from infra.local.parts import redis as redis_parts
from infra.local.process import ProcessRecord
from infra.local.progress import Progress
from infra.local.settings import Settings
from tests.support.servers import Server, postgres_server, redis_server, stores  # noqa: F401

QUIET = Progress(quiet=True)


def until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "condition not met in time"
        time.sleep(0.02)


def listeners(part: Part) -> set[str]:
    record = ProcessRecord.read(part.run_file)
    assert record is not None
    return {
        connection.laddr.ip
        for connection in psutil.Process(record.pid).net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def test_postgresql_keeps_what_was_committed_through_a_kill(
    postgres_server: Server,  # noqa: F811
) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("create table if not exists survives (n int)")
        connection.execute("insert into survives values (42)")
    postgres_server.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(postgres_server.url, connect_timeout=2)
    postgres_server.start()
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("select n from survives").fetchall() == [(42,)]
        connection.execute("drop table survives")


def test_postgresql_stops_at_once_even_with_a_client_connected(
    postgres_server: Server,  # noqa: F811
) -> None:
    with psycopg.connect(postgres_server.url):
        began = time.monotonic()
        postgres_server.stop()
        assert time.monotonic() - began < 5
    postgres_server.start()


def test_the_servers_listen_on_the_loopback_address_only(
    postgres_server: Server,  # noqa: F811
    redis_server: Server,  # noqa: F811
) -> None:
    assert listeners(postgres_server.part) == {"127.0.0.1"}
    assert listeners(redis_server.part) == {"127.0.0.1"}


def test_the_cache_evicts_and_forgets_the_stream_neither(
    stores: Settings,  # noqa: F811
    redis_server: Server,  # noqa: F811
) -> None:
    stream = redis_parts.stream(stores)
    runner.start(stream)
    address = f"redis://{stores.address('stream')}/0"
    with redis.Redis.from_url(address) as client, redis.Redis.from_url(redis_server.url) as cache:
        assert cache.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        client.xadd("topic", {"n": "1"})
        runner.kill_part(stream)
        runner.start(stream)
        assert client.xlen("topic") == 1
        client.delete("topic")


def test_nothing_is_left_after_down_and_data_is_there_after_up() -> None:
    with settings.temporary({}) as stack:
        parts = [postgres.postgres(stack), redis_parts.stream(stack)]
        runner.run_graph(parts, QUIET)
        with psycopg.connect(postgres.admin_dsn(stack), autocommit=True) as connection:
            connection.execute("create table kept (n int)")
        groups = [ProcessRecord.read(part.run_file) for part in parts]
        runner.stop_all(parts, QUIET)
        assert all(record is not None and record.process() is None for record in groups)
        until(lambda: not any(_belongs(process, stack) for process in psutil.process_iter()))
        runner.run_graph(parts, QUIET)
        with psycopg.connect(postgres.admin_dsn(stack)) as connection:
            assert connection.execute("select count(*) from kept").fetchone() == (0,)
        runner.stop_all(parts, QUIET)
        postgres.remove_data(stack)


def _belongs(process: psutil.Process, stack: Settings) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and str(stack.state) in " ".join(
            process.cmdline()
        )
    except psutil.Error:
        return False
