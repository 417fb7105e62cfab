"""Where everything of one local stack is: the only place that computes its ports and paths."""

import errno
import fcntl
import json
import os
import random
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Final, Literal, cast

CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
DEFAULT_BASE_PORT: Final = 4566
REGION: Final = "us-east-1"

# Offsets of docs/ARCHITECTURE.md.
PORT_OFFSETS: Final[Mapping[str, int]] = {
    "emulator": 0,
    "postgres": 1,
    "stream": 2,
    "cache": 3,
    "engine": 4,
    "feed": 5,
    "stripe": 6,
    "onfido": 7,
    "engine-health": 8,
    "consumers": 9,
    "publisher": 10,
    "stream-controller": 11,
    "standby-health": 12,
}

PORTS_PER_SHARD: Final = 16  # a further shard's engine, publisher and standby lie so much higher
MAX_SHARDS: Final = 8

# Below the ports that Linux and macOS hand out by themselves (32768 and 49152 upwards).
_TEMPORARY_PORTS: Final = range(20_000, 32_000, PORTS_PER_SHARD)

StreamKind = Literal["redis", "kafka"]
DurabilityMode = Literal["fsync", "os", "replicated"]
Placement = Literal["same-host", "other-host"]


class SettingsError(Exception):
    """A setting has a value that the stack cannot run with."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One local stack: everything else derives from these values."""

    state: Path
    base_port: int = DEFAULT_BASE_PORT
    stream: StreamKind = "redis"
    durability: DurabilityMode = "fsync"
    spin: bool = False
    standby: bool = False  # a second engine in waiting, for each shard
    standby_placement: Placement = "same-host"  # or as if on another host: a journal of its own
    shards: int = 1  # engines that share the instruments
    kafka_bootstrap_servers: str = ""  # empty: the stack starts its own broker
    database_url: str = ""  # empty: the stack starts its own PostgreSQL
    redis_url: str = ""  # empty: the stack starts its own cache

    def __post_init__(self) -> None:
        if not 1 <= self.shards <= MAX_SHARDS:
            raise SettingsError(f"TRADING_SHARDS={self.shards}: must lie within 1-{MAX_SHARDS}")
        highest = self.port(max(PORT_OFFSETS, key=lambda name: PORT_OFFSETS[name]), self.shards - 1)
        if self.base_port < 1024 or highest > 65_535:
            raise SettingsError(
                f"TRADING_PORT={self.base_port}: ports {self.base_port}-{highest} must lie"
                " within 1024-65535"
            )
        if self.stream not in ("redis", "kafka"):
            raise SettingsError(f"STREAM={self.stream}: must be redis or kafka")
        if self.durability not in ("fsync", "os", "replicated"):
            raise SettingsError(
                f"TRADING_DURABILITY={self.durability}: must be fsync, os or replicated"
            )
        if self.durability == "replicated" and self.stream != "kafka":
            raise SettingsError(
                "TRADING_DURABILITY=replicated needs Kafka: set STREAM=kafka as well"
            )
        if self.standby_placement not in ("same-host", "other-host"):
            raise SettingsError(
                f"STANDBY_PLACEMENT={self.standby_placement}: must be same-host or other-host"
            )
        if self.standby_placement == "other-host" and self.durability != "replicated":
            raise SettingsError("STANDBY_PLACEMENT=other-host needs TRADING_DURABILITY=replicated")

    # --- addresses ---------------------------------------------------------------------------

    def port(self, name: str, shard: int = 0) -> int:
        """Return the TCP port of a name of PORT_OFFSETS; of a shard's part, where each has one."""
        return self.base_port + PORT_OFFSETS[name] + PORTS_PER_SHARD * shard

    def address(self, name: str, shard: int = 0) -> str:
        return f"127.0.0.1:{self.port(name, shard)}"

    @property
    def engine_addresses(self) -> list[str]:
        """Return where the engines listen, by shard."""
        return [self.address("engine", shard) for shard in range(self.shards)]

    @property
    def aws_endpoint(self) -> str:
        return f"http://{self.address('emulator')}"

    @property
    def cache_url(self) -> str:
        return self.redis_url or f"redis://{self.address('cache')}/0"

    @property
    def stream_url(self) -> str:
        """Return redis://host:port/db or kafka://host:port[,host:port]."""
        if self.stream == "kafka":
            return f"kafka://{self.kafka_bootstrap_servers or self.address('stream')}"
        return f"redis://{self.address('stream')}/0"

    @property
    def stripe_url(self) -> str:
        return f"http://{self.address('stripe')}"

    @property
    def onfido_url(self) -> str:
        return f"http://{self.address('onfido')}/v3.6"

    @property
    def engine_health_url(self) -> str:
        return self.engine_health(0)

    def engine_health(self, shard: int) -> str:
        """Return the URL of a shard's engine's health."""
        return f"http://{self.address('engine-health', shard)}/health"

    @property
    def standby_health_url(self) -> str:
        return self.standby_health(0)

    def standby_health(self, shard: int) -> str:
        return f"http://{self.address('standby-health', shard)}/health"

    @property
    def feed_url(self) -> str:
        return f"ws://{self.address('feed')}/ws/market-data"

    # --- paths -------------------------------------------------------------------------------

    @property
    def settings_file(self) -> Path:
        return self.state / "settings.json"

    @property
    def deployment_file(self) -> Path:
        """Return the file that names what was deployed: the template's outputs and its hash."""
        return self.state / "deployment.json"

    @property
    def keys(self) -> Path:
        return self.state / "keys"

    @property
    def journal(self) -> Path:
        return self.journal_of(0)

    def journal_of(self, shard: int) -> Path:
        """Return the folder of a shard's journal."""
        return self.state / shard_part("journal", shard)

    @property
    def journals(self) -> list[Path]:
        """Return the folders of all journals, by shard."""
        return [self.journal_of(shard) for shard in range(self.shards)]

    def standby_journal_of(self, shard: int) -> Path:
        """Return the folder of the journal that a standby on another host makes."""
        return self.state / shard_part("standby-journal", shard)

    @property
    def emulator(self) -> Path:
        return self.state / "emulator"

    def folder(self, name: str) -> Path:
        """Return the folder in which a part keeps its data."""
        return self.state / name

    def log_file(self, part: str) -> Path:
        return self.state / "logs" / f"{part}.log"

    def run_file(self, part: str) -> Path:
        return self.state / "run" / f"{part}.json"

    def health_file(self, part: str) -> Path:
        """Return the file that a part without a port touches every second."""
        return self.state / "run" / f"{part}.health"

    # --- kept in the state folder --------------------------------------------------------------

    def save(self) -> None:
        """Write settings.json, so that the other commands find this stack again."""
        self.state.mkdir(parents=True, exist_ok=True)
        values = {name: value for name, value in asdict(self).items() if name != "state"}
        replacement = self.settings_file.with_suffix(".new")
        replacement.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        replacement.replace(self.settings_file)


def shard_part(name: str, shard: int) -> str:
    """Return what a shard's part, or folder, is called: the first one's bears no number."""
    return f"{name}-{shard}" if shard else name


_SERVERS: Final = ("DATABASE_URL", "REDIS_URL", "KAFKA_BOOTSTRAP_SERVERS")


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Return the stack that the environment names.

    What the environment leaves open comes from the state folder's settings.json, then from the
    defaults. Raises SettingsError for a value that cannot be.
    """
    given = os.environ if environment is None else environment
    state = Path(given.get("TRADING_STATE") or CHECKOUT / ".trading").expanduser().absolute()
    return _overridden(load_saved(state) or Settings(state), given)


def load_saved(state: Path) -> Settings | None:
    """Return the settings that a state folder remembers, or None for a new one."""
    file = state / "settings.json"
    if not file.exists():
        return None
    try:
        return Settings(state, **json.loads(file.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"{file} cannot be read ({error}); `trading reset` makes it anew"
        ) from error


def _overridden(settings: Settings, given: Mapping[str, str]) -> Settings:
    if port := given.get("TRADING_PORT"):
        if not port.isdecimal():
            raise SettingsError(f"TRADING_PORT={port}: must be a number")
        settings = replace(settings, base_port=int(port))
    if stream := given.get("STREAM"):
        settings = replace(settings, stream=cast(StreamKind, stream))
    if durability := given.get("TRADING_DURABILITY"):
        settings = replace(settings, durability=cast(DurabilityMode, durability))
    if spin := given.get("TRADING_SPIN"):
        settings = replace(settings, spin=_is_on(spin))
    if standby := given.get("TRADING_STANDBY"):
        settings = replace(settings, standby=_is_on(standby))
    if placement := given.get("STANDBY_PLACEMENT"):
        settings = replace(settings, standby_placement=cast(Placement, placement))
    if shards := given.get("TRADING_SHARDS"):
        if not shards.isdecimal():
            raise SettingsError(f"TRADING_SHARDS={shards}: must be a number")
        settings = replace(settings, shards=int(shards))
    return replace(
        settings,
        kafka_bootstrap_servers=given.get("KAFKA_BOOTSTRAP_SERVERS")
        or settings.kafka_bootstrap_servers,
        database_url=given.get("DATABASE_URL") or settings.database_url,
        redis_url=given.get("REDIS_URL") or settings.redis_url,
    )


def _is_on(text: str) -> bool:
    return text.lower() in ("1", "true", "yes", "on")


@dataclass
class PortReservation:
    """A run of free ports that no other reservation on this machine gets while this one is held."""

    base_port: int
    _locks: list[IO[str]] = field(repr=False)

    def release(self) -> None:
        for lock in self._locks:
            lock.close()


def reserve_ports(shards: int = 1) -> PortReservation:
    """Reserve the ports of one stack, apart from all others that run here.

    A lock file keeps two stacks that start at once from choosing the same ports.
    """
    folder = Path(tempfile.gettempdir()) / f"trading-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    candidates = list(_TEMPORARY_PORTS)
    random.SystemRandom().shuffle(candidates)
    for base_port in candidates:
        runs = [base_port + PORTS_PER_SHARD * shard for shard in range(shards)]
        reservation = PortReservation(base_port, [])
        if all(_reserve(folder, run, reservation) for run in runs):
            return reservation
        reservation.release()
    raise SettingsError("no run of free ports found between 20000 and 32000")


def _reserve(folder: Path, base_port: int, reservation: PortReservation) -> bool:
    """Add one run of ports to a reservation; return False when it is taken."""
    lock = (folder / str(base_port)).open("w", encoding="utf-8")
    reservation._locks.append(lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return all(port_is_free(base_port + offset) for offset in PORT_OFFSETS.values())


def port_is_free(port: int) -> bool:
    """Return whether a server can listen on this port of 127.0.0.1 now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


@contextmanager
def temporary(environment: Mapping[str, str] | None = None) -> Iterator[Settings]:
    """Yield a stack of its own, in a new state folder on free ports; the folder goes at the end.

    STREAM, TRADING_DURABILITY and the like are taken from the environment, unless others are given.
    TRADING_STATE, TRADING_PORT and the servers that the environment names are not: they hold the
    data of a stack that is to stay as it is.
    """
    if environment is None:
        environment = {name: text for name, text in os.environ.items() if name not in _SERVERS}
    given = {name: text for name, text in environment.items() if name != "TRADING_PORT"}
    wanted = _overridden(Settings(Path("/")), given)
    ports = reserve_ports(wanted.shards)
    try:
        with tempfile.TemporaryDirectory(prefix="trading-", ignore_cleanup_errors=True) as folder:
            # PostgreSQL may run as another user, who has to pass through this folder.
            Path(folder).chmod(0o711)
            settings = _overridden(Settings(Path(folder), base_port=ports.base_port), given)
            settings.save()
            yield settings
    finally:
        ports.release()
