"""Compute time windows of dates or whole numbers."""

from __future__ import annotations

import calendar
import itertools
import re
from datetime import datetime, timedelta

Moment = str | int
Window = tuple[Moment | None, Moment, Moment]      # train from, test from, test until
MOST = 100_000

_MONTHS = {"month": 1, "year": 12}
_HOURS = {"hour": 1, "day": 24, "week": 7 * 24}
_LENGTH = re.compile(r"(\d+) *(hour|day|week|month|year)s?")


def windows(first: Moment, last: Moment, step: Moment, window: Moment | None) -> list[Window]:
    """Compute the windows from `first` to `last`; dates are ISO texts.

    `last` cuts off the last window. Raises `ValueError`, with the text `PARAMETER: problem`.
    """
    if isinstance(first, int) and not isinstance(last, int):
        raise ValueError(f"last: expected a whole number, as `first` is, found {last!r}")   # noqa: TRY004
    if isinstance(last, int) and not isinstance(first, int):
        raise ValueError(f"last: expected a date, as `first` is, found {last!r}")           # noqa: TRY004
    begin, end = _moment("first", first), _moment("last", last)
    dates = isinstance(begin, datetime)
    forward, back = _length("step", step, dates), None if window is None else _length("window", window, dates)
    found: list[Window] = []
    for number in itertools.count():
        start, following = _moved(begin, forward, number), _moved(begin, forward, number + 1)
        if start >= end:                                   # type: ignore[operator]
            break
        if number == MOST:
            raise ValueError(f"step: more than {MOST} windows from first to last")
        earliest = None if back is None else _written(_moved(start, back, -1))
        found.append((earliest, _written(start), _written(min(following, end))))
    if not found:
        raise ValueError(f"last: expected a time after `first`, which is {first!r}, found {last!r}")
    return found


def _moment(name: str, written: Moment) -> datetime | int:
    if isinstance(written, int):
        return written
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        raise ValueError(f"{name}: expected a date such as '2014-07-01', found {written!r}") from None


def _length(name: str, written: Moment, dates: bool) -> tuple[int, timedelta | None]:
    """Parse as (months, None), (0, timedelta), or (number, None)."""
    if not dates:
        if not isinstance(written, int) or written < 1:
            raise ValueError(f"{name}: expected a whole number above 0, found {written!r}")
        return written, None
    found = _LENGTH.fullmatch(written.strip()) if isinstance(written, str) else None
    if found is None or int(found[1]) < 1:
        raise ValueError(f"{name}: expected a length of time such as '1 month', '2 weeks' or '6 hours', "
                         f"found {written!r}")
    count, unit = int(found[1]), found[2]
    if unit in _MONTHS:
        return count * _MONTHS[unit], None
    return 0, timedelta(hours=count * _HOURS[unit])


def _moved(moment: datetime | int, length: tuple[int, timedelta | None], times: int) -> datetime | int:
    count, span = length
    if isinstance(moment, int):
        return moment + count * times
    if span is not None:
        return moment + span * times
    # counted from the first moment: step by step, the 31st would become the 28th and stay it
    years, month = divmod(moment.year * 12 + moment.month - 1 + count * times, 12)
    day = min(moment.day, calendar.monthrange(years, month + 1)[1])
    return moment.replace(year=years, month=month + 1, day=day)


def _written(moment: datetime | int) -> Moment:
    if isinstance(moment, int):
        return moment
    text = moment.isoformat(sep=" ", timespec="auto")
    return text.removesuffix(" 00:00:00")
