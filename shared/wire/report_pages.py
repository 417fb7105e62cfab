"""Execution reports of many events, as an auction makes them, in pages that a frame can hold.

All pages of a report have its number and name the one before it; all but the last have FLAG_MORE.
The report is received when its last page is, so whoever resumes among pages gets all of them again.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.wire import frames

FLAG_MORE: Final = 8
PAGE_EVENTS: Final = 8_192  # 576 KiB


def encode_report_pages(
    sequence: int,
    time_ns: int,
    events: Sequence[tuple[int, bytes]],
    *,
    previous: int = 0,
    flags: int = 0,
) -> list[bytes]:
    """Return a report's frames; of (index, event bytes) pairs, at least one."""
    starts = range(0, len(events), PAGE_EVENTS)
    return [
        frames.encode_report(
            sequence,
            time_ns,
            events[start : start + PAGE_EVENTS],
            previous=previous,
            flags=flags if start == starts[-1] else flags | FLAG_MORE,
        )
        for start in starts
    ]


class ReportPages:
    """Puts pages together again; one for each connection."""

    def __init__(self) -> None:
        self._pages: list[frames.ExecutionReport] = []

    def add(self, page: frames.ExecutionReport) -> frames.ExecutionReport | None:
        """Return the report whose last page this is; None while more are to come.

        Raises FrameError when a page of another report comes before the last one.
        """
        if self._pages and self._pages[0].sequence != page.sequence:
            text = f"report {page.sequence} among the pages of {self._pages[0].sequence}"
            raise frames.FrameError(frames.GatewayCode.MALFORMED_FRAME, text)
        self._pages.append(page)
        if page.flags & FLAG_MORE:
            return None
        events = tuple(event for one in self._pages for event in one.events)
        self._pages = []
        return replace(page, events=events)
