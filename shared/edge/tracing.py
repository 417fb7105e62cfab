"""W3C trace context: one trace id from the request through log lines, engine and stream."""

import re
import secrets
from contextvars import ContextVar
from typing import Final

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NOTHING: Final = "0"
_current: ContextVar[str] = ContextVar("traceparent", default="")


def start_trace(incoming: str | None) -> str:
    """Continue the caller's trace with a span of our own, or begin a new one; return traceparent.

    A header that does not follow https://www.w3.org/TR/trace-context/ is ignored, as that says.
    """
    found = _TRACEPARENT.fullmatch(incoming or "")
    trace, flags = secrets.token_hex(16), "01"
    if found and found[1].strip(_NOTHING) and found[2].strip(_NOTHING):
        trace, flags = found[1], found[3]
    traceparent = f"00-{trace}-{secrets.token_hex(8)}-{flags}"
    _current.set(traceparent)
    return traceparent


def current_traceparent() -> str:
    """Return the traceparent of the request or batch being handled; begin one if there is none."""
    return _current.get() or start_trace(None)


def trace_id() -> str:
    """Return the trace id, 32 hexadecimal digits."""
    return current_traceparent()[3:35]
