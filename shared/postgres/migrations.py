"""Versioned SQL migrations: each file once, in order, its checksum remembered."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK_KEY: Final = 0x74726164696E67  # "trading": one runner at a time per database

_TABLE: Final = """
create schema if not exists migrations;
create table if not exists migrations.applied (
    version text primary key,
    name text not null,
    sha256 text not null,
    applied_at timestamptz not null default clock_timestamp()
)
"""


class MigrationError(Exception):
    """The migrations on disk and those in the database contradict each other, or one fails."""


@dataclass(frozen=True, slots=True)
class Migration:
    version: str
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read_migrations(folder: Path) -> list[Migration]:
    """Return a database's migrations in the order of their numbers.

    Raises
    ------
    MigrationError
        When a file is not named NNNN_<schema>_<what>.sql, or two have the same number.
    """
    migrations: dict[str, Migration] = {}
    for file in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise MigrationError(f"{file.name}: must be named NNNN_<schema>_<what>.sql")
        version = match[1]
        if version in migrations:
            raise MigrationError(f"{file.name} and {migrations[version].name} share a number")
        migrations[version] = Migration(version, file.name, file.read_text(encoding="utf-8"))
    return list(migrations.values())


def migrate(dsn: str, folder: Path) -> list[str]:
    """Apply what the database does not have yet; return the names of the files applied.

    Run as the database's owner. Each file is one transaction. Services number their files in blocks
    of their own, so a lower number than the last applied is in order.

    Raises
    ------
    MigrationError
        When an applied file was edited or is gone, or a file fails; what came before it stays.
    """
    migrations = read_migrations(folder)
    applied = []
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", (_LOCK_KEY,))
        connection.execute(_TABLE)
        known = _known(connection)
        _check_history(migrations, known)
        for migration in migrations:
            if migration.version not in known:
                _apply(connection, migration)
                applied.append(migration.name)
    return applied


def _known(connection: psycopg.Connection) -> dict[str, tuple[str, str]]:
    rows = connection.execute("select version, name, sha256 from migrations.applied").fetchall()
    return {version: (name, sha256) for version, name, sha256 in rows}


def _check_history(migrations: list[Migration], known: dict[str, tuple[str, str]]) -> None:
    on_disk = {migration.version: migration for migration in migrations}
    for version, (name, sha256) in sorted(known.items()):
        migration = on_disk.get(version)
        if migration is None:
            raise MigrationError(f"{name} was applied to this database, but its file is gone")
        if migration.sha256 != sha256:
            raise MigrationError(
                f"{name} was edited after it was applied; write a new migration instead"
            )


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    try:
        with connection.transaction():
            connection.execute(migration.sql.encode())
            connection.execute(
                "insert into migrations.applied (version, name, sha256) values (%s, %s, %s)",
                (migration.version, migration.name, migration.sha256),
            )
    except psycopg.Error as error:
        raise MigrationError(f"{migration.name}: {error}") from error
