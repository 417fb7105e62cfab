"""Databases with their owners and the services' roles, created or brought up to date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql


@dataclass(frozen=True, slots=True)
class Database:
    """A database, the role that owns it, and the roles that may connect to it."""

    name: str
    owner: str
    roles: Sequence[str]


def ensure_databases(
    admin_dsn: str, databases: Sequence[Database], passwords: Mapping[str, str]
) -> None:
    """Create what is missing; set every role's password; let only a database's own roles connect.

    `admin_dsn` names a role that may create roles and databases. Grants on tables belong to the
    migrations, which run as the owner.
    """
    with psycopg.connect(admin_dsn, autocommit=True) as connection:
        for database in databases:
            for role in (database.owner, *database.roles):
                _ensure_role(connection, role, passwords[role])
            _ensure_database(connection, database)


def _ensure_role(connection: psycopg.Connection, role: str, password: str) -> None:
    exists = connection.execute("select 1 from pg_roles where rolname = %s", (role,)).fetchone()
    verb = "alter" if exists else "create"
    connection.execute(
        sql.SQL(verb + " role {} login nosuperuser nocreatedb nocreaterole password {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
    )


def _ensure_database(connection: psycopg.Connection, database: Database) -> None:
    name, owner = sql.Identifier(database.name), sql.Identifier(database.owner)
    exists = connection.execute(
        "select 1 from pg_database where datname = %s", (database.name,)
    ).fetchone()
    if not exists:
        connection.execute(sql.SQL("grant {} to current_user").format(owner))
        connection.execute(sql.SQL("create database {} owner {}").format(name, owner))
    connection.execute(sql.SQL("revoke all on database {} from public").format(name))
    for role in database.roles:
        connection.execute(
            sql.SQL("grant connect on database {} to {}").format(name, sql.Identifier(role))
        )
