"""Whether the engine that writes a journal on this host lives, and the end of one that hangs."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Final

from hotpath.runtime.journal.status_file import OPEN, StatusFile, start_ticks
from hotpath.runtime.journal.writer import LOCK_NAME

# A watcher that did not look for so long judges nobody: it was not running itself.
_BLIND_S: Final = 0.5


class PrimaryWatch:
    """Judges by what is seen of the heartbeat, so that a clock that is set changes nothing."""

    def __init__(self, directory: Path, status: StatusFile, hung_ms: int) -> None:
        self._lock_path = directory / LOCK_NAME
        self._status = status
        self._hung_s = hung_ms / 1000
        self._beat = 0
        self._seen_s = self._looked_s = time.monotonic()

    def is_hung(self) -> bool:
        """Return whether an engine that was open has not beaten for too long."""
        now_s = time.monotonic()
        beat = self._status.heartbeat_ns
        was_blind = now_s - self._looked_s > _BLIND_S
        self._looked_s = now_s
        if beat != self._beat or was_blind or self._status.state != OPEN:
            self._beat, self._seen_s = beat, now_s
        return now_s - self._seen_s > self._hung_s

    def kill(self) -> str:
        """Send SIGKILL to the writer; return "", or why it was not done.

        A process is killed only when it is the one that wrote the status file, by id and start, and
        holds the journal's lock by its own word.
        """
        return self._send(signal.SIGKILL)

    def stop(self) -> str:
        """Ask the writer to end in order; return "", or why it was not done."""
        return self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> str:
        process_id, ticks = self._status.process_id, self._status.start_ticks
        if not ticks:
            return f"when process {process_id} started is not known"
        holder = b""
        with contextlib.suppress(OSError):
            holder = self._lock_path.read_bytes().strip()
        if holder != b"%d" % process_id:
            return f"process {process_id} wrote the status, but {holder!r} holds the journal"
        try:
            # The descriptor stands for one process, whatever becomes of its number.
            descriptor = os.pidfd_open(process_id)
        except ProcessLookupError:
            return ""
        except OSError as error:
            return f"process {process_id}: {error}"
        try:
            if start_ticks(process_id) == ticks:
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return ""
        except OSError as error:
            return f"process {process_id}: {error}"
        finally:
            os.close(descriptor)
        return ""
