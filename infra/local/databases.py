"""The platform's databases, their roles and their migrations on the stack's server."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from infra.local import keys
from infra.local.errors import StackError
from infra.local.parts.postgres import ADMIN, admin_dsn
from infra.local.settings import CHECKOUT, Settings
from shared.postgres.migrations import MigrationError, migrate
from shared.postgres.roles import Database, ensure_databases

SQL_FOLDER: Final = CHECKOUT / "infra" / "sql"

# Which service connects to which database; its role is `<service>_app` (docs/ARCHITECTURE.md).
SERVICES: Final[Mapping[str, str]] = {
    "users": "core",
    "orders": "core",
    "backoffice": "core",
    "payments": "clearing",
    "settlement": "clearing",
    "risk": "clearing",
    "reporting": "clearing",
    "marketdata": "market",
}

DATABASES: Final = tuple(
    Database(
        name=name,
        owner=f"{name}_owner",
        roles=tuple(f"{service}_app" for service, database in SERVICES.items() if database == name),
    )
    for name in ("core", "clearing", "market")
)

_ROLES: Final = (
    ADMIN,
    *(role for database in DATABASES for role in (database.owner, *database.roles)),
)


def prepare(settings: Settings) -> str:
    """Create databases and roles, apply the migrations that are missing; return what was done."""
    ensure_databases(admin_dsn(settings), DATABASES, keys.passwords(settings, _ROLES))
    try:
        applied = [
            name
            for database in DATABASES
            for name in migrate(owner_dsn(settings, database.name), SQL_FOLDER / database.name)
        ]
    except MigrationError as error:
        raise StackError(f"migrations: {error}") from error
    return f"migrated ({len(applied)} new)" if applied else "up to date"


def owner_dsn(settings: Settings, database: str) -> str:
    """Return the DSN of a database's owner: for migrations, and for nothing that serves users."""
    return _dsn(settings, f"{database}_owner", database)


def service_dsn(settings: Settings, service: str) -> str:
    """Return the DSN that a service connects with."""
    return _dsn(settings, f"{service}_app", SERVICES[service])


def _dsn(settings: Settings, role: str, database: str) -> str:
    server = urlsplit(admin_dsn(settings))
    password = quote(keys.passwords(settings, _ROLES)[role], safe="")
    address = server.netloc.rpartition("@")[2]
    return urlunsplit(
        (server.scheme, f"{role}:{password}@{address}", f"/{database}", server.query, "")
    )
