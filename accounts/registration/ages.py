"""Ages that the law of registration knows, counted at a moment in China.

Under 14 a guardian acts (PIPL art. 31); from 14 to 17 the person acts under supervision (Measures for the national
network identity service). Nothing is stored: who comes of age is not supervised from that day on.
"""

from __future__ import annotations

from calendar import isleap
from datetime import date, datetime, timedelta, timezone

GUARDED_UNTIL, SUPERVISED_UNTIL = 14, 18
_CHINA = timezone(timedelta(hours=8))  # one time zone for the whole country, and no daylight saving


def age(born: date, now: datetime) -> int:
    """Whole years at that moment. Who was born on 29 February is a year older on 1 March."""
    today = now.astimezone(_CHINA).date()
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def comes_of(years: int, born: date) -> datetime:
    """The moment at which `age` becomes that number: midnight in China at the start of the birthday."""
    year = born.year + years
    is_leap_day = (born.month, born.day) == (2, 29)
    day = date(year, 3, 1) if is_leap_day and not isleap(year) else born.replace(year=year)
    return datetime(day.year, day.month, day.day, tzinfo=_CHINA)


def is_supervised(born: date | None, now: datetime) -> bool:
    """True from the fourteenth birthday until the eighteenth. False if the birth date is unknown."""
    return born is not None and GUARDED_UNTIL <= age(born, now) < SUPERVISED_UNTIL
