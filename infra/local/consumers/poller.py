"""One partition of one route: reads it, delivers its batches one after another, commits."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from infra.local.consumers.delivery import Delivery, Target
from infra.local.consumers.outcomes import Stopped
from infra.local.consumers.progress import Progress
from shared.ports.event_stream import EventStream, StoredMessage, StreamError, StreamReader

log = logging.getLogger("consumers")

_POLL_MS: Final = 2_000  # bounds how long a thread goes on after a stop, delivering nothing
_STREAM_PAUSE_S: Final = 1.0
_MAX_BATCH_BYTES: Final = 4_000_000  # Lambda takes 6 MB a call, and base64 adds a third
_RECORD_OVERHEAD_BYTES: Final = 200


class PartitionPoller:
    """A thread per partition: while one partition repeats a bad batch, the others go on."""

    def __init__(
        self, stream: EventStream, target: Target, progress: Progress, stop: threading.Event
    ) -> None:
        self._stream = stream
        self._target = target
        self._progress = progress
        self._stop = stop
        self._reader: StreamReader | None = None
        self._delivering = threading.Lock()
        self.thread = threading.Thread(target=self._run, name=progress.name, daemon=True)

    def await_last(self, timeout_s: float) -> None:
        """Once the event `stop` is set: return when no batch is under way. None begins any more.

        The thread itself may still wait for messages, of which it delivers none.
        """
        if self._delivering.acquire(timeout=timeout_s):
            self._delivering.release()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._step()
            except Stopped:
                break
            except StreamError as error:
                self._progress.outage(str(error))
                self._start_over()
            except Exception as error:
                log.exception("%s", self._progress.name)
                self._progress.outage(f"{type(error).__name__}: {error}")
                self._start_over()
        self._close()

    def _step(self) -> None:
        """Read one batch and see it through."""
        if self._reader is None:
            self._reader = self._open()
        batch = self._next_batch(self._reader)
        if batch:
            with self._delivering:
                for part in _parts(batch):
                    if self._stop.is_set():
                        raise Stopped
                    self._deliver(self._reader, part)
        else:
            self._progress.position = self._reader.position(self._progress.partition)
        self._progress.going_on()

    def _open(self) -> StreamReader:
        partition = self._progress.partition
        reader = self._stream.reader(self._progress.route.group, [partition])
        self._progress.position = reader.position(partition)
        return reader

    def _next_batch(self, reader: StreamReader) -> list[StoredMessage]:
        """Return what there is, or after the batching window as much as a batch holds."""
        route = self._progress.route
        batch = reader.poll(route.batch_size, _POLL_MS)
        deadline = time.monotonic() + route.window_ms / 1_000
        while batch and len(batch) < route.batch_size and not self._stop.is_set():
            left_ms = int((deadline - time.monotonic()) * 1_000)
            if left_ms <= 0:
                break
            batch += reader.poll(route.batch_size - len(batch), min(left_ms, _POLL_MS))
        return batch

    def _deliver(self, reader: StreamReader, batch: Sequence[StoredMessage]) -> None:
        delivery = Delivery(
            self._target,
            max_retries=self._progress.route.max_retries,
            commit=self._committer(reader),
            pause=self._pause,
            watcher=self._progress,
        )
        delivery.deliver(batch)
        self._progress.handled(len(batch))

    def _committer(self, reader: StreamReader) -> Callable[[int], None]:
        def commit(position: int) -> None:
            reader.commit({self._progress.partition: position})
            self._progress.position = position

        return commit

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Stopped

    def _start_over(self) -> None:
        """Forget what was read and begin again at the committed position, so nothing is skipped."""
        self._close()
        self._stop.wait(_STREAM_PAUSE_S)

    def _close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


def _parts(batch: Sequence[StoredMessage]) -> Iterator[list[StoredMessage]]:
    """Cut a batch so that each part fits one invocation."""
    part: list[StoredMessage] = []
    size = 0
    for message in batch:
        bytes_more = len(message.key) + len(message.value) + _RECORD_OVERHEAD_BYTES
        bytes_more += sum(len(name) + 4 * len(value) for name, value in message.headers)
        if part and size + bytes_more > _MAX_BATCH_BYTES:
            yield part
            part, size = [], 0
        part.append(message)
        size += bytes_more
    if part:
        yield part
