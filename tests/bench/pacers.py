"""What `bench wire` and `bench overload` share: an engine with a market, and paced clients."""

import array
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from shared.domain import records as r
from shared.domain.commands import Command
from shared.hotpath_client.ring_client import RingLink
from shared.hotpath_client.sync_client import Connection
from shared.ports.engine import EngineError
from shared.wire import frames
from shared.wire.pacing import RingPacer, TcpPacer
from shared.wire.tokens import SCOPES
from tests.bench.workloads import Workload
from tests.support.engine import EngineProcess
from tests.support.replicator import ReplicatorProcess

TIMEOUT_S: Final = 30.0
_TOKEN_S: Final = 3600


@dataclass(frozen=True, slots=True)
class RawCommand:
    """Words as they are."""

    raw: Sequence[int]

    def words(self) -> list[int]:
        return list(self.raw)


@contextmanager
def bench_engine(
    folder: Path, stage: Sequence[Command], **settings: str
) -> Iterator[EngineProcess]:
    """Yield a started engine to which the stage's commands were sent.

    In mode `replicated`, STREAM_URL names the Kafka that a replicator copies the journal to.
    """
    folder.mkdir()
    engine = EngineProcess(folder, **{"TRADING_SEGMENT_BYTES": str(256 << 20)} | settings)
    replicator = ReplicatorProcess(engine)
    try:
        if settings.get("TRADING_DURABILITY") == "replicated":
            replicator.start()
        engine.start()
        with engine.client(60_000) as client:
            for result in client.submit_many(stage):
                assert not isinstance(result, EngineError), result
        yield engine
    finally:
        engine.close()
        replicator.close()


def stage_of(workload: Workload) -> list[Command]:
    """Return the commands that open the workload's market."""
    found: list[Command] = []
    at = 0
    while at < workload.measured_from:
        end = at + r.command_words(workload.words[at] & 0xFF)
        found.append(cast("Command", RawCommand(workload.words[at:end])))
        at = end
    return found


def measured_bytes(words: "array.array[int]", start: int) -> bytes:
    """Return the commands from a word on; all of 8 words, as the pacers want them."""
    data = words[start:]
    assert all(kind & 0xFF < r.FIRST_EXTENDED_KIND for kind in data[:: r.COMMAND_WORDS])
    return data.tobytes()


def token_of(engine: EngineProcess) -> str:
    return engine.issuer.service(SCOPES, lifetime_s=_TOKEN_S)


def ring_pacer(address: str, token: str) -> RingPacer:
    """Return a client with a ring of its own."""
    connection = Connection(_split(address), frames.SERVICE, token, TIMEOUT_S)
    link = RingLink(connection, TIMEOUT_S)
    wake = frames.RING_WAKE_FRAME
    return RingPacer(link.words, link.requests, link.answers, lambda: connection.send(wake))


def tcp_pacer(address: str, token: str, clients: int) -> TcpPacer:
    """Return clients with a session each."""
    return TcpPacer([_logged_on(address, token) for _ in range(clients)])


def _logged_on(address: str, token: str) -> socket.socket:
    opened = socket.create_connection(_split(address), TIMEOUT_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.sendall(frames.encode_logon(frames.Logon(frames.SERVICE, token)))
    frames.decode_logon_accepted(opened.recv(4096))
    return opened


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def quantile_us(latencies_ns: Sequence[int], quantile: float) -> float:
    """Return the latency below which `quantile` of them lie."""
    ordered = sorted(latencies_ns)
    return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] / 1000
