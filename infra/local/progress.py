"""How `up` and `down` tell what they do: plain lines, with colour where a person watches."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_COLOURS = {"ok": "32", "failed": "31", "note": "33"}


class Progress:
    """Prints one line per finished part or step; safe to use from several threads."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet
        self._colour = self._stream.isatty()
        self._lock = threading.Lock()

    def done(self, name: str, what: str, seconds: float) -> None:
        self._line("ok", f"{name:<12} {what} in {seconds:.1f} s")

    def failed(self, name: str) -> None:
        self._line("failed", f"{name:<12} failed")

    def note(self, text: str) -> None:
        self._line("note", text)

    @contextmanager
    def timed(self, name: str, what: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.done(name, what, time.monotonic() - began)

    def _line(self, kind: str, text: str) -> None:
        if self._quiet:
            return
        mark = {"ok": "✓", "failed": "✗", "note": "·"}[kind]
        if self._colour:
            mark = f"\033[{_COLOURS[kind]}m{mark}\033[0m"
        with self._lock:
            print(f"{mark} {text}", file=self._stream, flush=True)
