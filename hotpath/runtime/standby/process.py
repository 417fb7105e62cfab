"""One standby's life: wait for a primary, follow it, and take its place when it is gone."""

import logging
import signal
import time
from typing import Final

from hotpath.build import CoreBuild
from hotpath.runtime.config import StandbyConfig
from hotpath.runtime.health import Document, HealthServer
from hotpath.runtime.journal.files import JournalFiles
from hotpath.runtime.journal.recovery import JournalDiverged, make_room
from hotpath.runtime.journal.status_file import HALTED, OPEN, STARTING, STOPPED, StatusFile
from hotpath.runtime.journal.writer import JournalLock, JournalLocked
from hotpath.runtime.standby.hot_state import HotState
from hotpath.runtime.standby.primary_watch import PrimaryWatch
from hotpath.runtime.wiring import run_engine
from shared.wire.journal import JournalDamaged, JournalError
from shared.wire.tokens import TokenVerifier

log = logging.getLogger("standby")

_LOOK_S: Final = 0.01
_TELL_AGAIN_S: Final = 10.0
_LOCK_WITHIN_S: Final = 10.0
_CAUGHT_UP_WITHIN_S: Final = 30.0
_UNREADABLE_AFTER_S: Final = 2.0


class Standby:
    """Runs until it is told to stop, or has been the engine and ends as such."""

    def __init__(
        self, config: StandbyConfig, build: CoreBuild, files: JournalFiles | None = None
    ) -> None:
        self._config = config
        self._build = build
        self._files = files
        self._journal = config.engine.journal
        self._is_stopping = self._is_switch_asked = False
        self._trouble = ""  # why it can never take over
        self._mismatches = 0
        self._status: StatusFile | None = None
        self._state: HotState | None = None
        self._told_s = 0.0
        self._read_s = 0.0  # when all that was durable had been read, or some of it

    def run(self) -> int:
        """Return the process's exit code."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGUSR1, self._ask_switch)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # an engine's: write a snapshot
        try:
            TokenVerifier(self._config.engine.public_key_file.read_bytes())
        except (OSError, ValueError) as error:
            log.critical("it could not take over: %s", error)
            return 3
        health = self._serve_health()
        status = self._status = self._wait_for_primary()
        if status is None:
            return 0
        self._begin(status)
        lock = self._follow(status)
        if health is not None:
            health.close()
        if lock is None or self._state is None:
            return 0
        known = self._state.known()
        self._state.close()
        status.close()
        return run_engine(self._config.engine, self._build, self._files, lock, known)

    def _stop(self, *_: object) -> None:
        self._is_stopping = True

    def _ask_switch(self, *_: object) -> None:
        self._is_switch_asked = True

    # --- following ---------------------------------------------------------------------------

    def _wait_for_primary(self) -> StatusFile | None:
        """Return the status of an open engine, seen to live: before that nobody is to be replaced.

        The file alone proves nothing: after a power cut it still says what was then.
        """
        beat = 0
        while not self._is_stopping:
            try:
                status = StatusFile(self._journal, create=False)
            except FileNotFoundError:
                pass
            else:
                if status.valid and status.state == OPEN:
                    if beat not in (0, status.heartbeat_ns):
                        return status
                    beat = status.heartbeat_ns
                status.close()
            time.sleep(_LOOK_S)
        return None

    def _begin(self, status: StatusFile) -> None:
        try:
            shard = self._config.engine.shard
            self._state = HotState(self._journal, shard, status.durable_sequence)
            make_room(self._state.engine, self._config.engine.expected_ids)
        except (JournalError, OSError) as error:
            self._give_up(error)
            return
        self._read_s = time.monotonic()
        log.info("following process %d from sequence %d", status.process_id, self._state.sequence)

    def _follow(self, status: StatusFile) -> JournalLock | None:
        """Return the journal's lock once it is this process's turn; None when told to stop."""
        watch = PrimaryWatch(self._journal, status, self._config.hung_ms)
        while not self._is_stopping:
            was_busy = self._advance(status)
            lock = self._take_lock(status, watch)
            if lock is not None:
                return lock
            if not was_busy:
                time.sleep(_LOOK_S)
        return None

    def _advance(self, status: StatusFile) -> bool:
        if self._state is None or self._trouble:
            return False
        durable = status.durable_sequence
        try:
            was_busy = self._state.advance(durable)
            if was_busy or durable <= self._state.sequence:
                self._read_s = time.monotonic()
            elif time.monotonic() - self._read_s > _UNREADABLE_AFTER_S:
                raise JournalDamaged(
                    f"what is durable behind sequence {self._state.sequence} cannot be read;"
                    " `trading journal verify` says where"
                )
        except (JournalError, OSError) as error:
            self._give_up(error)
            return False
        return was_busy

    def _give_up(self, error: Exception) -> None:
        """Note that this state is not the primary's; whose is right is not known here."""
        self._mismatches += isinstance(error, JournalDiverged)
        if self._status is not None:
            self._status.hash_mismatches = self._mismatches
        self._trouble = str(error)
        log.critical("this standby will not take over: %s", error)

    # --- taking over -------------------------------------------------------------------------

    def _take_lock(self, status: StatusFile, watch: PrimaryWatch) -> JournalLock | None:
        """Return the lock if the primary is dead, hung, or to be replaced."""
        if self._trouble:
            return None
        if self._is_switch_asked:
            self._is_switch_asked = False
            return self._switch(status, watch)
        if status.state == HALTED:
            self._tell("the primary halted on its disk, which is this one's too: see to it by hand")
            return None
        if status.state == STOPPED:
            return None  # in order; whoever stopped it starts it again
        if watch.is_hung():
            return self._end_hung(status, watch)
        lock = self._try_lock()
        if lock is not None:
            log.warning("process %d is gone: taking over", status.process_id)
        return lock

    def _end_hung(self, status: StatusFile, watch: PrimaryWatch) -> JournalLock | None:
        log.warning(
            "process %d has not beaten for %d ms: killing it",
            status.process_id,
            self._config.hung_ms,
        )
        refusal = watch.kill()
        if refusal:
            self._tell(f"not killed: {refusal}")
            return None
        return self._wait_for_lock()

    def _switch(self, status: StatusFile, watch: PrimaryWatch) -> JournalLock | None:
        """Replace a healthy primary, once nearly all that it has done is known here."""
        deadline_s = time.monotonic() + _CAUGHT_UP_WITHIN_S
        while self._advance(status):
            if time.monotonic() > deadline_s:
                log.error("not switching: this standby does not keep up")
                return None
        if self._trouble or status.state != OPEN:
            log.error("not switching: %s", self._trouble or "the primary is not open")
            return None
        log.warning("switching: process %d is asked to end", status.process_id)
        refusal = watch.stop()
        if refusal:
            log.error("not switching: %s", refusal)
            return None
        lock = self._wait_for_lock(status)
        if lock is None and not watch.kill():
            lock = self._wait_for_lock()
        return lock

    def _wait_for_lock(self, status: StatusFile | None = None) -> JournalLock | None:
        """Return the lock when the dying primary lets go of it; follow its last commands."""
        deadline_s = time.monotonic() + _LOCK_WITHIN_S
        while (lock := self._try_lock()) is None:
            if time.monotonic() > deadline_s:
                self._tell("the primary does not let go of the journal")
                return None
            if status is None or not self._advance(status):
                time.sleep(0.002)
        return lock

    def _try_lock(self) -> JournalLock | None:
        try:
            return JournalLock(self._journal)
        except JournalLocked:
            return None

    def _tell(self, text: str) -> None:
        """Log what stays as it is, now and then."""
        if time.monotonic() >= self._told_s:
            log.critical("%s", text)
            self._told_s = time.monotonic() + _TELL_AGAIN_S

    # --- health ------------------------------------------------------------------------------

    def _serve_health(self) -> HealthServer | None:
        address = self._config.health_address
        return HealthServer(address, self._facts, self._metrics) if address else None

    def _facts(self) -> tuple[bool, Document]:
        status, state = self._status, self._state
        if self._trouble:
            return False, {"status": "diverged", "waits_for": self._trouble}
        if status is None or state is None:
            return False, {"status": "waiting", "waits_for": "a primary"}
        return True, {
            "status": "following",
            "primary": "open" if status.state in (OPEN, STARTING) else "away",
            "epoch": status.epoch,
            "sequence": state.sequence,
            "lag_commands": max(0, status.durable_sequence - state.sequence),
            "equal_hashes": state.marks,
            "compiled": self._build.compiled,
        }

    def _metrics(self) -> str:
        _, facts = self._facts()
        values = {
            "sequence": facts.get("sequence", 0),
            "lag_commands": facts.get("lag_commands", 0),
            "equal_hashes_total": facts.get("equal_hashes", 0),
            "hash_mismatches_total": self._mismatches,
            "can_take_over": int(facts["status"] == "following"),
        }
        return "".join(f"trading_standby_{name} {value}\n" for name, value in values.items())
