"""Runs one publisher as a process: waits for the engine, outlives the stream's outages."""

import logging
import random
import time
from typing import Final

from hotpath.runtime.config import PublisherConfig
from hotpath.runtime.faults import Faults
from hotpath.runtime.health import Document, HealthServer
from hotpath.runtime.journal.status_file import StatusFile
from hotpath.runtime.journal.wake import Sleeper
from hotpath.runtime.metrics import PublisherMetrics
from hotpath.runtime.publisher.publishing import Publisher
from hotpath.runtime.publisher.resume import StreamDiverged
from shared.ports.event_stream import (
    EventStream,
    StreamUnavailable,
    WriterFenced,
    WriterForgotten,
)
from shared.streams import open_stream
from shared.wire.journal import JournalError

log = logging.getLogger("publisher")

_IDLE_MS: Final = 200  # how long a lost wake-up may cost
_FIRST_BACKOFF_S: Final = 0.05
_LAST_BACKOFF_S: Final = 2.0
_CHECKPOINT_S: Final = 2.0
_TRIM_S: Final = 60.0


class PublisherProcess:
    """Runs one publisher until it is told to stop or is fenced."""

    def __init__(self, config: PublisherConfig) -> None:
        self._config = config
        self._stopping = False
        self._beat_due = 0.0
        self._checkpoint_due = 0.0
        self._trim_due = 0.0
        self._metrics = PublisherMetrics()
        self._status: StatusFile | None = None
        self._waits_for = "the engine's journal"

    def stop(self, *_: object) -> None:
        self._stopping = True

    def run(self) -> int:
        """Return the process's exit code: 0 when stopped, 3 when fenced, 1 without a journal."""
        address = self._config.health_address
        health = HealthServer(address, self._facts, self._metrics_text) if address else None
        try:
            return self._publish()
        finally:
            if health is not None:
                health.close()

    def _publish(self) -> int:
        status = self._status = self._wait_for_engine()
        if status is None:
            return 0
        self._waits_for = "the event stream"
        stream = open_stream(self._config.stream_url)
        sleeper = Sleeper(self._config.journal)
        try:
            while not self._stopping:
                self._follow_anew(stream, status, sleeper)
        except WriterFenced as error:
            log.error("another publisher took over: %s", error)
            return 3
        except StreamDiverged as error:
            log.critical("the stream holds what this journal does not say: %s", error)
            return 1
        except JournalError as error:
            log.critical("the journal cannot be read: %s", error)
            return 1
        finally:
            sleeper.close()
            stream.close()
            self._status = None
            status.close()
        return 0

    def _follow_anew(self, stream: EventStream, status: StatusFile, sleeper: Sleeper) -> None:
        """Publish until told to stop, or until the stream comes back without its data."""
        faults = Faults(self._config.fault)
        publisher = Publisher(
            self._config.journal, stream, status, faults, self._metrics, self._config.shards
        )
        try:
            self._follow(publisher, status, sleeper)
        except WriterForgotten as error:
            log.warning("the stream has lost what it held: it is filled again: %s", error)
            time.sleep(_FIRST_BACKOFF_S)
        finally:
            publisher.close()

    def _wait_for_engine(self) -> StatusFile | None:
        while not self._stopping:
            try:
                status = StatusFile(self._config.journal, create=False)
            except FileNotFoundError:
                pass
            else:
                if status.valid:
                    return status
                status.close()
            self._beat()
            time.sleep(_FIRST_BACKOFF_S)
        return None

    def _follow(self, publisher: Publisher, status: StatusFile, sleeper: Sleeper) -> None:
        backoff_s = _FIRST_BACKOFF_S
        while not self._stopping:
            self._beat()
            try:
                if not publisher.is_open:
                    publisher.open()
                was_busy = publisher.step()
                backoff_s = _FIRST_BACKOFF_S
                self._waits_for = ""
                if was_busy:
                    self._checkpoint_due = self._checkpoint_due or time.monotonic() + _CHECKPOINT_S
                    continue
                self._checkpoint(publisher)
            except StreamUnavailable as error:
                self._metrics.outages += not self._waits_for
                self._waits_for = "the event stream"
                log.warning("the stream is away, next try in %.2f s: %s", backoff_s, error)
                time.sleep(backoff_s * random.uniform(0.5, 1.0))
                backoff_s = min(2 * backoff_s, _LAST_BACKOFF_S)
                continue
            self._sleep(publisher, status, sleeper)

    def _sleep(self, publisher: Publisher, status: StatusFile, sleeper: Sleeper) -> None:
        """Wait for the engine's wake-up, asked for before the last look at what is durable."""
        status.follower_waits = True
        if status.durable_sequence <= publisher.read_sequence:
            sleeper.sleep(_IDLE_MS)
        status.follower_waits = False

    def _checkpoint(self, publisher: Publisher) -> None:
        if 0 < self._checkpoint_due <= time.monotonic():
            publisher.save_checkpoint()
            self._checkpoint_due = 0.0
            self._trim(publisher)

    def _trim(self, publisher: Publisher) -> None:
        keep = self._config.retain_messages
        if keep and time.monotonic() >= self._trim_due:
            self._trim_due = time.monotonic() + _TRIM_S
            if count := publisher.trim(keep):
                log.info("the stream has forgotten %d messages", count)

    def _beat(self) -> None:
        if self._config.health_file is not None and time.monotonic() >= self._beat_due:
            self._config.health_file.touch()
            self._beat_due = time.monotonic() + 1.0

    # --- health ----------------------------------------------------------------------------------

    def _facts(self) -> tuple[bool, Document]:
        """Return whether the stream takes what comes, and what is waited for if not."""
        return not self._waits_for, {
            "status": "waiting" if self._waits_for else "publishing",
            "waits_for": self._waits_for,
            **self._progress(),
        }

    def _progress(self) -> dict[str, int]:
        status = self._status
        durable = status.durable_sequence if status else 0
        published = status.published_sequence if status else 0
        return {
            "durable_sequence": durable,
            "published_sequence": published,
            "lag_commands": max(0, durable - published),
        }

    def _metrics_text(self) -> str:
        return self._metrics.text({"ready": int(not self._waits_for), **self._progress()})
