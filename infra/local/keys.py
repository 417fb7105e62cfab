"""The stack's own secrets: made once, kept in the state folder, readable by its owner only."""

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.local.settings import Settings


def passwords(settings: Settings, roles: Sequence[str]) -> dict[str, str]:
    """Return a password per database role; new roles get a new one, old ones keep theirs."""
    file = settings.keys / "postgres.json"
    known = _known_passwords(file)
    if known.keys() >= set(roles):
        return known
    with _only_writer(file):
        known = _known_passwords(file)
        missing = [role for role in roles if role not in known]
        known |= {role: secrets.token_urlsafe(24) for role in missing}
        write_private(file, json.dumps(known, indent=1) + "\n")
    return known


def _known_passwords(file: Path) -> dict[str, str]:
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return known


@contextmanager
def _only_writer(file: Path) -> Iterator[None]:
    """Keep other threads and processes from changing a file between reading and writing it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with file.with_name(f".{file.name}.lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def engine_signing_key(settings: Settings) -> str:
    """Return the PEM of the Ed25519 key with which order-entry tokens are signed."""
    return _text(settings.keys / "engine-signing-key.pem", _new_signing_key)


def engine_public_key_file(settings: Settings) -> Path:
    """Return the PEM file of the public half, with which the engine verifies tokens."""
    file = settings.keys / "engine-public-key.pem"
    private = serialization.load_pem_private_key(engine_signing_key(settings).encode(), None)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return file if _has(file, pem.decode()) else write_private(file, pem.decode())


def token(settings: Settings, name: str) -> str:
    """Return a random text, made on first use and the same from then on."""
    return _text(settings.keys / name, lambda: secrets.token_urlsafe(32))


def _new_signing_key() -> str:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return pem.decode()


def _has(file: Path, text: str) -> bool:
    return file.exists() and file.read_text(encoding="utf-8") == text


def _text(file: Path, make: Callable[[], str]) -> str:
    """Return a file's text, made first when it is absent; of two makers at once the first wins."""
    if not file.exists():
        candidate = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        write_private(candidate, make())
        with suppress(FileExistsError):
            os.link(candidate, file)
        candidate.unlink()
    return file.read_text(encoding="utf-8")


def write_private(file: Path, text: str) -> Path:
    """Write a file that only its owner may read, whole or not at all; return it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replacement = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    descriptor = os.open(replacement, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    replacement.replace(file)
    return file
