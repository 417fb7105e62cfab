"""The members' logins: one session each, their numbers, their way back, and what leaves with them.

A login is an account. Whoever logs on again takes over: what the older session had sent is carried
out first, then the newer one gets what it missed, and only then is it accepted.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from hotpath.runtime.gateway.parts import SessionRules
from hotpath.runtime.gateway.resend import Resend
from hotpath.runtime.gateway.session import Session
from shared.domain.commands import MassCancel
from shared.domain.extended_orders import Disconnect
from shared.wire import frames
from shared.wire.frames import FrameError, GatewayCode
from shared.wire.journal import JournalError
from shared.wire.tokens import TRADE

log = logging.getLogger("engine")

_TURN_S: Final = 0.005  # for all who join, however many: then the others have their turn
_UNREADABLE: Final = "what was missed cannot be read again"
MAX_UNSENT_BYTES: Final = 256 << 10  # of what is sent again; then the reader has its turn


class Gateway(Protocol):
    """The gateway as the members' desk needs it."""

    durable_sequence: int

    def send(self, session: Session, frame: bytes) -> None: ...

    def end(self, session: Session, code: GatewayCode, text: str) -> None: ...

    def accept_logon(self, session: Session, next_request: int) -> None: ...

    def queue(self, session: Session, frame: bytes) -> None: ...


@dataclass(eq=False, slots=True)
class _Joining:
    """A logon that is not accepted yet, and the session before it of the same login."""

    session: Session
    before: Session | None
    next_request: int
    resend: Resend | None
    goes_on: bool  # with the login of `before`, whose orders leave if this one is never accepted


class Members:
    """All logins since the engine started."""

    def __init__(self, gateway: Gateway, journal: Path, rules: SessionRules) -> None:
        self._gateway = gateway
        self._journal = journal
        self._rules = rules
        self.open: dict[int, Session] = {}  # accepted sessions, by account
        self._last: dict[int, Session] = {}  # each login's newest session, open or ended
        self._joining: deque[_Joining] = deque()
        self._leaving: list[Session] = []  # whose orders are to be cancelled
        self.is_stopping = False
        self.is_held = False  # while a batch waits for its copy: nobody joins in the middle of it

    @property
    def have_work(self) -> bool:
        return bool(self._joining or self._leaving)

    def log_on(self, session: Session, logon: frames.Logon) -> None:
        """Begin a login's session; raise FrameError when it cannot be."""
        after = logon.resume_after
        durable = self._gateway.durable_sequence
        if after is not None and not 0 <= after <= durable:
            text = f"the last message is {durable} at most, not {after}"
            raise FrameError(GatewayCode.UNKNOWN_SEQUENCE, text)
        if logon.cancel_on_disconnect and TRADE not in session.scopes:
            raise FrameError(GatewayCode.BAD_TOKEN, "it does not allow to cancel")
        session.cancels_on_disconnect = logon.cancel_on_disconnect
        account = session.account_id
        resend = None if after is None else self._resend(account, after)
        before = self._last.get(account)
        goes_on = before is not None and before.is_login
        for joining in [it for it in self._joining if it.session.account_id == account]:
            goes_on, joining.goes_on = goes_on or joining.goes_on, False
            self._gateway.end(joining.session, GatewayCode.TAKEN_OVER, "a newer logon came")
        if before is not None and before.is_login:
            before.is_login = False
            self._gateway.end(before, GatewayCode.TAKEN_OVER, "the login has logged on again")
        self.open.pop(account, None)
        if after is None:
            next_request = 1
        else:
            next_request = before.next_request if before is not None else 0
        session.is_joining = True
        made = _Joining(session, before, next_request, resend, goes_on)
        self._joining.append(made)
        if not self.is_held:
            self._step(made)

    def _resend(self, account: int, after: int) -> Resend:
        try:
            return Resend(self._journal, account, after)
        except (OSError, JournalError) as error:
            log.error("the journal cannot be read again: %s", error)
            raise FrameError(GatewayCode.UNKNOWN_SEQUENCE, _UNREADABLE) from error

    def number(self, session: Session, request: int) -> None:
        """Take the number of a member's command; raise FrameError when it is not the next one."""
        expected = session.next_request or request
        if request != expected or not 0 < request < 1 << 62:
            text = f"command {request} came where {expected} is next"
            raise FrameError(GatewayCode.WRONG_NUMBER, text)
        session.next_request = request + 1

    def ended(self, session: Session) -> None:
        """Take note that a session is over; see to it that what leaves with it does."""
        account = session.account_id
        if self.open.get(account) is session:
            del self.open[account]
        for joining in [it for it in self._joining if it.session is session]:
            self._joining.remove(joining)
            if joining.resend is not None:
                joining.resend.close()
            if joining.goes_on and joining.before is not None and not self.is_stopping:
                self._leaving.append(joining.before)
        if session.is_login and not self.is_stopping:
            session.is_login = False
            self._leaving.append(session)

    def advance(self) -> None:
        """Bring everybody who comes or goes a step further."""
        if self.is_held:
            return
        for session in [it for it in self._leaving if it.queued == 0]:
            self._leaving.remove(session)
            for words in self._cancels(session):
                self._gateway.queue(session, frames.encode_command(0, words))
        until_s = time.monotonic() + _TURN_S
        for _ in range(len(self._joining)):
            if not self._joining or time.monotonic() > until_s:
                break
            self._joining.rotate(-1)  # the next turn begins behind it
            self._step(self._joining[-1])

    def _step(self, joining: _Joining) -> None:
        try:
            self._join(joining)
        except (OSError, JournalError) as error:
            log.error("the journal cannot be read again: %s", error)
            self._gateway.end(joining.session, GatewayCode.UNKNOWN_SEQUENCE, _UNREADABLE)

    def _join(self, joining: _Joining) -> None:
        before, session, resend = joining.before, joining.session, joining.resend
        durable = self._gateway.durable_sequence
        if resend is not None:
            if session.unsent_bytes() > MAX_UNSENT_BYTES:
                return
            for frame in resend.step(durable):
                self._gateway.send(session, frame)
            if not resend.has_arrived(durable):
                return
        if before is not None and (before.queued or before in self._leaving):
            return  # what it has sent comes first
        next_request = session.next_request = joining.next_request
        session.last_number = durable
        if resend is not None:
            session.last_number = resend.last_number
            if next_request == 0 and resend.last_request:
                # Refusals, which no journal holds, may have used the numbers behind it.
                next_request = resend.last_request + 1
            resend.close()
        self._joining.remove(joining)
        session.is_joining, session.is_login = False, True
        self.open[session.account_id] = session
        self._last[session.account_id] = session
        self._gateway.accept_logon(session, next_request)

    def _cancels(self, session: Session) -> list[list[int]]:
        """Return the words of the command that cancels what leaves with a session, if any does."""
        if session.cancels_on_disconnect:
            return [MassCancel(session.account_id, 0).words()]
        if self._rules.orders_of_session(session.account_id):
            return [Disconnect(session.account_id).words()]
        return []
