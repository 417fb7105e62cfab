"""The standby on another host: it follows the journal's topic, and takes over by Kafka's word.

What shuts the old primary out is one write. This standby takes the topic's transactional ids, reads
to the end, and stores an epoch record of its own. Once that is stored nothing of an older epoch can
be, whatever the old primary's host, disk or clock may do; if it is not, the old primary goes on and
this one follows. Missed beats only tell when to try.
"""

import logging
import os
import signal
import threading
import time
from typing import Final

from hotpath.build import CoreBuild
from hotpath.runtime.config import StandbyConfig
from hotpath.runtime.health import Document, HealthServer
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.recovery import JournalDiverged, Known, make_room
from hotpath.runtime.journal.status_file import STOPPED, StatusFile
from hotpath.runtime.journal.writer import JournalLock, JournalLocked
from hotpath.runtime.replication.beats import BeatWatch, decode_beat
from hotpath.runtime.replication.shared_file import ReplicationFile
from hotpath.runtime.standby.replica import Replica
from hotpath.runtime.wiring import run_engine
from shared.ports.event_stream import StreamError, StreamUnavailable, WriterFenced
from shared.ports.journal_topic import CopiedRecord, JournalTopic, JournalTopicReader
from shared.streams.factory import open_journal_topic
from shared.wire.journal import EpochMark, JournalError, encode_epoch
from shared.wire.tokens import TokenVerifier

log = logging.getLogger("standby")

_POLL_MS: Final = 20
_RECORDS: Final = 500
_WATCH_S: Final = 0.05
_SYNC_S: Final = 1.0
_TELL_AGAIN_S: Final = 10.0
_BACKOFF_S: Final = 0.5


class OtherHostStandby:
    """Runs until it is told to stop, or has been the engine and ends as such."""

    def __init__(
        self, config: StandbyConfig, build: CoreBuild, files: JournalFiles | None = None
    ) -> None:
        self._config = config
        self._build = build
        self._files = files
        self._is_stopping = self._is_switch_asked = False
        self._trouble = ""  # why it can never take over
        self._waits_for = "kafka"
        self._mismatches = 0
        self._replica: Replica | None = None
        self._reader: JournalTopicReader | None = None
        self._watch: BeatWatch | None = None
        self._lag = 0
        self._synced_s = self._watched_s = self._told_s = 0.0

    def run(self) -> int:
        """Return the process's exit code."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGUSR1, self._ask_switch)
        engine, known = self._config.engine, None
        try:
            TokenVerifier(engine.public_key_file.read_bytes())
            lock = JournalLock(engine.journal)
        except (OSError, ValueError, JournalLocked) as error:
            log.critical("it could not take over: %s", error)
            return 3
        try:
            known = self._stand_by()
            if known is None:
                return 0
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                signal.signal(number, signal.SIG_DFL)  # until the engine has its own
            return run_engine(engine, self._build, self._files, lock, known)
        finally:
            if known is None:
                lock.release()

    def _stop(self, *_: object) -> None:
        self._is_stopping = True

    def _ask_switch(self, *_: object) -> None:
        self._is_switch_asked = True

    def _stand_by(self) -> Known | None:
        """Return the state to go on from as the engine; None when told to stop."""
        engine = self._config.engine
        self._make_passive()
        address = self._config.health_address
        health = HealthServer(address, self._facts, self._metrics) if address else None
        topic = open_journal_topic(self._config.stream_url, engine.shard)
        try:
            self._begin()
            self._watch = watch = BeatWatch(topic.beats, self._config.hung_ms)
            if not self._follow(topic, watch) or self._replica is None:
                return None
            self._replica.close()
            return self._replica.known()
        finally:
            # Kafka's clients take a second to say goodbye; who is to open does not wait for it.
            threading.Thread(target=_close, args=(self._reader, topic), daemon=True).start()
            if health is not None:
                health.close()

    def _make_passive(self) -> None:
        """See that the replicator of this host does not take this journal for an engine's."""
        journal = self._config.engine.journal
        status, file = StatusFile(journal, create=True), ReplicationFile(journal)
        status.state = STOPPED
        file.synced_place = (0, 0)
        file.close()
        status.close()

    # --- following ---------------------------------------------------------------------------

    def _begin(self) -> None:
        engine = self._config.engine
        try:
            self._replica = Replica(engine.journal, engine.shard, engine.segment_bytes, self._files)
            make_room(self._replica.engine, engine.expected_ids)
        except (JournalError, OSError) as error:
            self._give_up(error)
            return
        log.info("following the topic from sequence %d", self._replica.sequence)

    def _follow(self, topic: JournalTopic, watch: BeatWatch) -> bool:
        """Return True once it is this process's turn; False when told to stop."""
        while not self._is_stopping:
            if self._trouble:
                time.sleep(_WATCH_S)
                continue
            try:
                self._advance(topic)
                if self._is_time(watch, topic) and self._take_over(topic):
                    return True
            except StreamUnavailable as error:
                self._pause(f"kafka is away: {error}")
            except WriterFenced as error:
                self._tell(f"not taking over: another writer was quicker: {error}")
                watch.give_time()
            except StreamError as error:
                self._pause(f"kafka refuses: {error}")
            except (JournalError, OSError) as error:
                self._give_up(error)
        if self._replica is not None:
            self._replica.close()
        return False

    def _advance(self, topic: JournalTopic) -> None:
        """Take in what the topic has, for a moment."""
        assert self._replica is not None
        if self._reader is None:
            topic.ensure()
            topic.prepare()
            self._reader = topic.reader(self._replica.position())
        found = self._reader.poll(_RECORDS, _POLL_MS)
        for copied in found:
            self._replica.take(copied)
        self._waits_for = ""
        now_s = time.monotonic()
        if now_s - self._synced_s > _SYNC_S:
            self._synced_s = now_s
            self._replica.sync(self._reader.position)

    def _read_to(self, end: int, topic: JournalTopic) -> None:
        while self._reader is None or self._reader.position < end:
            if self._is_stopping:
                raise StreamUnavailable("told to stop")
            self._advance(topic)

    def _pause(self, text: str) -> None:
        self._waits_for = "kafka"
        self._tell(text)
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        time.sleep(_BACKOFF_S)

    def _give_up(self, error: Exception) -> None:
        """Note that this journal or state is not what the topic tells."""
        self._mismatches += isinstance(error, JournalDiverged)
        self._trouble = str(error)
        log.critical("this standby will not take over: %s", error)

    # --- taking over -------------------------------------------------------------------------

    def _is_time(self, watch: BeatWatch, topic: JournalTopic) -> bool:
        if self._is_switch_asked:
            log.warning("asked to take over")
            return True
        now_s = time.monotonic()
        if now_s - self._watched_s < _WATCH_S:
            return False
        self._watched_s = now_s
        if not watch.is_silent():
            return False
        beat = topic.last_beat()
        if beat is not None and decode_beat(beat).is_stopped:
            self._tell("the primary was stopped in order: SIGUSR1 makes this one take over")
            return False
        log.warning("no beat for %d ms: taking over", self._config.hung_ms)
        return True

    def _take_over(self, topic: JournalTopic) -> bool:
        """Shut the old primary out; return whether this process is the one that goes on.

        What cannot be told apart while Kafka is away is read when it is back: the attempt is then
        repeated, and an epoch record that was stored after all is found by its number.
        """
        replica = self._replica
        assert replica is not None
        self._is_switch_asked = False
        self._read_to(topic.end(settled=False), topic)  # while the old primary still goes on
        writer = topic.writer()
        try:
            self._read_to(topic.end(), topic)
            epoch = replica.epoch + 1
            mark = EpochMark(epoch, os.getpid(), replica.engine.state_hash())
            record = encode_epoch(replica.sequence + 1, time.time_ns(), mark)
            writer.store([(epoch, record)])
            log.warning("the topic is this host's from epoch %d on", epoch)
            # It follows what was read, for nobody else could have stored anything in between.
            replica.take(CopiedRecord(topic.end(), epoch, record))
        finally:
            writer.close()
        return True

    def _tell(self, text: str) -> None:
        """Log what stays as it is, now and then."""
        if time.monotonic() >= self._told_s:
            log.warning("%s", text)
            self._told_s = time.monotonic() + _TELL_AGAIN_S

    # --- health ------------------------------------------------------------------------------

    def _facts(self) -> tuple[bool, Document]:
        replica = self._replica
        if self._trouble:
            return False, {"status": "diverged", "waits_for": self._trouble}
        if replica is None or self._waits_for:
            return False, {"status": "waiting", "waits_for": self._waits_for or "the journal"}
        return True, {
            "status": "following",
            "placement": "other-host",
            "epoch": replica.epoch,
            "sequence": replica.sequence,
            "equal_hashes": replica.marks,
            "ignored_records": replica.ignored,
            # Before a beat was seen nobody is judged, so nobody is replaced unasked either.
            "has_seen_primary": self._watch is not None and self._watch.has_seen,
            "compiled": self._build.compiled,
        }

    def _metrics(self) -> str:
        _, facts = self._facts()
        values = {
            "sequence": facts.get("sequence", 0),
            "equal_hashes_total": facts.get("equal_hashes", 0),
            "hash_mismatches_total": self._mismatches,
            "can_take_over": int(bool(facts.get("has_seen_primary"))),
        }
        return "".join(f"trading_standby_{name} {value}\n" for name, value in values.items())


def _close(reader: JournalTopicReader | None, topic: JournalTopic) -> None:
    if reader is not None:
        reader.close()
    topic.close()
