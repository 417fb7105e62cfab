"""Writes shared/domain/calendar_data.py from the exchange_calendars package (a development tool).

Run `python -m infra.reference.make_calendars` to prolong or correct the table; a test compares it
with the package. The functions carry only the table: importing the package takes over a second.
"""

from datetime import date, timedelta
from pathlib import Path
from typing import Final

FIRST_YEAR: Final = 2020
LAST_YEAR: Final = 2040
CALENDARS: Final = ("XLON", "XNYS")
TARGET: Final = Path(__file__).resolve().parents[2] / "shared" / "domain" / "calendar_data.py"


def weekday_holidays(calendar_name: str) -> tuple[str, list[date]]:
    """Return a venue's time zone and the weekdays on which it does not trade."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar(
        calendar_name, start=f"{FIRST_YEAR}-01-01", end=f"{LAST_YEAR}-12-31"
    )
    sessions = {session.date() for session in calendar.sessions}
    day, last = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
    holidays = []
    while day <= last:
        if day.weekday() < 5 and day not in sessions:
            holidays.append(day)
        day += timedelta(days=1)
    return str(calendar.tz), holidays


def render() -> str:
    """Return the text of calendar_data.py."""
    lines = [
        (
            '"""Weekdays on which venues do not trade. '
            'Written by infra/reference/make_calendars.py."""'
        ),
        "",
        "from typing import Final",
        "",
        f"FIRST_YEAR: Final = {FIRST_YEAR}",
        f"LAST_YEAR: Final = {LAST_YEAR}",
        "# MIC -> (time zone, holidays as one string of month and day per year)",
        "HOLIDAYS: Final[dict[str, tuple[str, dict[int, str]]]] = {",
    ]
    for name in CALENDARS:
        zone, holidays = weekday_holidays(name)
        lines += [f'    "{name}": (', f'        "{zone}",', "        {"]
        for year in range(FIRST_YEAR, LAST_YEAR + 1):
            days = " ".join(f"{day:%m%d}" for day in holidays if day.year == year)
            lines.append(f'            {year}: "{days}",')
        lines += ["        },", "    ),"]
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
