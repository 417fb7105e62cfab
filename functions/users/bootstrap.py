"""Wires the users service from its environment."""

from functools import cache

from functions.users.adapters_cognito import CognitoPool
from functions.users.adapters_onfido import OnfidoKyc
from functions.users.service import Users
from shared.edge.engine import engine
from shared.edge.settings import dsn, secret_fields, setting


@cache
def users() -> Users:
    """Return this process's service."""
    return Users(source=lambda: dsn("users"), pool=_pool(), kyc=_kyc(), engine=engine)


def webhook_token() -> str:
    """Return the token that signs the identity-check provider's webhooks."""
    return str(secret_fields(setting("ONFIDO_SECRET"))["webhook_token"])


def _pool() -> CognitoPool:
    return CognitoPool.connect(
        pool_id=setting("USER_POOL_ID"),
        client_id=setting("USER_POOL_CLIENT_ID"),
        confirm_at_once=setting("STAGE") == "local",
    )


def _kyc() -> OnfidoKyc:
    api_token = str(secret_fields(setting("ONFIDO_SECRET"))["api_token"])
    return OnfidoKyc(api_token=api_token, api_base=setting("ONFIDO_API_BASE"))
