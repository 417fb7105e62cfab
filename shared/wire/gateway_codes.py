"""Why the gateway refuses a request or ends a session, and the exception that carries it."""

from enum import IntEnum


class GatewayCode(IntEnum):
    """Why the gateway refused. Nothing it refuses reaches the journal.

    Codes from 100 up end the session; the others refuse one request.
    """

    NOT_AUTHORISED = 1  # the token's kind or scopes do not allow this request
    ENGINE_BUSY = 2  # the command was not queued; try again later
    ANSWER_TOO_LARGE = 3  # ask for less depth
    NO_RING = 4  # not on this host, too many of them, or a size that cannot be
    MALFORMED_FRAME = 100
    FRAME_TOO_LARGE = 101
    UNSUPPORTED_VERSION = 102
    NOT_LOGGED_ON = 103  # the first frame was not a logon, or none came in time
    BAD_TOKEN = 104
    TOKEN_EXPIRED = 105
    SLOW_READER = 106  # the session's out-queue is full
    TOO_MANY_SESSIONS = 107
    IDLE = 108  # no frame came for three heartbeat intervals
    ENGINE_HALTED = 109  # the journal failed; what is unanswered has an unknown outcome
    SHUTTING_DOWN = 110
    TAKEN_OVER = 111  # the same login has logged on again
    WRONG_NUMBER = 112  # a member's command is not the next one; nothing of it was taken
    UNKNOWN_SEQUENCE = 113  # the member asks for what follows a message that this engine never sent

    @property
    def ends_session(self) -> bool:
        return self >= 100


class FrameError(Exception):
    """The bytes are not a frame; `code` says what the peer is told."""

    def __init__(self, code: GatewayCode, text: str) -> None:
        super().__init__(text)
        self.code = code
