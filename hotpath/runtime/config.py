"""What the engine and the publisher are told by their environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from shared.streams.kafka_brokers import SCHEMES

DURABILITIES: Final = ("os", "fsync", "replicated")
SAME_HOST: Final = "same-host"
OTHER_HOST: Final = "other-host"


class ConfigError(Exception):
    """A setting is missing or cannot be; the message names it."""


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """
    TRADING_JOURNAL         folder of the journal
    ENGINE_LISTEN           host:port of the order-entry protocol (port 0: any free one)
    ENGINE_HEALTH_LISTEN    host:port of /health and /metrics; empty: not served
    ENGINE_PUBLIC_KEY_FILE  PEM file of the key that tokens are verified with
    TRADING_DURABILITY      os, fsync (default), or replicated: to Kafka, by the replicator
    STREAM_URL              mode replicated: the event stream, which must be Kafka
    TRADING_STALL_MS        mode replicated: new orders are refused while a batch has waited for its
                            copy for so long, default 1000
    TRADING_SYNC_MS         mode os: how often the journal is synced, default 10: what a power cut
                            takes; 0: when the system likes
    TRADING_MARK_MS         how often the state's hash is noted in the journal, default 1000; 0:
                            never
    TRADING_SHARD           number of this shard, default 0
    TRADING_CPUS            cores to run on, like 2,4-6; empty (default): any. The process that
                            syncs its journal runs on the others
    TRADING_SPIN            1: never sleep while idle
    TRADING_SEGMENT_BYTES   size of a journal segment
    TRADING_QUEUE           commands that may wait; above it ENGINE_BUSY is the answer
    TRADING_MAX_RATE        orders and replacements that are taken a second; beyond it the answer
                            is ENGINE_BUSY, never to a cancel; 0 (default): no limit
    TRADING_EXPECTED_IDS    new ids, of orders above all, for which room is made at the start, 32
                            bytes each; default 0: the table of ids doubles as it fills, and nobody
                            is answered meanwhile, 2.5 ms at 65,000 ids, 40 ms at a million
    TRADING_UNPUBLISHED     commands that may be durable and not yet in the event stream; above it
                            new orders are refused; 0 (default): no bound
    TRADING_FAULT           name:n, for tests: die at the n-th passage of a fault point
    """

    journal: Path
    host: str
    port: int
    health_host: str
    health_port: int | None
    public_key_file: Path
    durability: str
    stall_ms: int
    sync_ms: int
    mark_ms: int
    shard: int
    spin: bool
    segment_bytes: int
    queue_commands: int
    max_orders_per_second: int
    expected_ids: int
    unpublished_commands: int
    fault: str

    @classmethod
    def from_environment(cls, given: Mapping[str, str] | None = None) -> "EngineConfig":
        """Read the settings; raise ConfigError for one that is missing or cannot be."""
        values = os.environ if given is None else given
        host, port = _address(values, "ENGINE_LISTEN", "127.0.0.1:4570")
        health = values.get("ENGINE_HEALTH_LISTEN", "")
        health_host, health_port = (
            _address(values, "ENGINE_HEALTH_LISTEN") if health else ("", None)
        )
        return cls(
            journal=Path(_required(values, "TRADING_JOURNAL")),
            host=host,
            port=port,
            health_host=health_host,
            health_port=health_port,
            public_key_file=Path(_required(values, "ENGINE_PUBLIC_KEY_FILE")),
            durability=_durability(values),
            stall_ms=_integer(values, "TRADING_STALL_MS", 1000, 1, 3_600_000),
            sync_ms=_integer(values, "TRADING_SYNC_MS", 10, 0, 60_000),
            mark_ms=_integer(values, "TRADING_MARK_MS", 1000, 0, 3_600_000),
            shard=_integer(values, "TRADING_SHARD", 0, 0, 63),
            spin=values.get("TRADING_SPIN", "").lower() in ("1", "true", "yes", "on"),
            segment_bytes=_integer(values, "TRADING_SEGMENT_BYTES", 64 << 20, 4096, 1 << 32),
            queue_commands=_integer(values, "TRADING_QUEUE", 16_384, 1, 1 << 20),
            max_orders_per_second=_integer(values, "TRADING_MAX_RATE", 0, 0, 100_000_000),
            expected_ids=_integer(values, "TRADING_EXPECTED_IDS", 0, 0, 1 << 28),
            unpublished_commands=_integer(values, "TRADING_UNPUBLISHED", 0, 0, 1 << 40),
            fault=values.get("TRADING_FAULT", ""),
        )


@dataclass(frozen=True, slots=True)
class PublisherConfig:
    """
    TRADING_JOURNAL         folder of the journal
    STREAM_URL              the event stream, as shared.streams.open_stream takes it
    TRADING_SHARDS          how many shards write to its topics, default 1
    TRADING_HEALTH_FILE     touched every second while the publisher works; empty: none
    STREAM_RETAIN           messages of each partition that stay once all groups have committed
                            them; 0 (default): all stay. Kafka's topics have their own settings
    PUBLISHER_HEALTH_LISTEN host:port of /health, /ready and /metrics; empty: not served
    TRADING_FAULT           as for the engine
    """

    journal: Path
    stream_url: str
    shards: int
    health_file: Path | None
    retain_messages: int
    health_address: tuple[str, int] | None
    fault: str

    @classmethod
    def from_environment(cls, given: Mapping[str, str] | None = None) -> "PublisherConfig":
        values = os.environ if given is None else given
        health_file = values.get("TRADING_HEALTH_FILE")
        return cls(
            journal=Path(_required(values, "TRADING_JOURNAL")),
            stream_url=_required(values, "STREAM_URL"),
            shards=_integer(values, "TRADING_SHARDS", 1, 1, 64),
            health_file=Path(health_file) if health_file else None,
            retain_messages=_integer(values, "STREAM_RETAIN", 0, 0, 1 << 40),
            health_address=(
                _address(values, "PUBLISHER_HEALTH_LISTEN")
                if values.get("PUBLISHER_HEALTH_LISTEN")
                else None
            ),
            fault=values.get("TRADING_FAULT", ""),
        )


@dataclass(frozen=True, slots=True)
class ReplicatorConfig:
    """
    TRADING_JOURNAL           folder of the journal
    STREAM_URL                kafka://host:port, or kafka+iam://host:port
    TRADING_SHARD             as for the engine
    TRADING_HEALTH_FILE       touched every second while the replicator lives; empty: none
    REPLICATOR_HEALTH_LISTEN  host:port of /health, /ready and /metrics; empty: not served
    """

    journal: Path
    stream_url: str
    shard: int
    health_file: Path | None
    health_address: tuple[str, int] | None

    @classmethod
    def from_environment(cls, given: Mapping[str, str] | None = None) -> "ReplicatorConfig":
        values = os.environ if given is None else given
        health_file = values.get("TRADING_HEALTH_FILE")
        name = "REPLICATOR_HEALTH_LISTEN"
        return cls(
            journal=Path(_required(values, "TRADING_JOURNAL")),
            stream_url=_kafka_url(values),
            shard=_integer(values, "TRADING_SHARD", 0, 0, 63),
            health_file=Path(health_file) if health_file else None,
            health_address=_address(values, name) if values.get(name) else None,
        )


@dataclass(frozen=True, slots=True)
class FollowerConfig:
    """
    TRADING_JOURNAL            folder of the journal
    TRADING_SNAPSHOT_COMMANDS  a snapshot each time so many commands are durable, default 500,000
    TRADING_SNAPSHOT_KEEP      how many snapshots stay, default 3
    TRADING_HEALTH_FILE        touched every second while the follower works; empty: none
    """

    journal: Path
    every_commands: int
    keep: int
    health_file: Path | None

    @classmethod
    def from_environment(cls, given: Mapping[str, str] | None = None) -> "FollowerConfig":
        values = os.environ if given is None else given
        health_file = values.get("TRADING_HEALTH_FILE")
        return cls(
            journal=Path(_required(values, "TRADING_JOURNAL")),
            every_commands=_integer(values, "TRADING_SNAPSHOT_COMMANDS", 500_000, 1, 1 << 40),
            keep=_integer(values, "TRADING_SNAPSHOT_KEEP", 3, 1, 1000),
            health_file=Path(health_file) if health_file else None,
        )


@dataclass(frozen=True, slots=True)
class StandbyConfig:
    """
    Everything that the engine is told, as it may become one, and:

    STANDBY_HEALTH_LISTEN   host:port of /health and /metrics while it stands by; empty: not served
    TRADING_HUNG_MS         an engine whose heart has not beaten for so long is killed, or shut out
                            where it is on another host; default 1000
    STANDBY_PLACEMENT       same-host (default): it follows the engine's own journal; other-host: it
                            follows the journal's topic into a journal of its own (replicated only)
    """

    engine: EngineConfig
    health_address: tuple[str, int] | None
    hung_ms: int
    placement: str
    stream_url: str

    @classmethod
    def from_environment(cls, given: Mapping[str, str] | None = None) -> "StandbyConfig":
        values = os.environ if given is None else given
        name = "STANDBY_HEALTH_LISTEN"
        engine = EngineConfig.from_environment(values)
        return cls(
            engine=engine,
            placement=_placement(values, engine.durability),
            stream_url=values.get("STREAM_URL", ""),
            health_address=_address(values, name) if values.get(name) else None,
            hung_ms=_integer(values, "TRADING_HUNG_MS", 1000, 700, 600_000),
        )


def _required(values: Mapping[str, str], name: str) -> str:
    value = values.get(name)
    if not value:
        raise ConfigError(f"{name} is not set")
    return value


def _durability(values: Mapping[str, str]) -> str:
    durability = values.get("TRADING_DURABILITY") or "fsync"
    if durability not in DURABILITIES:
        raise ConfigError(f"TRADING_DURABILITY={durability}: must be {' or '.join(DURABILITIES)}")
    if durability == "replicated":
        _kafka_url(values)
    return durability


def _placement(values: Mapping[str, str], durability: str) -> str:
    placement = values.get("STANDBY_PLACEMENT") or SAME_HOST
    if placement not in (SAME_HOST, OTHER_HOST):
        raise ConfigError(f"STANDBY_PLACEMENT={placement}: must be {SAME_HOST} or {OTHER_HOST}")
    if placement == OTHER_HOST and durability != "replicated":
        raise ConfigError(
            f"STANDBY_PLACEMENT={OTHER_HOST} needs TRADING_DURABILITY=replicated: only Kafka can"
            " shut out an engine on another host"
        )
    return placement


def _kafka_url(values: Mapping[str, str]) -> str:
    url = values.get("STREAM_URL", "")
    if urlsplit(url).scheme not in SCHEMES:
        raise ConfigError(
            f"TRADING_DURABILITY=replicated needs Kafka, and STREAM_URL={url or '(not set)'} is"
            " none: give it kafka://host:port or kafka+iam://host:port, or take"
            " TRADING_DURABILITY=fsync"
        )
    return url


def _address(values: Mapping[str, str], name: str, default: str = "") -> tuple[str, int]:
    text = values.get(name) or default
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(f"{name}={text}: must be host:port")
    return host, int(port)


def _integer(values: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = values.get(name) or str(default)
    if not text.isdecimal() or not low <= int(text) <= high:
        raise ConfigError(f"{name}={text}: must be a number from {low} to {high}")
    return int(text)
