"""Lambda's rules for a batch of one partition: repeat in order, isolate the bad record, go on.

A function that raises gets the whole batch again, up to `max_retries` times. Then the batch is cut
in half, and each half in turn again, until the bad record stands alone. A function that names
failed records gets the batch again from the first of them on. A record that has used up its tries
goes to the dead-letter queue, and the partition moves on. Only what is handled, or dead-lettered,
is committed.

While infrastructure is away nothing counts as a try: the same batch is repeated until it is back.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

from infra.local.consumers.outcomes import Handled, Outcome
from shared.ports.event_stream import StoredMessage
from shared.ports.failures import InfrastructureUnavailable

Batch = Sequence[StoredMessage]
T = TypeVar("T")

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_LONGEST_OUTAGE_PAUSE_S: Final = 5.0


class Target(Protocol):
    """The function and its dead-letter queue. Both calls raise InfrastructureUnavailable."""

    def invoke(self, batch: Batch) -> Outcome: ...

    def bury(self, message: StoredMessage, attempts: int, error: str) -> None: ...


class Watcher(Protocol):
    """Who is told how a delivery goes."""

    def retrying(self, error: str) -> None: ...

    def outage(self, error: str) -> None: ...

    def buried(self, message: StoredMessage, error: str) -> None: ...


@dataclass(slots=True)
class _Piece:
    """A part of a batch, and the failed tries it has behind it."""

    batch: Batch
    failures: int = 0


class Delivery:
    """Delivers the batches of one partition to one function.

    Parameters
    ----------
    commit
        Called with the offset after what is handled, each time there is more of it.
    pause
        Waits that many seconds; raises Stopped when the process is to end.
    """

    def __init__(
        self,
        target: Target,
        *,
        max_retries: int,
        commit: Callable[[int], None],
        pause: Callable[[float], None],
        watcher: Watcher,
    ) -> None:
        self._target = target
        self._max_retries = max_retries
        self._commit = commit
        self._pause = pause
        self._watcher = watcher

    def deliver(self, batch: Batch) -> None:
        """Return when every record of the batch is handled or dead-lettered, and committed."""
        pieces = deque([_Piece(batch)])
        while pieces:
            piece = pieces.popleft()
            outcome = self._until_reachable(partial(self._target.invoke, piece.batch))
            if isinstance(outcome, Handled):
                rest = self._after_answer(piece, outcome.failed_offsets)
            else:
                rest = self._after_error(piece, outcome.error)
            pieces.extendleft(reversed(rest))

    def _after_answer(self, piece: _Piece, failed_offsets: frozenset[int]) -> list[_Piece]:
        """Commit up to the first failed record; return what has to be delivered again."""
        batch = piece.batch
        first = next((n for n, each in enumerate(batch) if each.offset in failed_offsets), None)
        if first is None:
            self._commit(batch[-1].offset + 1)
            return []
        if first > 0:
            self._commit(batch[first].offset)
            piece = _Piece(batch[first:])
        error = "named in batchItemFailures"
        if piece.failures < self._max_retries:
            return [self._once_more(piece, error)]
        self._give_up_on(piece.batch[0], piece.failures + 1, error)
        return [_Piece(piece.batch[1:])] if len(piece.batch) > 1 else []

    def _after_error(self, piece: _Piece, error: str) -> list[_Piece]:
        """Return what has to be delivered again after the function raised."""
        if piece.failures < self._max_retries:
            return [self._once_more(piece, error)]
        if len(piece.batch) == 1:
            self._give_up_on(piece.batch[0], piece.failures + 1, error)
            return []
        middle = len(piece.batch) // 2
        # Each part has one try left: it holds no bad record, or is cut again.
        return [
            _Piece(piece.batch[:middle], piece.failures),
            _Piece(piece.batch[middle:], piece.failures),
        ]

    def _once_more(self, piece: _Piece, error: str) -> _Piece:
        self._watcher.retrying(error)
        self._pause(_backoff_s(piece.failures, _LONGEST_PAUSE_S))
        return _Piece(piece.batch, piece.failures + 1)

    def _give_up_on(self, message: StoredMessage, attempts: int, error: str) -> None:
        self._until_reachable(lambda: self._target.bury(message, attempts, error))
        self._watcher.buried(message, error)
        self._commit(message.offset + 1)

    def _until_reachable(self, call: Callable[[], T]) -> T:
        attempt = 0
        while True:
            try:
                return call()
            except InfrastructureUnavailable as error:
                self._watcher.outage(str(error))
                self._pause(_backoff_s(attempt, _LONGEST_OUTAGE_PAUSE_S))
                attempt += 1


def _backoff_s(failures: int, longest_s: float) -> float:
    """Return a pause that doubles with each failure, with jitter so that partitions spread out."""
    pause_s: float = min(longest_s, _FIRST_PAUSE_S * 2 ** min(failures, 16))
    return pause_s * random.uniform(0.5, 1.0)
