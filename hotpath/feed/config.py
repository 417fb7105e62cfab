"""The gateway's configuration, from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class ConfigError(Exception):
    """The environment lacks a variable or gives it an impossible value."""


@dataclass(frozen=True, slots=True)
class Config:
    """`checkpoint` is None when the gateway keeps none and reads the stream from its beginning."""

    stream_url: str
    host: str
    port: int
    checkpoint: Path | None
    max_clients: int
    heartbeat_s: float
    checkpoint_s: float
    shards: int = 1  # how many write to the topic


def from_environment(environment: Mapping[str, str] = os.environ) -> Config:
    """Read STREAM_URL, FEED_LISTEN; FEED_STATE, TRADING_SHARDS, FEED_MAX_CLIENTS where set."""
    try:
        host, _, port = environment["FEED_LISTEN"].rpartition(":")
        stream_url = environment["STREAM_URL"]
        state = environment.get("FEED_STATE", "")
        return Config(
            stream_url=stream_url,
            host=host or "127.0.0.1",
            port=int(port),
            checkpoint=Path(state) / "checkpoint.msgpack" if state else None,
            shards=int(environment.get("TRADING_SHARDS", "1")),
            max_clients=int(environment.get("FEED_MAX_CLIENTS", "2000")),
            heartbeat_s=float(environment.get("FEED_HEARTBEAT_S", "5")),
            checkpoint_s=float(environment.get("FEED_CHECKPOINT_S", "10")),
        )
    except KeyError as error:
        raise ConfigError(f"{error.args[0]} is not set") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
