"""Puts one engine process together: lock, recovery, epoch, sockets, health, loop."""

import errno
import gc
import logging
import os
import resource
import socket
import time
from collections.abc import Callable
from typing import Final, TypeVar

from hotpath.build import CoreBuild
from hotpath.runtime.config import EngineConfig
from hotpath.runtime.core_host import CoreHost
from hotpath.runtime.engine_health import EngineHealth
from hotpath.runtime.engine_loop import EngineLoop, Readiness
from hotpath.runtime.faults import Faults
from hotpath.runtime.gateway.order_entry import MAX_SESSIONS, Gateway
from hotpath.runtime.gateway.parts import EngineFacts
from hotpath.runtime.gateway.repeats import Repeats
from hotpath.runtime.health import HealthServer
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.index import JournalIndex
from hotpath.runtime.journal.keeper import JournalKeeper
from hotpath.runtime.journal.marks import StateMarks
from hotpath.runtime.journal.own_snapshot import OwnSnapshot
from hotpath.runtime.journal.recovery import Known, Recovered, make_room, recover
from hotpath.runtime.journal.seek import find_place
from hotpath.runtime.journal.status_file import STARTING, StatusFile
from hotpath.runtime.journal.wake import Waker
from hotpath.runtime.journal.writer import JournalLock, JournalWriter
from hotpath.runtime.metrics import Metrics
from hotpath.runtime.rate_limit import RateLimit
from hotpath.runtime.replication.gate import ReplicationGate
from hotpath.runtime.rings.attached import Rings
from hotpath.runtime.sequencer import Sequencer
from hotpath.runtime.stream_bound import StreamBound
from shared.domain.ids import MAX_SEQUENCE
from shared.wire import views
from shared.wire.journal import EpochMark, JournalError, encode_epoch
from shared.wire.tokens import TokenVerifier

log = logging.getLogger("engine")

_PORT_FREE_WITHIN_S: Final = 2.0
_Port = TypeVar("_Port")


def run_engine(
    config: EngineConfig,
    build: CoreBuild,
    files: JournalFiles | None = None,
    lock: JournalLock | None = None,
    known: Known | None = None,
) -> int:
    """Recover, open and serve; return the exit code of `__main__`.

    `files` stands between the journal and the disk; tests give their own. A standby that takes over
    holds the `lock` already, and brings what is `known` of the state.
    """
    log.info(
        "core: %s, sources %s", "compiled" if build.compiled else "interpreted", build.source_hash
    )
    try:
        verifier = TokenVerifier(config.public_key_file.read_bytes())
        lock = lock or JournalLock(config.journal)
    except (OSError, JournalError) as error:
        log.critical("%s", error)
        return 3
    try:
        return _Engine(config, build, verifier, files or JournalFiles(), known).run()
    except (JournalError, OSError) as error:
        log.critical("%s", error)
        return 3
    finally:
        lock.release()


class _Engine:
    """The parts of one engine process, in the order in which they come to life."""

    def __init__(
        self,
        config: EngineConfig,
        build: CoreBuild,
        verifier: TokenVerifier,
        files: JournalFiles,
        known: Known | None,
    ) -> None:
        self._config = config
        self._files = files
        self._build = build
        self._metrics = Metrics()
        self._faults = Faults(config.fault)
        self._status = StatusFile(config.journal, create=True)
        self._status.state = STARTING
        self._health = EngineHealth(config, build, self._status, self._metrics)
        self._health_server = self._serve_health()
        self._gate = (
            ReplicationGate(config.journal, config.stall_ms)
            if config.durability == "replicated"
            else None
        )
        self._health.gate = self._gate
        recovered = self._recover(known)
        self._epoch = recovered.tail.epoch + 1
        if known is None:  # else a standby has made it
            make_room(recovered.engine, config.expected_ids)
        self._core = CoreHost(recovered.engine)
        self._journal = self._open_journal(recovered)
        self._keeper = JournalKeeper(
            config.journal,
            self._journal,
            config.sync_ms if config.durability == "os" else 0,
            config.segment_bytes,
        )
        self._sequencer = self._make_sequencer(recovered)
        self._health.stage, self._health.to_recover = "the port of order entry", 0
        self._listener = _patiently(lambda: _listen(config.host, config.port))
        readiness = Readiness()
        facts = EngineFacts(self._epoch, config.shard, build.compiled)
        self._gateway = Gateway(
            self._listener,
            verifier,
            readiness,
            self._metrics,
            facts,
            config.queue_commands,
            config.journal,
            self._core.engine.queries,
            RateLimit(config.max_orders_per_second, time.perf_counter_ns()),
        )
        self._health.gateway, self._health.journal = self._gateway, self._journal
        repeats = Repeats(JournalIndex(config.journal), self._core)
        self._loop = EngineLoop(
            listener=self._listener,
            readiness=readiness,
            gateway=self._gateway,
            sequencer=self._sequencer,
            core=self._core,
            repeats=repeats,
            rings=Rings(
                self._gateway, self._sequencer, self._core, repeats, self._metrics, self._faults
            ),
            keeper=self._keeper,
            marks=self._marks,
            own_snapshot=OwnSnapshot(
                recovered.engine, self._journal, config.journal, config.shard, self._epoch
            ),
            status=self._status,
            status_words=self._status_words,
            stream_bound=StreamBound(self._status, config.unpublished_commands),
            gate=self._gate,
            metrics=self._metrics,
            faults=self._faults,
            spin=config.spin,
            health_descriptor=self._health_server.descriptor if self._health_server else -1,
        )

    def run(self) -> int:
        _allow_many_sessions()
        self._loop.stop_on_signals()
        gc.collect()
        gc.freeze()  # what was built so far stays for good: no later collection looks at it
        log.info(
            "open on %s:%d, shard %d, epoch %d, sequence %d, durability %s",
            *self._listener.getsockname()[:2],
            self._config.shard,
            self._epoch,
            self._sequencer.sequence,
            self._config.durability,
        )
        try:
            self._keeper.start()
            return self._loop.run()
        finally:
            self._listener.close()
            self._keeper.stop()
            try:
                self._journal.close()
            except OSError as error:
                log.critical("closing the journal: %s", error)
            self._status.beat()

    def _recover(self, known: Known | None) -> Recovered:
        started_s = time.monotonic()
        config, health = self._config, self._health
        last = find_place(config.journal, MAX_SEQUENCE)
        if last is not None:
            health.recovering(max(last.first_sequence, self._status.durable_sequence))

        def note(sequence: int) -> None:
            health.recovered = sequence

        recovered = recover(
            config.journal, config.shard, from_snapshot=True, known=known, on_progress=note
        )
        if recovered.tail.torn_bytes:
            log.warning("dropped an unfinished write of %d bytes", recovered.tail.torn_bytes)
        noted = self._status.durable_sequence
        if self._status.valid and noted > recovered.sequence:
            log.error(
                "the journal ends at sequence %d, but %d was durable: what lies between is lost",
                recovered.sequence,
                noted,
            )
        log.info(
            "recovered %d commands in %.2f s, from a %s of %d",
            recovered.sequence,
            time.monotonic() - started_s,
            "snapshot" if known is None else "standby's state",
            recovered.snapshot_sequence,
        )
        return recovered

    def _open_journal(self, recovered: Recovered) -> JournalWriter:
        """Begin a new epoch: its record is durable before anything else is said."""
        journal = JournalWriter(
            self._config.journal,
            recovered.tail,
            shard=self._config.shard,
            epoch=self._epoch,
            durability=self._config.durability,
            segment_bytes=self._config.segment_bytes,
            faults=self._faults,
            files=self._files,
        )
        started_s = time.thread_time()
        mark = EpochMark(self._epoch, os.getpid(), recovered.engine.state_hash())
        cost_s = time.thread_time() - started_s
        self._marks = StateMarks(recovered.engine, journal, self._config.mark_ms, cost_s)
        journal.prepare_first()
        journal.append(encode_epoch(recovered.tail.next_sequence, time.time_ns(), mark), 0)
        journal.sync()
        self._begin(recovered.sequence, journal)
        return journal

    def _begin(self, sequence: int, journal: JournalWriter) -> None:
        """Say that this process writes; what was recovered is durable once it is copied, too."""
        status, gate, shard = self._status, self._gate, self._config.shard
        if gate is None:
            status.begin(shard, self._epoch, sequence)
            return
        status.begin(shard, self._epoch, min(status.durable_sequence, sequence))

        def say(what: str) -> None:
            self._health.stage, self._health.to_recover = what, 0

        gate.open(self._epoch, journal.synced_place, say)
        status.durable_sequence = sequence

    def _make_sequencer(self, recovered: Recovered) -> Sequencer:
        return Sequencer(
            self._core,
            self._journal,
            self._status,
            Waker(self._config.journal),
            self._metrics,
            sequence=recovered.sequence,
            time_ns=recovered.last_time_ns,
            faults=self._faults,
            gate=self._gate,
        )

    def _status_words(self) -> list[int]:
        engine = self._core.engine
        return [
            self._config.shard,
            self._epoch,
            engine.sequence,
            self._sequencer.sequence,
            int(self._build.compiled),
            views.DURABILITIES.index(self._config.durability),
            engine.state_hash(),
            engine.open_order_count,
            *views.split_digest(bytes.fromhex(self._build.source_hash)),
        ]

    # --- health ------------------------------------------------------------------------------

    def _serve_health(self) -> HealthServer | None:
        if self._config.health_port is None:
            return None
        address = (self._config.health_host, self._config.health_port)
        health = self._health
        return _patiently(lambda: HealthServer(address, health.facts, health.metrics_text))


def _allow_many_sessions() -> None:
    """Lift the soft limit of open files, so that sessions never run out of descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MAX_SESSIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _patiently(open_port: Callable[[], _Port]) -> _Port:
    """Open a port; wait a little where a predecessor that was killed has not let go of it yet."""
    deadline_s = time.monotonic() + _PORT_FREE_WITHIN_S
    while True:
        try:
            return open_port()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline_s:
                raise
        time.sleep(0.005)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.create_server((host, port), backlog=256, reuse_port=False)
    listener.setblocking(False)
    return listener
