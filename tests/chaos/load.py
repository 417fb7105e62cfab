"""A paced stream of orders and cancels that notes every answer and repeats what got none."""

import random
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Final

from shared.domain import records as r
from shared.domain.commands import CancelOrder
from shared.domain.ids import member_order_id
from shared.hotpath_client import answers
from shared.wire import frames
from tests.support.engine import INSTRUMENT, limit_order

ACCOUNTS: Final = 4
COMMANDS_PER_S: Final = 7_000
_WINDOW: Final = 512
_CHUNK: Final = 64
Words = Sequence[int]


class Load:
    """One sender's life over many engines. `answered` holds (words sent, result)."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._number = 0
        self._request = 0
        self._new = self._commands()
        self.unanswered: dict[int, Words] = {}  # by request
        self.answered: list[tuple[Words, frames.Result]] = []
        self.seconds = 0.0
        self.sent = 0

    def start(self, address: str, token: str) -> threading.Thread:
        """Send until the engine is gone, from a thread of its own."""
        thread = threading.Thread(target=self._run, args=(address, token), daemon=True)
        thread.start()
        return thread

    def _commands(self) -> Iterator[Words]:
        """Yield orders of all accounts around one price, and cancels of earlier ones."""
        dice = self._dice
        while True:
            account = dice.randint(1, ACCOUNTS)
            if self._number > 100 and dice.random() < 0.2:
                order_id = member_order_id(account, dice.randint(1, self._number))
                yield CancelOrder(account, order_id, INSTRUMENT).words()
                continue
            self._number += 1
            side, price = dice.choice((r.BUY, r.SELL)), dice.randint(9_990, 10_010)
            yield limit_order(account, self._number, side, price, dice.randint(1, 3)).words()

    def _run(self, address: str, token: str) -> None:
        host, _, port = address.rpartition(":")
        started_s = time.monotonic()
        before = len(self.answered)
        try:
            with socket.create_connection((host, int(port)), 5) as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connection.sendall(frames.encode_logon(frames.Logon(frames.SERVICE, token)))
                self._exchange(connection, started_s)
        except OSError:
            pass
        self.seconds += time.monotonic() - started_s
        self.sent += len(self.answered) - before

    def _exchange(self, connection: socket.socket, started_s: float) -> None:
        buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        again, self.unanswered = list(self.unanswered.values()), {}
        sent = 0
        while True:
            due = int((time.monotonic() - started_s) * COMMANDS_PER_S) - sent
            room = _WINDOW - len(self.unanswered)
            if again or (due >= _CHUNK and room >= _CHUNK):
                chunk = again or [next(self._new) for _ in range(_CHUNK)]
                again = []
                sent += len(chunk)
                connection.sendall(b"".join(self._encode(words) for words in chunk))
                continue
            connection.settimeout(_CHUNK / COMMANDS_PER_S if room >= _CHUNK else 5)
            try:
                data = connection.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                return
            for frame in buffer.feed(data):
                self._take(frame)

    def _encode(self, words: Words) -> bytes:
        self._request += 1
        self.unanswered[self._request] = words
        return frames.encode_command(self._request, words)

    def _take(self, frame: bytes) -> None:
        kind = frames.frame_type(frame)
        if kind == frames.COMMAND_RESULT:
            result = frames.decode_result(frame)
            self.answered.append((self.unanswered.pop(result.request), result))
        elif kind == frames.REJECT:
            raise ConnectionError(str(answers.error_of(frames.decode_reject(frame))))
