"""Order-entry tokens: who signed them, what they may say, and when they end."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.wire.tokens import (
    MEMBER,
    READ,
    SERVICE,
    TRADE,
    TokenError,
    TokenExpired,
    TokenIssuer,
    TokenVerifier,
)

NOW_S = 1_800_000_000


def private_pem(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


KEY = Ed25519PrivateKey.generate()
ISSUER, VERIFIER = TokenIssuer(private_pem(KEY)), TokenVerifier(public_pem(KEY))


def signed(document: object, key: Ed25519PrivateKey = KEY) -> str:
    """Return a token with any claims, genuinely signed."""
    payload = b"v1." + base64.urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=")
    return (payload + b"." + base64.urlsafe_b64encode(key.sign(payload)).rstrip(b"=")).decode()


def test_a_service_token_carries_its_scopes_and_no_account() -> None:
    claims = VERIFIER.verify(ISSUER.service([TRADE, READ], now_s=NOW_S), now_s=NOW_S)
    assert (claims.kind, claims.account_id) == (SERVICE, 0)
    assert claims.scopes == {TRADE, READ}
    assert claims.expires_s == NOW_S + 900


def test_a_member_token_names_its_account_and_may_trade_and_read() -> None:
    claims = VERIFIER.verify(ISSUER.member(42, now_s=NOW_S), now_s=NOW_S)
    assert (claims.kind, claims.account_id) == (MEMBER, 42)
    assert claims.scopes == {TRADE, READ}


def test_a_token_ends_at_its_second() -> None:
    token = ISSUER.member(1, lifetime_s=60, now_s=NOW_S)
    assert VERIFIER.verify(token, now_s=NOW_S + 59.9)
    with pytest.raises(TokenExpired):
        VERIFIER.verify(token, now_s=NOW_S + 60)


def test_another_keys_signature_is_refused() -> None:
    other = TokenIssuer(private_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(TokenError):
        VERIFIER.verify(other.member(1))


def test_no_changed_character_goes_unseen() -> None:
    token = ISSUER.member(1)
    for position, character in enumerate(token):
        changed = token[:position] + ("A" if character != "A" else "B") + token[position + 1 :]
        if position == len(token) - 1:
            continue  # base64's last character has bits that mean nothing
        with pytest.raises(TokenError):
            VERIFIER.verify(changed)


GOOD = {"kind": MEMBER, "account_id": 1, "scopes": [TRADE], "exp": NOW_S + 1}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "OPERATOR"},
        {"kind": SERVICE},
        {"account_id": 0},
        {"account_id": -1},
        {"account_id": 1 << 30},
        {"account_id": True},
        {"account_id": "1"},
        {"scopes": ["root"]},
        {"scopes": 5},
        {"scopes": [[]]},
        {"exp": "tomorrow"},
        {"exp": 1e30},
        {"extra": 1},
    ],
    ids=str,
)
def test_signed_claims_that_no_token_has_are_refused(change: dict[str, object]) -> None:
    assert VERIFIER.verify(signed(GOOD), now_s=NOW_S)
    with pytest.raises(TokenError):
        VERIFIER.verify(signed(GOOD | change), now_s=NOW_S)


@pytest.mark.parametrize(
    "token", ["", ".", "v1", "v1..", "v2.e30.AA", "v1.!.!", "é.é.é", "v1." + "A" * 5000, "null"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(TokenError):
        VERIFIER.verify(token)
