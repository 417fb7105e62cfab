"""Trading calendars: the functions' table equals exchange_calendars, T+n counts sessions."""

from datetime import UTC, date, datetime, timedelta

import pytest

from infra.reference.make_calendars import CALENDARS, TARGET, render, weekday_holidays
from shared.domain.calendar_data import FIRST_YEAR, LAST_YEAR
from shared.domain.calendars import CalendarError, calendar
from shared.reference import instruments

NEW_YORK = calendar("XNYS")


@pytest.mark.parametrize("name", CALENDARS)
def test_the_table_is_that_of_exchange_calendars(name: str) -> None:
    zone, holidays = weekday_holidays(name)
    found = calendar(name)
    assert str(found.time_zone) == zone
    assert found.holidays == frozenset(holidays)


def test_the_written_file_is_current() -> None:
    assert TARGET.read_text(encoding="utf-8") == render()


def test_every_instrument_has_a_known_calendar() -> None:
    for instrument in instruments():
        assert calendar(instrument.calendar).name == instrument.calendar


@pytest.mark.parametrize(
    ("trade_date", "cycle_days", "settles"),
    [
        (date(2026, 11, 24), 0, date(2026, 11, 24)),  # T+0 on a session: the same day
        (date(2026, 11, 24), 1, date(2026, 11, 25)),
        (date(2026, 11, 24), 2, date(2026, 11, 27)),  # over Thanksgiving
        (date(2026, 11, 27), 2, date(2026, 12, 1)),  # over a weekend
        (date(2026, 11, 28), 0, date(2026, 11, 30)),  # a Saturday's trade counts as Monday's
        (date(2026, 12, 24), 1, date(2026, 12, 28)),  # over Christmas and the weekend
    ],
)
def test_settlement_dates_count_sessions(trade_date: date, cycle_days: int, settles: date) -> None:
    assert NEW_YORK.settlement_date(trade_date, cycle_days) == settles


def test_the_trade_date_is_that_of_the_venue() -> None:
    late = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)  # still the 24th in New York
    assert NEW_YORK.trade_date(int(late.timestamp()) * 1_000_000_000) == date(2026, 11, 24)


def test_days_beyond_the_table_are_refused_and_not_guessed() -> None:
    for day in (date(FIRST_YEAR, 1, 1) - timedelta(1), date(LAST_YEAR, 12, 31) + timedelta(1)):
        with pytest.raises(CalendarError):
            NEW_YORK.is_session(day)
    with pytest.raises(CalendarError):
        calendar("XXXX")
