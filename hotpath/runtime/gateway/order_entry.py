"""The order-entry gateway: sessions, their frames, and whose turn it is. Knows sockets, no core."""

import socket
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from hotpath.runtime.gateway.authority import may_command, may_query
from hotpath.runtime.gateway.members import Members
from hotpath.runtime.gateway.parts import EngineFacts, RingHost, SessionRules, Watcher
from hotpath.runtime.gateway.privacy import accounts_of, is_known_id, masked
from hotpath.runtime.gateway.repeats import Repeat
from hotpath.runtime.gateway.session import Session
from hotpath.runtime.gateway.stamping import naming_session
from hotpath.runtime.metrics import Metrics
from hotpath.runtime.rate_limit import RateLimit
from hotpath.runtime.stream_bound import ORDERS
from shared.domain import records as r
from shared.domain.command_size import is_one_command
from shared.wire import frames, ring_frames
from shared.wire.frames import FrameError, GatewayCode
from shared.wire.report_pages import encode_report_pages
from shared.wire.tokens import MEMBER, TokenError, TokenExpired, TokenVerifier

LOGON_WITHIN_S: Final = 5.0
MAX_SESSIONS: Final = 1024
WINDOW: Final = 2048  # commands of one session that may wait
QUERIES_A_TURN: Final = 8
_READ_BYTES: Final = 64 << 10
_ACCEPTS_A_TURN: Final = 8  # each may bring a signature to check
_CANCELS: Final = (r.CANCEL_ORDER, r.MASS_CANCEL)
_NO_NUMBER: Final = bytes(8)
_MAX_RESULT_BYTES: Final = frames.MAX_ANSWER_BYTES // 2  # of events; a large auction has more
_NUMBER_AT: Final = frames.COMMAND_PREFIX_BYTES + 8 * r.C_REQUEST


PendingCommand = tuple[Session, int, bytes]  # session, request, the whole frame
PendingQuery = tuple[Session, frames.Query]


class Gateway:
    """All sessions, and the queue of what they have asked for."""

    def __init__(
        self,
        listener: socket.socket,
        verifier: TokenVerifier,
        watcher: Watcher,
        metrics: Metrics,
        facts: EngineFacts,
        queue_commands: int,
        journal: Path,
        rules: SessionRules,
        rate: RateLimit,
    ) -> None:
        self._listener = listener
        self._verifier = verifier
        self._watcher = watcher
        self._metrics = metrics
        self._facts = facts
        self._queue_commands = queue_commands
        self.durable_sequence = 0
        self.rate = rate
        self.order_refusal = ""  # why new orders are not taken now
        self.sessions: dict[int, Session] = {}
        self.commands: deque[PendingCommand] = deque()
        self.queries: list[PendingQuery] = []
        self._rules = rules
        self.logins = Members(self, journal, rules)
        self.members = self.logins.open  # by account
        self.ring_host: RingHost | None = None
        self._touched: dict[int, Session] = {}  # those with something to send

    # --- reading -----------------------------------------------------------------------------

    def accept(self, now_s: float) -> None:
        """Open the connections that wait."""
        for _ in range(_ACCEPTS_A_TURN):
            try:
                connection, peer = self._listener.accept()
            except OSError:
                return  # nobody waits, the peer left, or descriptors are short: others go on
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(connection, now_s, f"{peer[0]}:{peer[1]}")
            self.sessions[session.descriptor] = session
            self._watcher.watch(session.descriptor, write=False)
            self._metrics.sessions_opened += 1
            if len(self.sessions) > MAX_SESSIONS:
                self.end(session, GatewayCode.TOO_MANY_SESSIONS, f"at most {MAX_SESSIONS}")

    def read(self, session: Session, now_s: float) -> None:
        """Take in what the session has sent, and act on each whole frame."""
        try:
            data = session.socket.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.drop(session)
            return
        if session.is_closing:
            return
        session.heard_s = now_s
        try:
            for frame in session.frames.feed(data):
                self._take(session, frame)
        except FrameError as error:
            self.end(session, error.code, str(error))

    def _take(self, session: Session, frame: bytes) -> None:
        kind = frames.frame_type(frame)
        if session.is_closing:
            return
        if session.kind == 0:
            self._logon(session, frame)
        elif session.is_joining and kind != frames.HEARTBEAT:
            raise FrameError(GatewayCode.NOT_LOGGED_ON, "the logon is not accepted yet")
        elif kind == frames.COMMAND:
            self._take_command(session, frame)
        elif kind == frames.QUERY:
            self._take_query(session, frames.decode_query(frame))
        elif kind == frames.HEARTBEAT and len(frame) == frames.HEADER_BYTES:
            self.send(session, frames.HEARTBEAT_FRAME)
        elif kind == frames.RING_ATTACH:
            self._attach_ring(session, ring_frames.decode_ring_attach(frame))
        elif kind == frames.RING_WAKE and len(frame) == frames.HEADER_BYTES:
            pass  # it has woken the loop
        elif kind == frames.LOGOUT and len(frame) == frames.HEADER_BYTES:
            self.send(session, frames.LOGOUT_FRAME)
            self._is_over(session)
        else:
            raise FrameError(GatewayCode.MALFORMED_FRAME, f"frame type {kind}")

    def _logon(self, session: Session, frame: bytes) -> None:
        if frames.frame_type(frame) != frames.LOGON:
            self.end(session, GatewayCode.NOT_LOGGED_ON, "the first frame must be a logon")
            return
        logon = frames.decode_logon(frame)
        try:
            claims = self._verifier.verify(logon.token)
        except TokenExpired as error:
            self.end(session, GatewayCode.TOKEN_EXPIRED, str(error))
            return
        except TokenError as error:
            self.end(session, GatewayCode.BAD_TOKEN, str(error))
            return
        kind = frames.MEMBER if claims.kind == MEMBER else frames.SERVICE
        if kind != logon.kind:
            self.end(session, GatewayCode.BAD_TOKEN, "the token is for the other kind of session")
            return
        session.account_id, session.scopes = claims.account_id, claims.scopes
        session.kind, session.expires_s = kind, float(claims.expires_s)
        if kind == frames.MEMBER:
            self.logins.log_on(session, logon)
        elif logon.cancel_on_disconnect or logon.resume_after is not None:
            self.end(session, GatewayCode.NOT_AUTHORISED, "that is for members")
        else:
            self.accept_logon(session, 0)

    def accept_logon(self, session: Session, next_request: int) -> None:
        facts = self._facts
        accepted = frames.LogonAccepted(
            epoch=facts.epoch,
            durable_sequence=self.durable_sequence,
            expires_ms=int(session.expires_s) * 1000,
            shard=facts.shard,
            compiled=facts.is_compiled,
            heartbeat_s=frames.HEARTBEAT_S,
            window=min(WINDOW, self._queue_commands),
            next_request=next_request,
        )
        self.send(session, frames.encode_logon_accepted(accepted))

    def _take_command(self, session: Session, frame: bytes) -> None:
        """Queue a command, or refuse it: malformed, not allowed, or too many wait."""
        start = frames.COMMAND_PREFIX_BYTES
        if not is_one_command(frame, start):
            raise FrameError(GatewayCode.MALFORMED_FRAME, "length of a command")
        kind = frame[start]
        request = _word(frame, frames.HEADER_BYTES)
        account_id, command_id = _word(frame, start + 8), _word(frame, start + 16)
        own = _NO_NUMBER
        if session.kind == frames.MEMBER:
            if session.has_ring:
                self._refuse(session, request, GatewayCode.NOT_AUTHORISED, "send it by the ring")
                return
            self.logins.number(session, request)
            own = frame[frames.HEADER_BYTES : frames.HEADER_BYTES + 8]
        if frame[_NUMBER_AT : _NUMBER_AT + 8] != own:
            frame = frame[:_NUMBER_AT] + own + frame[_NUMBER_AT + 8 :]
        if not may_command(session, kind, account_id, command_id):
            self._refuse(session, request, GatewayCode.NOT_AUTHORISED, "not allowed here")
            return
        if kind in ORDERS:
            frame = naming_session(frame, session.account_id, self._rules)
        limit = self._queue_commands
        if kind in _CANCELS:
            limit *= 2  # cancels are taken when new orders no longer are
        if session.queued >= WINDOW or len(self.commands) >= limit:
            self._refuse(session, request, GatewayCode.ENGINE_BUSY, "the queue is full")
            return
        if kind in ORDERS:
            refusal = self.order_refusal or (
                "" if self.rate.left > 0 else "too many orders a second"
            )
            if refusal:
                self._refuse(session, request, GatewayCode.ENGINE_BUSY, refusal)
                return
            self.rate.left -= 1
        session.queued += 1
        self.commands.append((session, request, frame))

    def queue(self, session: Session, frame: bytes) -> None:
        """Queue a command of the gateway's own, whatever else waits."""
        session.queued += 1
        self.commands.append((session, 0, frame))

    def _take_query(self, session: Session, query: frames.Query) -> None:
        if not may_query(session, query):
            self._refuse(session, query.request, GatewayCode.NOT_AUTHORISED, "not allowed here")
        elif session.queries >= QUERIES_A_TURN:
            self._refuse(session, query.request, GatewayCode.ENGINE_BUSY, "too many queries")
        else:
            session.queries += 1
            self.queries.append((session, query))

    def _attach_ring(self, session: Session, asked: ring_frames.RingAttach) -> None:
        if self.ring_host is None:
            raise FrameError(GatewayCode.MALFORMED_FRAME, "no rings here")
        try:
            path = self.ring_host.attach(session, asked)
        except FrameError as error:
            if error.code.ends_session:
                raise
            self._refuse(session, asked.request, error.code, str(error))
            return
        self.send(session, ring_frames.encode_ring_attached(asked, path))

    # --- answering ---------------------------------------------------------------------------

    def answer(self, pending: PendingCommand, sequence: int, time_ns: int, events: bytes) -> None:
        """Send a durable command's events to its session and to the members whom they touch."""
        session, request, _ = pending
        session.queued -= 1
        if session.kind == frames.MEMBER:
            shown = masked(events, session.account_id)
            numbers = (sequence, session.last_number)
            session.last_number = sequence
            frame = frames.encode_result(request, sequence, time_ns, shown, numbers=numbers)
        else:
            frame = frames.encode_result(request, sequence, time_ns, events[:_MAX_RESULT_BYTES])
        self.send(session, frame)
        if self.members:
            self.report(session, sequence, time_ns, events)

    def answer_repeat(self, pending: PendingCommand, sequence: int, repeat: Repeat) -> None:
        """Send the first answer to an order that was sent again."""
        session, request, _ = pending
        session.queued -= 1
        events, numbers = repeat.events, None
        if session.kind == frames.MEMBER:
            events = masked(events, session.account_id)
            numbers = (sequence, session.last_number)
            session.last_number = sequence
        frame = frames.encode_result(
            request, repeat.sequence, repeat.time_ns, events, order=repeat.order, numbers=numbers
        )
        self.send(session, frame)

    def report(self, sender: Session | None, sequence: int, time_ns: int, events: bytes) -> None:
        """Send execution reports to the members whose orders the events touched."""
        is_known = is_known_id(events)
        if is_known and sender is not None:
            sender.last_number = sequence
        touched: dict[int, list[tuple[int, bytes]]] = {}
        for index in range(is_known, len(events) // frames.EVENT_BYTES):
            at = index * frames.EVENT_BYTES
            event = events[at : at + frames.EVENT_BYTES]
            for account in set(accounts_of(event)):
                if account in self.members:
                    touched.setdefault(account, []).append((index, event))
        for account, found in touched.items():
            member = self.members[account]
            if member is not sender:
                shown = [(index, masked(event, account)) for index, event in found]
                previous = member.last_number
                for page in encode_report_pages(sequence, time_ns, shown, previous=previous):
                    self.send(member, page)
            member.last_number = sequence

    def answer_query(self, pending: PendingQuery, words: list[int] | None) -> None:
        session, query = pending
        session.queries -= 1
        frame = frames.encode_query_answer(query.request, query.kind, words)
        if len(frame) > frames.MAX_ANSWER_BYTES:
            text = f"{len(frame)} bytes"
            self._refuse(session, query.request, GatewayCode.ANSWER_TOO_LARGE, text)
        else:
            self.send(session, frame)

    def _refuse(self, session: Session, request: int, code: GatewayCode, text: str) -> None:
        self._metrics.refusals[code] += 1
        self.send(session, frames.encode_reject(request, code, text))

    def end(self, session: Session, code: GatewayCode, text: str) -> None:
        """Say why a session ends, and end it. What it had queued still runs."""
        self._metrics.refusals[code] += 1
        session.end(code, text)
        self._is_over(session)
        self._touched[session.descriptor] = session

    def _is_over(self, session: Session) -> None:
        """Take nothing more from a session, and let leave what leaves with it."""
        session.is_closing = True
        if self.ring_host is not None:
            self.ring_host.detach(session)
        if session.kind == frames.MEMBER:
            self.logins.ended(session)

    def end_all(self, code: GatewayCode, text: str) -> None:
        """End all sessions because the engine ends; no order leaves with them."""
        self.logins.is_stopping = True
        for session in list(self.sessions.values()):
            self.end(session, code, text)
        self.flush()

    def send(self, session: Session, frame: bytes) -> None:
        if self._is_open(session):
            session.out.append(frame)
            self._touched[session.descriptor] = session

    def _is_open(self, session: Session) -> bool:
        """Return whether the session is still there; its descriptor may be another's by now."""
        return self.sessions.get(session.descriptor) is session

    # --- writing -----------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what this turn has for each session."""
        touched, self._touched = self._touched, {}
        for session in touched.values():
            self.write(session)

    def write(self, session: Session) -> None:
        """Send what waits, as far as the socket takes it."""
        try:
            is_done = session.flush()
        except BufferError:
            self._metrics.refusals[GatewayCode.SLOW_READER] += 1
            self.drop(session)
            return
        except OSError:
            self.drop(session)
            return
        if is_done and session.is_joining:
            session.heard_s = time.monotonic()
        if is_done and session.is_closing:
            self.drop(session)
        elif session.wants_write == is_done:
            session.wants_write = not is_done
            self._watcher.watch(session.descriptor, write=session.wants_write)

    def drop(self, session: Session) -> None:
        """Forget a connection. What it had queued still runs; its orders stay."""
        if not self._is_open(session):
            return
        del self.sessions[session.descriptor]
        self._touched.pop(session.descriptor, None)
        session.forget_unsent()
        self._watcher.forget(session.descriptor)
        session.socket.close()
        self._is_over(session)

    def tidy(self, now_s: float) -> None:
        """End the sessions whose time is over; called a few times a second."""
        unix_s = time.time()
        for session in list(self.sessions.values()):
            if session.is_closing:
                if now_s - session.heard_s > LOGON_WITHIN_S:
                    self.drop(session)  # it does not even read why
            elif session.kind == 0:
                if now_s - session.opened_s > LOGON_WITHIN_S:
                    self.end(session, GatewayCode.NOT_LOGGED_ON, "no logon came")
            elif unix_s >= session.expires_s:
                self.end(session, GatewayCode.TOKEN_EXPIRED, "log on with a new token")
            elif session.kind == frames.MEMBER and now_s - session.heard_s > 3 * frames.HEARTBEAT_S:
                self.end(session, GatewayCode.IDLE, "no heartbeat")

    def take_queries(self) -> Iterable[PendingQuery]:
        taken, self.queries = self.queries, []
        return taken


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little", signed=True)
