"""Runs one replicator as a process: waits for the engine, outlives Kafka's outages."""

import fcntl
import logging
import os
import random
import time
from typing import Final

from hotpath.runtime.config import ReplicatorConfig
from hotpath.runtime.health import Document, HealthServer
from hotpath.runtime.journal.status_file import OPEN, STARTING, StatusFile
from hotpath.runtime.journal.wake import Sleeper
from hotpath.runtime.replication.beats import Beats
from hotpath.runtime.replication.replicator import JournalSuperseded, Replicator
from hotpath.runtime.replication.shared_file import REPLICATOR_WAKE, WAITING, ReplicationFile
from shared.ports.event_stream import StreamError, StreamUnavailable, WriterFenced
from shared.ports.journal_topic import JournalTopic
from shared.streams.factory import open_journal_topic
from shared.wire.journal import JournalError

log = logging.getLogger("replicator")

LOCK_NAME: Final = "replicator.lock"
_IDLE_MS: Final = 200  # how long a lost wake-up may cost
_LOOK_S: Final = 0.01
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 1.0
# One that shuts this one out writes at once, if it is to go on; so it is given the time.
_AFTER_FENCED_S: Final = 1.0


class ReplicatorProcess:
    """Runs until it is told to stop, or finds that another engine has taken over."""

    def __init__(self, config: ReplicatorConfig) -> None:
        self._config = config
        self._is_stopping = False
        self._beat_due = 0.0
        self._file = ReplicationFile(config.journal)
        self._waits_for = "the engine"
        self._replicator: Replicator | None = None
        self._outages = self._fenced = 0

    def stop(self, *_: object) -> None:
        self._is_stopping = True

    def run(self) -> int:
        """Return the exit code: 0 stopped, 1 the journal cannot be read, 3 shut out for good."""
        lock = os.open(self._config.journal / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.critical("another replicator copies %s", self._config.journal)
            return 3
        address = self._config.health_address
        health = HealthServer(address, self._facts, self._metrics_text) if address else None
        self._file.state = WAITING
        try:
            return self._replicate()
        finally:
            os.close(lock)
            if health is not None:
                health.close()

    def _replicate(self) -> int:
        topic = open_journal_topic(self._config.stream_url, self._config.shard)
        status = self._wait_for_engine(topic)
        if status is None:
            return 0
        beats = Beats(topic, status)
        beats.start()
        replicator = self._replicator = Replicator(self._config.journal, topic, self._file)
        sleeper = Sleeper(self._config.journal, REPLICATOR_WAKE)
        try:
            self._follow(replicator, sleeper)
        except JournalSuperseded as error:
            log.critical("shut out for good: %s", error)
            self._file.refuse(str(error))
            return 3
        except JournalError as error:
            log.critical("the journal cannot be copied: %s", error)
            return 1
        finally:
            beats.stop()
            replicator.close()
            topic.close()
            sleeper.close()
        return 0

    def _wait_for_engine(self, topic: JournalTopic) -> StatusFile | None:
        """Return the status of an engine that has opened its epoch; be ready to be quick by then.

        A standby's journal has none: it must not be taken for one that goes on.
        """
        is_prepared = False
        while not self._is_stopping:
            self._touch()
            try:
                status = StatusFile(self._config.journal, create=False)
            except FileNotFoundError:
                pass
            else:
                is_open = status.valid and status.state in (STARTING, OPEN)
                if is_open and self._file.synced_place != (0, 0):
                    return status
                status.close()
            if not is_prepared:
                is_prepared = self._prepare(topic)
            time.sleep(_LOOK_S)
        return None

    def _prepare(self, topic: JournalTopic) -> bool:
        try:
            topic.ensure()
            topic.prepare()
        except StreamError as error:
            log.warning("kafka is away: %s", error)
            return False
        return True

    def _follow(self, replicator: Replicator, sleeper: Sleeper) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while not self._is_stopping:
            self._touch()
            try:
                if not replicator.is_open:
                    self._waits_for = "kafka"
                    replicator.open()
                    log.info("copying from sequence %d on", self._file.copied_sequence + 1)
                    self._waits_for = ""
                    backoff_s = _FIRST_BACKOFF_S
                self._file.replicator_waits = True  # before the look
                if not replicator.step():
                    sleeper.sleep(_IDLE_MS)
            except WriterFenced as error:
                self._fenced += 1
                log.warning("shut out by another writer: %s", error)
                self._go_back(replicator, _AFTER_FENCED_S)
            except StreamError as error:
                self._outages += not self._waits_for
                what = "is away" if isinstance(error, StreamUnavailable) else "refuses"
                log.warning("kafka %s, next try in %.2f s: %s", what, backoff_s, error)
                self._go_back(replicator, backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)

    def _go_back(self, replicator: Replicator, pause_s: float) -> None:
        replicator.close()
        self._waits_for = "kafka"
        self._file.state = WAITING
        time.sleep(pause_s)

    def _touch(self) -> None:
        if self._config.health_file is not None and time.monotonic() >= self._beat_due:
            self._config.health_file.touch()
            self._beat_due = time.monotonic() + 1.0

    # --- health ------------------------------------------------------------------------------

    def _facts(self) -> tuple[bool, Document]:
        """Return whether the journal is copied as it grows, and what is waited for if not."""
        return not self._waits_for, {
            "status": "waiting" if self._waits_for else "copying",
            "waits_for": self._waits_for,
            "copied_sequence": self._file.copied_sequence,
            "copied_epoch": self._file.copied_epoch,
        }

    def _metrics_text(self) -> str:
        replicator = self._replicator
        values = {
            "ready": int(not self._waits_for),
            "copied_sequence": self._file.copied_sequence,
            "copied_epoch": self._file.copied_epoch,
            "records_total": replicator.records if replicator else 0,
            "batches_total": replicator.batches if replicator else 0,
            "outages_total": self._outages,
            "fenced_total": self._fenced,
        }
        return "".join(f"trading_replicator_{name} {value}\n" for name, value in values.items())
