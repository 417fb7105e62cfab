"""A member's side of the protocol without a socket: its numbers, what is unanswered, its way back.

It outlives connections. Whoever has a connection asks for the logon to send, gives every frame
that arrives to `take`, and does what the outcomes say.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain.commands import Command
from shared.domain.events import EngineEvent
from shared.hotpath_client import answers
from shared.hotpath_client.epochs import Epochs
from shared.ports.engine import CommandResult, EngineBusy, EngineError, EngineUnavailable
from shared.wire import frames
from shared.wire.report_pages import ReportPages


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome of the command with this number, the same whether it came at once or again."""

    number: int
    outcome: CommandResult | EngineError


@dataclass(frozen=True, slots=True)
class Reported:
    """What others did to the member's orders."""

    events: list[EngineEvent]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The logon is accepted; `send` are the commands that have to be sent again."""

    logon: frames.LogonAccepted
    send: list[bytes]


Outcome = Answered | Reported | Accepted


class MemberStream:
    """One login, from its first logon on."""

    def __init__(self, *, cancel_on_disconnect: bool = False) -> None:
        self._cancels = cancel_on_disconnect
        self.last_number: int | None = None  # of the last message; None before the first logon
        self._next_request = 1
        self._epochs = Epochs()
        self._unanswered: dict[int, bytes] = {}
        self._pages = ReportPages()

    @property
    def unanswered(self) -> int:
        return len(self._unanswered)

    def logon(self, token: str) -> bytes:
        """Return the frame with which a new connection begins."""
        self._pages = ReportPages()  # those of a report that was cut off come again
        logon = frames.Logon(frames.MEMBER, token, self._cancels, self.last_number)
        return frames.encode_logon(logon)

    def command(self, command: Command, traceparent: str = "") -> tuple[int, bytes]:
        """Number a command; return its number and the frame to send."""
        number = self._next_request
        self._next_request += 1
        trace = frames.trace_bytes(traceparent) if traceparent else frames.NO_TRACE
        frame = frames.encode_command(number, command.words(), trace)
        self._unanswered[number] = frame
        return number, frame

    def take(self, data: bytes) -> Iterator[Outcome]:
        """Yield what a frame brings; heartbeats and answers to queries bring nothing.

        Raises EngineError when the session is over, or of no more use: log on again.
        """
        kind = frames.frame_type(data)
        if kind == frames.COMMAND_RESULT:
            result = frames.decode_result(data)
            if len(result.numbers) != 2:
                raise EngineUnavailable("a result without its number")
            self._follow(*result.numbers)
            self._unanswered.pop(result.request, None)
            yield Answered(result.request, answers.command_result(result))
        elif kind == frames.EXECUTION_REPORT:
            page = frames.decode_report(data)
            self._check_follows(page.sequence, page.previous)
            if report := self._pages.add(page):
                self._follow(report.sequence, report.previous)
                yield Reported(answers.report_events(report))
        elif kind == frames.REJECT:
            reject = frames.decode_reject(data)
            if reject.request == 0:
                raise answers.error_of(reject)
            if self._unanswered.pop(reject.request, None) is not None:
                yield Answered(reject.request, answers.error_of(reject))
        elif kind == frames.LOGON_ACCEPTED:
            yield from self._accepted(frames.decode_logon_accepted(data))
        elif kind == frames.LOGOUT:
            raise EngineUnavailable("logged out")

    def _follow(self, number: int, previous: int) -> None:
        """Take note of a message that has arrived whole."""
        self._check_follows(number, previous)
        self.last_number = number

    def _check_follows(self, number: int, previous: int) -> None:
        """See that nothing is missing between the last message and this one."""
        if previous != self.last_number:
            raise EngineUnavailable(f"message {number} follows {previous}, not {self.last_number}")

    def _accepted(self, logon: frames.LogonAccepted) -> Iterator[Outcome]:
        """Find out what became of everything unanswered: all results have come by now."""
        self._epochs.check(logon.epoch)
        if self.last_number is None:
            self.last_number = logon.durable_sequence
        taken = [number for number in self._unanswered if number < logon.next_request]
        for number in taken:
            del self._unanswered[number]
            yield Answered(number, EngineBusy("refused before the connection was lost"))
        # With commands to send the numbers go on: an engine that was started anew takes any, and
        # one that was not ends the session where another client has used the login.
        if logon.next_request and not self._unanswered:
            self._next_request = logon.next_request
        yield Accepted(logon, list(self._unanswered.values()))
