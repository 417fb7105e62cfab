"""A running platform as end-to-end tests see it: people, their API, waiting until all is done.

    from tests.support.e2e_platform import Platform

The fixtures are in tests/e2e/conftest.py.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Final

from infra.local import databases, provision, users
from infra.local.api import ApiClient
from infra.local.catching_up import wait_until_caught_up
from infra.local.opening_balances import OpeningBalances
from infra.local.settings import Settings
from infra.local.stack import LocalStack
from infra.local.users import Person
from infra.trace.stores import rows
from shared.ports.engine import EngineStatus
from shared.reference import instruments
from tests.support.waiting import wait_for

SYMBOL: Final = "ORBT"  # nobody else trades it: what happens in it is what a test does
SHARES_LOTS: Final = 20_000
COMMAND_TIMEOUT_S: Final = 240.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command of the platform ended."""

    code: int
    output: str
    errors: str

    def json(self) -> Any:
        return json.loads(self.output)


class Platform:
    """One stack. Whoever kills a part of it calls `heal` afterwards."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.settings: Settings = stack.settings

    # --- people ---------------------------------------------------------------------------------

    def client(self, person: Person) -> ApiClient:
        password = users.password(self.settings, person.name)
        return ApiClient(users.address(self.settings), person.email, password)

    def alice(self) -> ApiClient:
        return users.client(self.settings, "alice")

    def bob(self) -> ApiClient:
        return users.client(self.settings, "bob")

    def anonymous(self) -> ApiClient:
        return ApiClient(users.address(self.settings))

    def admit(self, person: Person, symbol: str = SYMBOL, lots: int = SHARES_LOTS) -> int:
        """Register, verify and fund a person through the API; return the account id."""
        with self.client(person) as api:
            password = users.password(self.settings, person.name)
            profile = users.ensure_verified(api, person, password)
            users.ensure_funded(api, person)
        account_id = int(profile["account_id"])
        with provision.engine_client(self.settings) as engine:
            opening = OpeningBalances(databases.service_dsn(self.settings, "payments"), engine)
            reference = f"e2e/{account_id}/{symbol}"
            opening.grant_shares(account_id, instruments().by_symbol[symbol], lots, reference)
        return account_id

    # --- what there is --------------------------------------------------------------------------

    def rows(self, database: str, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """Query core, clearing or market as its owner."""
        return rows(databases.owner_dsn(self.settings, database), sql, *parameters)

    def engine_status(self) -> EngineStatus:
        with provision.engine_client(self.settings) as engine:
            return engine.status()

    def row_counts(self) -> dict[str, int]:
        """Return the number of rows of every table that a request of a member could add to.

        Kept answers of refused requests are no effect of theirs and are left out.
        """
        return {
            f"{database}.{table['name']}": self.rows(
                database, f"select count(*) as n from {table['name']}"
            )[0]["n"]
            for database in ("core", "clearing", "market")
            for table in self.rows(
                database,
                "select quote_ident(schemaname) || '.' || quote_ident(tablename) as name "
                "from pg_tables where schemaname not in ('pg_catalog', 'information_schema') "
                "and tablename <> 'idempotency_keys' order by 1",
            )
        }

    # --- waiting --------------------------------------------------------------------------------

    def heal(self) -> None:
        """Bring back every part that is not there, and wait until all is handled."""
        self.stack.up()
        assert self.stack.is_healthy(), self.stack.status()
        self.settle_down()

    def settle_down(self) -> None:
        """Wait until no order waits for the engine and every consumer has read to the end."""
        wait_for(lambda: self.waiting_orders() == 0, timeout_s=90, what="orders sent to the engine")
        wait_until_caught_up(self.settings)

    def waiting_orders(self) -> int:
        found = self.rows(
            "core",
            "select count(*) as n from orders.orders "
            "where status in ('NEW', 'PENDING') and engine_sequence = 0",
        )
        return int(found[0]["n"])

    # --- the command ----------------------------------------------------------------------------

    def run(self, *arguments: str) -> Answer:
        return trading(self.settings, *arguments)


def trading(settings: Settings, *arguments: str, **environment: str) -> Answer:
    """Run the `trading` command on a stack, as a person would."""
    given = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "TRADING_STATE": str(settings.state),
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.main", *arguments],
        env=given,
        capture_output=True,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def status_of(api: ApiClient, order_id: str, status: str, timeout_s: float = 30) -> dict[str, Any]:
    """Wait until an order has a status and return it."""

    def reached() -> dict[str, Any] | None:
        order = api.order(order_id)
        return order if order["status"] == status else None

    found = wait_for(reached, timeout_s=timeout_s, what=f"order {order_id} to be {status}")
    assert found is not None
    return found
