"""Migrations on a real PostgreSQL: once, in order, checked, and one runner at a time."""

import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared.postgres.migrations import MigrationError, migrate
from tests.support.servers import (  # noqa: F401
    MigratedDatabases,
    Server,
    migrated_databases,
    postgres_server,
    stores,
)


@pytest.fixture
def database(postgres_server: Server) -> Iterator[str]:  # noqa: F811
    """A new, empty database."""
    name = f"migrations_{secrets.token_hex(4)}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    yield postgres_server.url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(postgres_server.url, autocommit=True) as connection:
        connection.execute(f"drop database {name} with (force)")


def write(folder: Path, **files: str) -> Path:
    for name, sql in files.items():
        (folder / f"{name.removeprefix('_')}.sql").write_text(sql)
    return folder


def scalar(dsn: str, query: str) -> object:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def test_each_file_is_applied_once_and_in_order(database: str, tmp_path: Path) -> None:
    write(
        tmp_path,
        _0101_a_table="create table a (n int); insert into a values (1)",
        _0102_a_more="update a set n = n * 10; insert into a values (2)",
    )
    assert migrate(database, tmp_path) == ["0101_a_table.sql", "0102_a_more.sql"]
    assert migrate(database, tmp_path) == []
    assert scalar(database, "select array_agg(n order by n) from a") == [2, 10]


def test_services_number_in_blocks_so_a_lower_number_may_come_later(
    database: str, tmp_path: Path
) -> None:
    migrate(database, write(tmp_path, _0201_b_table="create table b ()"))
    assert migrate(database, write(tmp_path, _0102_a_late="create table a ()")) == [
        "0102_a_late.sql"
    ]


def test_an_edited_file_that_was_applied_is_refused(database: str, tmp_path: Path) -> None:
    migrate(database, write(tmp_path, _0101_a_table="create table a ()"))
    write(tmp_path, _0101_a_table="create table a (n int)", _0102_a_more="create table c ()")
    with pytest.raises(MigrationError, match=r"0101_a_table\.sql was edited"):
        migrate(database, tmp_path)
    assert scalar(database, "select to_regclass('c')") is None


def test_an_applied_file_that_is_gone_is_refused(database: str, tmp_path: Path) -> None:
    migrate(database, write(tmp_path, _0101_a_table="create table a ()"))
    (tmp_path / "0101_a_table.sql").unlink()
    with pytest.raises(MigrationError, match="its file is gone"):
        migrate(database, tmp_path)


def test_a_file_that_fails_leaves_nothing_and_what_came_before_stays(
    database: str, tmp_path: Path
) -> None:
    write(tmp_path, _0101_a="create table a ()", _0102_b="create table b (); select 1 / 0")
    with pytest.raises(MigrationError, match=r"0102_b\.sql: division by zero"):
        migrate(database, tmp_path)
    assert scalar(database, "select to_regclass('a') is not null and to_regclass('b') is null")
    write(tmp_path, _0102_b="create table b ()")
    assert migrate(database, tmp_path) == ["0102_b.sql"]


@pytest.mark.parametrize("name", ["1_a", "0101-a", "0101_A", "readme"])
def test_a_file_with_another_name_is_refused(database: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError, match="must be named"):
        migrate(database, write(tmp_path, **{name: "select 1"}))


def test_two_files_with_one_number_are_refused(database: str, tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="share a number"):
        migrate(database, write(tmp_path, _0101_a="select 1", _0101_b="select 1"))


def test_runners_at_the_same_time_apply_each_file_once(database: str, tmp_path: Path) -> None:
    write(tmp_path, _0101_a="create table a (n int); select pg_sleep(0.2)")
    applied: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: applied.append(migrate(database, tmp_path)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, applied)) == [0, 0, 0, 1]


# --- the platform's own databases ------------------------------------------------------------


def test_each_service_connects_to_its_own_database_alone(
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> None:
    users, payments = (migrated_databases.service[name] for name in ("users", "payments"))
    assert scalar(users, "select current_user || '@' || current_database()") == "users_app@core"
    elsewhere = users.rpartition("/")[0] + "/clearing"
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(elsewhere)
    assert payments.endswith("/clearing")


def test_no_service_role_may_create_or_own_anything(
    migrated_databases: MigratedDatabases,  # noqa: F811
) -> None:
    for service, dsn in migrated_databases.service.items():
        query = (
            "select bool_or(rolsuper or rolcreatedb or rolcreaterole)"
            " from pg_roles where rolname = current_user"
        )
        assert scalar(dsn, query) is False, service
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            scalar(dsn, "create schema mine")


def test_a_wrong_password_is_refused(postgres_server: Server) -> None:  # noqa: F811
    user, _, address = postgres_server.url.partition("@")
    wrong = user.rpartition(":")[0] + ":wrong@" + address
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
