"""The trace context that a command carries: W3C trace id and span id in 24 bytes."""

from typing import Final

TRACE_BYTES: Final = 24  # W3C trace id (16) and span id (8); zeros when there is none
NO_TRACE: Final = bytes(TRACE_BYTES)


def trace_bytes(traceparent: str) -> bytes:
    """Return trace id and span id of a W3C traceparent; zeros when it is empty or not one."""
    parts = traceparent.split("-")
    if len(parts) != 4 or len(parts[1]) != 32 or len(parts[2]) != 16:
        return NO_TRACE
    try:
        return bytes.fromhex(parts[1]) + bytes.fromhex(parts[2])
    except ValueError:
        return NO_TRACE


def traceparent(trace: bytes) -> str:
    """Return the W3C traceparent of `trace_bytes`; empty for zeros."""
    return "" if trace == NO_TRACE else f"00-{trace[:16].hex()}-{trace[16:].hex()}-01"
