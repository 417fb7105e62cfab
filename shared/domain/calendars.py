"""Trading calendars: which days are sessions, and when a trade settles."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

from shared.domain.calendar_data import FIRST_YEAR, HOLIDAYS, LAST_YEAR


class CalendarError(ValueError):
    """The calendar is unknown, or does not reach the day."""


@dataclass(frozen=True, slots=True)
class TradingCalendar:
    """A venue's sessions from FIRST_YEAR to LAST_YEAR."""

    name: str
    time_zone: ZoneInfo
    holidays: frozenset[date]

    def is_session(self, day: date) -> bool:
        """Return whether the venue trades on a day; raise CalendarError beyond the table."""
        if not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise CalendarError(f"{self.name} is known from {FIRST_YEAR} to {LAST_YEAR}, not {day}")
        return day.weekday() < 5 and day not in self.holidays

    def session_on_or_after(self, day: date) -> date:
        while not self.is_session(day):
            day += timedelta(days=1)
        return day

    def next_session(self, day: date) -> date:
        return self.session_on_or_after(day + timedelta(days=1))

    def trade_date(self, time_ns: int) -> date:
        """Return the venue's own date of an instant, given in nanoseconds since the epoch."""
        instant = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
        return instant.astimezone(self.time_zone).date()

    def settlement_date(self, trade_date: date, cycle_days: int) -> date:
        """Return the session that is `cycle_days` sessions after the trade (T+n).

        A trade outside any session counts as one of the next session.
        """
        day = self.session_on_or_after(trade_date)
        for _ in range(cycle_days):
            day = self.next_session(day)
        return day


@cache
def calendar(name: str) -> TradingCalendar:
    """Return the calendar of a venue by its MIC; raise CalendarError when it is unknown."""
    if name not in HOLIDAYS:
        raise CalendarError(f"there is no calendar {name}")
    zone, years = HOLIDAYS[name]
    holidays = frozenset(
        date(year, int(text[:2]), int(text[2:]))
        for year, days in years.items()
        for text in days.split()
    )
    return TradingCalendar(name, ZoneInfo(zone), holidays)
