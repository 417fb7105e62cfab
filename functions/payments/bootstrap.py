"""Wires the payments service from its environment."""

from functools import cache

from functions.payments.adapters_stripe import StripeGateway
from functions.payments.credit_lines import CreditLines
from functions.payments.deposits import Deposits
from functions.payments.withdrawals import Withdrawals
from shared.edge.engine import engine
from shared.edge.settings import dsn, secret_fields, setting
from shared.hotpath_client import ShardedEngine
from shared.ports.ledger import Ledger
from shared.postgres.ledger import PostgresLedger
from shared.postgres.unit_of_work import UnitOfWork


def database() -> str:
    return dsn("payments")


@cache
def deposits() -> Deposits:
    return Deposits(database, _gateway(), _ledger, engine)


@cache
def withdrawals() -> Withdrawals:
    return Withdrawals(database, _gateway(), _ledger, engine, credit_lines())


@cache
def credit_lines() -> CreditLines | None:
    """Return the credit lines; None with one engine, where all of an account's cash is."""
    several = engine()
    return CreditLines(database, lambda: several) if isinstance(several, ShardedEngine) else None


def webhook_secret() -> str:
    """Return the secret that signs the payment provider's webhooks."""
    return str(secret_fields(setting("STRIPE_SECRET"))["webhook_secret"])


@cache
def _gateway() -> StripeGateway:
    api_key = str(secret_fields(setting("STRIPE_SECRET"))["api_key"])
    return StripeGateway(api_key=api_key, api_base=setting("STRIPE_API_BASE"))


def _ledger(uow: UnitOfWork) -> Ledger:
    return PostgresLedger(uow.connection)
