"""Windows of time."""

from __future__ import annotations

import pytest

from hyperspace_core.scenarios.shapes import Moment, Window, windows


@pytest.mark.parametrize(("given", "expected"), [
    (("2014-01-31", "2014-04-15", "1 month", "1 year"),
     [("2013-01-31", "2014-01-31", "2014-02-28"), ("2013-02-28", "2014-02-28", "2014-03-31"),
      ("2013-03-31", "2014-03-31", "2014-04-15")]),
    (("2014-01-01", "2014-01-15", "1 week", None),
     [(None, "2014-01-01", "2014-01-08"), (None, "2014-01-08", "2014-01-15")]),
    (("2014-01-01 06:00", "2014-01-01 18:00", "6 hours", "12 hours"),
     [("2013-12-31 18:00:00", "2014-01-01 06:00:00", "2014-01-01 12:00:00"),
      ("2014-01-01", "2014-01-01 12:00:00", "2014-01-01 18:00:00")]),
    ((1950, 1953, 2, None), [(None, 1950, 1952), (None, 1952, 1953)]),
])
def test_windows_follow_each_other(given: tuple[Moment, Moment, Moment, Moment | None],
                                   expected: list[Window]) -> None:
    assert windows(*given) == expected


@pytest.mark.parametrize(("given", "message"), [
    (("2014", "soon", "1 month", None), "first: expected a date|last: expected a date"),
    (("2014-01-01", "2013-01-01", "1 month", None), "last: expected a time after `first`"),
    (("2014-01-01", "2015-01-01", "1 fortnight", None), "step: expected a length of time such as"),
    (("2014-01-01", "2015-01-01", 3, None), "step: expected a length of time such as"),
    (("2014-01-01", "2015-01-01", "0 days", None), "step: expected a length of time such as"),
    (("2014-01-01", "2015-01-01", "1 day", "long"), "window: expected a length of time such as"),
    ((1950, "2015-01-01", 1, None), "last: expected a whole number"),
    (("2015-01-01", 2016, "1 day", None), "last: expected a date"),
    ((1950, 1960, 0, None), "step: expected a whole number above 0"),
    ((0, 10**9, 1, None), "step: more than 100000 windows"),
])
def test_an_invalid_window_is_refused(given: tuple[Moment, Moment, Moment, Moment | None],
                                      message: str) -> None:
    with pytest.raises(ValueError, match=message):
        windows(*given)
