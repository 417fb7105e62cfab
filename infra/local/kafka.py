"""Apache Kafka on this machine: fetches the broker through Maven, formats its storage, runs it."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Final

from infra.local import health
from infra.local.errors import StackError
from infra.local.part import HealthCheck, Part, base_environment
from infra.local.settings import CHECKOUT, Settings
from shared.ports.event_stream import StreamUnavailable
from shared.streams.kafka_brokers import Brokers
from shared.streams.kafka_connection import ping

_POM: Final = CHECKOUT / "infra" / "kafka" / "pom.xml"
_RELEASE: Final = re.compile(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([0-9.]+)<")
_BEFORE_IT_WAS_NOTED: Final = "4.3.1"
_MINIMUM_JAVA: Final = 17
_FETCH_TIMEOUT_S: Final = 600
_STOP_GRACE_S: Final = 20.0
_LOG_SETTINGS: Final = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %m (%c)%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
"""


def part(settings: Settings) -> Part:
    """Return the stack's broker; raise StackError where Java or Maven is missing."""
    folder = settings.folder("stream-kafka")
    broker = KafkaBroker(folder, settings.port("stream"), settings.port("stream-controller"))
    return Part(
        name="stream",
        command=broker.command(),
        environment=broker.environment(),
        health=broker.health(),
        log_file=settings.log_file("stream"),
        run_file=settings.run_file("stream"),
        ports=(broker.port, broker.controller_port),
        prepare=broker.prepare,
        stop_grace_s=_STOP_GRACE_S,
        start_timeout_s=60.0,
    )


def missing_tools() -> str:
    """Return what keeps Kafka from running here, or an empty string."""
    if shutil.which("java") is None:
        return "STREAM=kafka needs Java 17 (Debian: openjdk-17-jre-headless)"
    if not _fetched(_cache_folder()) and shutil.which("mvn") is None:
        return "STREAM=kafka fetches the broker with Maven (Debian: maven)"
    return ""


class KafkaBroker:
    """One broker that is its own controller (KRaft combined mode), on 127.0.0.1."""

    def __init__(self, folder: Path, port: int, controller_port: int) -> None:
        self.folder = folder
        self.port = port
        self.controller_port = controller_port
        self.bootstrap_servers = f"127.0.0.1:{port}"

    def command(self) -> tuple[str, ...]:
        return (
            *_java(),
            "-Xms64m",
            "-Xmx384m",
            *self._logging(),
            "kafka.Kafka",
            self._properties(),
        )

    def environment(self) -> dict[str, str]:
        return base_environment()

    def health(self) -> HealthCheck:
        def check() -> str:
            try:
                return ping(Brokers(self.bootstrap_servers), timeout_s=2.0)
            except StreamUnavailable as error:
                raise health.Unhealthy(str(error)) from error

        return check

    def prepare(self) -> None:
        """Fetch the jars, write the settings, format the storage; what is done is left alone."""
        self._check_release()
        fetch()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "log4j2.properties").write_text(_LOG_SETTINGS, encoding="utf-8")
        Path(self._properties()).write_text(self._server_properties(), encoding="utf-8")
        if not self._is_formatted():
            (self.folder / "release").write_text(_release(), encoding="utf-8")
            self._format()

    def _is_formatted(self) -> bool:
        return (self.folder / "data" / "meta.properties").exists()

    def _check_release(self) -> None:
        """Raise StackError where a later release made the storage: this one cannot read it."""
        if not self._is_formatted():
            return
        noted = self.folder / "release"
        made_by = noted.read_text(encoding="utf-8") if noted.exists() else _BEFORE_IT_WAS_NOTED
        if _numbers(made_by) > _numbers(_release()):
            raise StackError(
                f"{self.folder} was made by Kafka {made_by}, and {_release()} cannot read it:"
                " choose another TRADING_STATE, or `trading reset`"
            )

    def _format(self) -> None:
        shutil.rmtree(self.folder / "data", ignore_errors=True)
        cluster_id = uuid.uuid4().hex[:22]
        result = subprocess.run(
            [
                *_java(),
                *("-Xmx256m", *self._logging(), "kafka.tools.StorageTool", "format"),
                *("--cluster-id", cluster_id, "--config", self._properties()),
            ],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if result.returncode != 0:
            raise StackError(
                f"Kafka's storage cannot be formatted:\n{result.stdout}{result.stderr}"
            )

    def _properties(self) -> str:
        return str(self.folder / "server.properties")

    def _logging(self) -> tuple[str, ...]:
        return (f"-Dlog4j2.configurationFile={self.folder / 'log4j2.properties'}",)

    def _server_properties(self) -> str:
        values: dict[str, object] = {
            "process.roles": "broker,controller",
            "node.id": 1,
            # A quorum named here, not in the storage, so that a stack may move to other ports.
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "listeners": f"BROKER://127.0.0.1:{self.port},"
            f"CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"BROKER://{self.bootstrap_servers}",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": 1,
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            # One broker is all there is, so what it acknowledges must be on its disk.
            "log.flush.interval.messages": 1,
            "offsets.retention.minutes": 10 * 365 * 24 * 60,
            "group.initial.rebalance.delay.ms": 0,
            "num.network.threads": 2,
            "num.io.threads": 2,
            "background.threads": 2,
            "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
        }
        return "".join(f"{name}={value}\n" for name, value in values.items())


def fetch() -> Path:
    """Return the folder with the broker's jars, fetched once per version into the user's cache.

    Raises
    ------
    StackError
        Java or Maven is missing or too old, or the jars cannot be fetched.
    """
    _check_java()
    folder = _cache_folder()
    if _fetched(folder):
        return folder
    if shutil.which("mvn") is None:
        raise StackError(missing_tools())
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _fetched(folder):
            _fetch_into(folder)
    return folder


def _fetch_into(folder: Path) -> None:
    """Fetch beside the folder, then rename: it exists complete or not at all."""
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as partial:
        jars = Path(partial) / "jars"
        result = subprocess.run(
            [
                *("mvn", "-q", "-B", "-f", str(_POM), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={jars}"),
            ],
            capture_output=True,
            text=True,
            timeout=_FETCH_TIMEOUT_S,
            check=False,
        )
        if result.returncode != 0:
            raise StackError(f"Maven cannot fetch Kafka:\n{result.stdout}{result.stderr}"[:4_000])
        jars.rename(folder)


def _release() -> str:
    """Return which Kafka the pom names."""
    found = _RELEASE.search(_POM.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def _numbers(release: str) -> tuple[int, ...]:
    return tuple(map(int, release.split(".")))


def _cache_folder() -> Path:
    """Return where the jars of this pom belong: TRADING_CACHE, else the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("TRADING_CACHE") or Path(home) / "trading-platform")
    return cache / f"kafka-{hashlib.sha256(_POM.read_bytes()).hexdigest()[:12]}"


def _fetched(folder: Path) -> bool:
    return folder.is_dir()


def _java() -> tuple[str, ...]:
    # Little heap and few threads: the stack shares two cores with everything else.
    tuning = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Djava.awt.headless=true")
    return ("java", *tuning, "-cp", str(_cache_folder() / "*"))


def _check_java() -> None:
    if shutil.which("java") is None:
        raise StackError(missing_tools())
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    version = shown.partition('version "')[2].partition(".")[0].partition('"')[0]
    if not version.isdecimal() or int(version) < _MINIMUM_JAVA:
        raise StackError(f"Kafka needs Java {_MINIMUM_JAVA} or later; java -version says: {shown}")
