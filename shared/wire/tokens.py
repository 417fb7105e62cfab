"""Short-lived signed tokens of the order-entry protocol: services issue, the gateway checks.

    v1.<base64url of the claims as JSON>.<base64url of the Ed25519 signature>

The gateway needs only the public key: no database is asked.
"""

import base64
import binascii
import json
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from shared.domain.ids import MAX_ACCOUNT_ID

MEMBER: Final = "MEMBER"
SERVICE: Final = "SERVICE"
TRADE: Final = "trade"  # order commands
FUND: Final = "fund"  # deposits, withdrawals, settlement
ADMIN: Final = "admin"  # accounts, instruments, states, limits
READ: Final = "read"  # queries
SCOPES: Final = frozenset({TRADE, FUND, ADMIN, READ})

_PREFIX: Final = b"v1."
_MAX_TOKEN: Final = 2048
_CLAIMS: Final = {"kind", "account_id", "scopes", "exp"}


class TokenError(Exception):
    """The token was not signed by the issuer, or its claims are not what tokens carry."""


class TokenExpired(TokenError):
    """The token is genuine and too old."""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Who may do what until when. `account_id` is 0 in service tokens; `expires_s` is Unix time."""

    kind: str
    account_id: int
    scopes: frozenset[str]
    expires_s: int


class TokenIssuer:
    """Signs tokens with an Ed25519 private key in PEM."""

    def __init__(self, private_key_pem: bytes) -> None:
        key = serialization.load_pem_private_key(private_key_pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TokenError("the signing key is not an Ed25519 key")
        self._key = key

    def service(
        self, scopes: Collection[str], *, lifetime_s: int = 900, now_s: float | None = None
    ) -> str:
        """Return a token for a service session with some of SCOPES."""
        return self._issue(SERVICE, 0, scopes, lifetime_s, now_s)

    def member(self, account_id: int, *, lifetime_s: int = 900, now_s: float | None = None) -> str:
        """Return a token for an account's own session: its orders, its queries."""
        return self._issue(MEMBER, account_id, (TRADE, READ), lifetime_s, now_s)

    def _issue(
        self,
        kind: str,
        account_id: int,
        scopes: Collection[str],
        lifetime_s: int,
        now_s: float | None,
    ) -> str:
        now_s = time.time() if now_s is None else now_s
        expires_s = int(now_s) + lifetime_s
        claims = TokenClaims(kind, account_id, frozenset(scopes), expires_s)
        _check(claims)
        document = {
            "kind": kind,
            "account_id": account_id,
            "scopes": sorted(scopes),
            "exp": expires_s,
        }
        signed = _PREFIX + _encode(json.dumps(document, separators=(",", ":")).encode())
        return (signed + b"." + _encode(self._key.sign(signed))).decode()


class TokenVerifier:
    """Checks tokens with the issuer's public key in PEM."""

    def __init__(self, public_key_pem: bytes) -> None:
        key = serialization.load_pem_public_key(public_key_pem)
        if not isinstance(key, Ed25519PublicKey):
            raise TokenError("the public key is not an Ed25519 key")
        self._key = key

    def verify(self, token: str, *, now_s: float | None = None) -> TokenClaims:
        """Return the claims.

        Raises
        ------
        TokenError
            It is not a token of this issuer.
        TokenExpired
            It was one.
        """
        if len(token) > _MAX_TOKEN or not token.isascii():
            raise TokenError("not a token")
        signed, _, signature = token.encode().rpartition(b".")
        if not signed.startswith(_PREFIX):
            raise TokenError("not a token of version 1")
        try:
            self._key.verify(_decode(signature), signed)
        except InvalidSignature:
            raise TokenError("wrong signature") from None
        claims = _parse(_decode(signed[len(_PREFIX) :]))
        if claims.expires_s <= (time.time() if now_s is None else now_s):
            raise TokenExpired("the token has expired")
        return claims


def _parse(document: bytes) -> TokenClaims:
    try:
        values = json.loads(document)
        if not isinstance(values, dict) or set(values) != _CLAIMS:
            raise TokenError("claims")
        scopes = frozenset(values["scopes"])
        claims = TokenClaims(values["kind"], values["account_id"], scopes, values["exp"])
    except (ValueError, TypeError, RecursionError):
        raise TokenError("claims") from None
    _check(claims)
    return claims


def _check(claims: TokenClaims) -> None:
    if type(claims.account_id) is not int or type(claims.expires_s) is not int:
        raise TokenError("claims are not integers")
    if not claims.scopes <= SCOPES:
        raise TokenError("unknown scope")
    is_member = claims.kind == MEMBER and 1 <= claims.account_id <= MAX_ACCOUNT_ID
    is_service = claims.kind == SERVICE and claims.account_id == 0
    if not (is_member or is_service):
        raise TokenError("kind and account do not fit")


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    try:
        return base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise TokenError("not base64url") from None
