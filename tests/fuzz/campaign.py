"""Sends mutated frames to a real engine over many sockets and rings, and counts what is answered.

A frame counts when the engine has answered it, or has ended the session because of it.
"""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.domain import records as r
from shared.domain.commands import AddAccount, AddInstrument, Command, DepositShares, MoveCash
from shared.domain.ids import SOURCE_LEDGER, administrative_id
from shared.hotpath_client.ring_client import RingLink
from shared.hotpath_client.sync_client import Connection
from shared.ports.engine import EngineError
from shared.wire import frames, ring
from shared.wire.tokens import FUND, READ, TRADE
from tests.fuzz import bystanders
from tests.fuzz.mutations import Mutator
from tests.support.engine import USD, EngineProcess, market

SOCKETS: Final = 24
FRAMES_A_SESSION: Final = 60
RINGS_EVERY: Final = 4  # turns of sockets for each ring
FRAMES_A_RING: Final = 1_500
HALF_OPEN: Final = 40  # connections that stay in the middle of a frame
_ACCOUNTS: Final = (4, 5, 6, 7)
_TOKEN_S: Final = 600
_QUIET_S: Final = 60.0  # a busy machine may leave an engine alone for long
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass
class Counts:
    """What became of the frames."""

    frames: int = 0  # answered, or the last of their session
    by_ring: int = 0
    sessions: int = 0
    ended_by_engine: int = 0
    stuck: int = 0  # sessions that were left in the middle of a frame


class Campaign:
    """One engine, and everything that is thrown at it."""

    def __init__(self, engine: EngineProcess, seed: int) -> None:
        self._engine = engine
        self._mutators = [Mutator(seed + account, account) for account in _ACCOUNTS]
        host, _, port = engine.address.rpartition(":")
        self._address = (host, int(port))
        self._half_open: list[socket.socket] = []
        self._turn = 0
        self._tokens: dict[tuple[int, int], str] = {}
        self._renew_s = 0.0
        self.counts = Counts()

    def run(self, until_frames: int, progress: Callable[[], None]) -> None:
        while self.counts.frames < until_frames:
            self._renew_tokens()
            self._sockets()
            if self._turn % RINGS_EVERY == 0:
                self._ring()
            if self._turn % 200 == 0:
                progress()
            self._turn += 1

    def close(self) -> None:
        for connection in self._half_open:
            connection.close()

    def _renew_tokens(self) -> None:
        if time.monotonic() < self._renew_s:
            return
        self._renew_s = time.monotonic() + _TOKEN_S / 2
        issuer = self._engine.issuer
        for account in _ACCOUNTS:
            self._tokens[frames.MEMBER, account] = issuer.member(account, lifetime_s=_TOKEN_S)
            service = issuer.service([TRADE, READ, FUND], lifetime_s=_TOKEN_S)
            self._tokens[frames.SERVICE, account] = service

    # --- sockets ---------------------------------------------------------------------------------

    def _sockets(self) -> None:
        """Open sessions, let all of them send, and read what comes until they end."""
        opened: list[socket.socket] = []
        stuck: list[socket.socket] = []
        for number in range(SOCKETS):
            connection = socket.create_connection(
                self._address, 10, (f"127.0.0.{2 + (self._turn + number) % 200}", 0)
            )
            connection.settimeout(_QUIET_S)
            data = self._session(number)
            (stuck if _waits_for_more(data) else opened).append(connection)
            with suppress(OSError):  # it may be cut off while it speaks
                connection.sendall(data)
        for connection in opened:
            self._read_out(connection)
        self.counts.stuck += len(stuck)
        self._half_open += stuck
        while len(self._half_open) > HALF_OPEN:
            oldest = self._half_open.pop(0)
            oldest.settimeout(0)
            self._read_out(oldest)

    def _session(self, number: int) -> bytes:
        """Return everything that one session sends."""
        mutator = self._mutators[(number + self._turn) % len(_ACCOUNTS)]
        account = _ACCOUNTS[(number + self._turn) % len(_ACCOUNTS)]
        kind = frames.MEMBER if number % 3 == 0 else frames.SERVICE
        token = self._tokens[kind, account]
        if number == 1:
            return mutator.logon(token, kind) + frames.LOGOUT_FRAME
        sent = [frames.encode_logon(frames.Logon(kind, token))]
        next_request = 1
        for _ in range(FRAMES_A_SESSION):
            frame = mutator.frame(next_request if kind == frames.MEMBER else None)
            next_request += frame[4] == frames.COMMAND
            sent.append(frame)
            if mutator.dice.random() < 0.02 and kind == frames.SERVICE:
                sent.append(frame)  # twice
        if mutator.dice.random() < 0.05:
            mutator.dice.shuffle(sent)  # in another order
        if mutator.dice.random() < 0.7:
            sent.append(mutator.last_words())
        sent.append(frames.LOGOUT_FRAME)
        return b"".join(sent)

    def _read_out(self, connection: socket.socket) -> None:
        """Count the answers until the session ends, or there are no more for now."""
        counts = self.counts
        counts.sessions += 1
        buffer = frames.FrameBuffer(frames.MAX_ANSWER_BYTES)
        try:
            while data := connection.recv(1 << 18):
                for frame in buffer.feed(data):
                    counts.frames += frame[4] != frames.EXECUTION_REPORT
                    counts.ended_by_engine += _ends_session(frame)
        except TimeoutError as error:
            raise AssertionError("a session is neither answered nor ended") from error
        except BlockingIOError:
            counts.frames += 1  # the half that is there
        except OSError:
            counts.ended_by_engine += 1  # and its last words were lost
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.close()

    # --- rings -----------------------------------------------------------------------------------

    def _ring(self) -> None:
        """Send requests through a ring until it ends, or enough were answered."""
        number = self._turn // RINGS_EVERY
        mutator = self._mutators[number % len(_ACCOUNTS)]
        account = _ACCOUNTS[number % len(_ACCOUNTS)]
        kind = frames.MEMBER if number & 1 else frames.SERVICE
        self.counts.sessions += 1
        try:
            connection = Connection(self._address, kind, self._tokens[kind, account], _QUIET_S)
            link = RingLink(connection, _QUIET_S)
            request, answered, heard_s = 1, 0, time.monotonic()
            while answered < FRAMES_A_RING:
                if request <= FRAMES_A_RING and request - answered < 200:
                    for _ in range(50):
                        words = mutator.ring_request(request)
                        request += link.send(_view(words), 0, len(words))
                found = _answers(link.receive())
                answered += found
                if found:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > _QUIET_S:
                    raise AssertionError("the ring is not answered")
            self._end_ring(link, mutator)
            self.counts.by_ring += answered
            self.counts.frames += answered + 1
            connection.close()
        except EngineError as error:
            raise AssertionError(f"the ring ended: {error}") from error

    def _end_ring(self, link: RingLink, mutator: Mutator) -> None:
        """Spoil the ring: by a request, by a position, or by going away in the middle."""
        what = mutator.dice.randrange(3)
        if what == 0:
            words = mutator.broken_ring_request()
            link.send(_view(words), 0, len(words))
        elif what == 1:
            place = mutator.dice.choice((ring.W_REQUEST_TAIL, ring.W_ANSWER_HEAD))
            link.words[place] = mutator.dice.getrandbits(62)
            link.connection.send(frames.RING_WAKE_FRAME)


def _waits_for_more(data: bytes) -> bool:
    """Return whether the gateway waits when it has read all of this: no LOGOUT is at its end."""
    at, is_over = 0, False
    while at < len(data):
        try:
            length = frames.frame_length(data, at, frames.MAX_REQUEST_BYTES)
        except frames.FrameError:
            return False
        if length == 0 or length > len(data) - at:
            return True
        is_over = data[at + 4] == frames.LOGOUT
        at += length
    return not is_over


def _view(words: list[int]) -> memoryview:
    return memoryview(struct.pack(f"<{len(words)}q", *words)).cast("q")


def _answers(words: memoryview) -> int:
    count = at = 0
    while at < len(words):
        at += words[at] & 0xFFFF_FFFF
        count += 1
    return count


def _ends_session(frame: bytes) -> bool:
    return frame[4] == frames.REJECT and frames.decode_reject(frame).code >= 100


def prepare(engine: EngineProcess) -> None:
    """Fund the accounts of the fuzzer, and a market of their own for the bystanders."""
    number = iter(range(1 << 20, 1 << 21))
    commands: list[Command] = [*market(accounts=max(_ACCOUNTS))]
    commands.append(
        AddInstrument(
            command_id=administrative_id(SOURCE_LEDGER, next(number)),
            instrument_id=bystanders.INSTRUMENT,
            currency_number=USD,
            tick_value_minor=1,
            reference_price_ticks=10_000,
            min_price_ticks=1,
            max_price_ticks=20_000,
            max_order_lots=1_000_000,
            collar_bps=1000,
        )
    )
    for account in bystanders.ACCOUNTS:
        ids = [administrative_id(SOURCE_LEDGER, next(number)) for _ in range(3)]
        commands += [
            AddAccount(ids[0], account, USD),
            MoveCash(r.DEPOSIT_CASH, ids[1], account, 10**12),
            DepositShares(ids[2], account, bystanders.INSTRUMENT, 10**6),
        ]
    with engine.client() as client:
        for result in client.submit_many(commands):
            assert not isinstance(result, EngineError), result


def resident_bytes(process_id: int) -> int:
    pages = int(Path(f"/proc/{process_id}/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096
