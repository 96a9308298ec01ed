"""Repeat a scenario with other seeds or folds."""

from __future__ import annotations

import calendar
import copy
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from hyperspace_core.components import Scenario
from hyperspace_core.scenarios.parted import _Parted
from hyperspace_core.scenarios.parts import Part, PartError, setting_owner, with_setting


@dataclass
class Repeated(_Parted):
    """Runs a scenario several times; returns mean, deviation and each value.

    Repeat i has the run's seed + i, so everything that the scenario draws by its seed, such as a subset of
    the training set or initial weights, differs. With `fold`, repeat i sets this setting to i and keeps the
    run's seed: the data is split in the same way, and another fold is held out.
    """

    scenario: Scenario
    times: int = 5
    fold: str | None = None        # the setting that takes 0, 1, …: `dataset.fold`
    slots: int = 1                 # repeats executed at the same time, in processes

    settings: ClassVar[tuple[str, ...]] = ("fold",)

    def parts(self, seed: int) -> Sequence[Part]:
        from hyperspace_core.config.complete import LIMIT

        times = range(self.times)
        if self.fold is None:
            return [Part(name=f"repeat-{time}", scenario=copy.deepcopy(self.scenario),
                         seed=(seed + time) % LIMIT) for time in times]
        return [Part(name=f"fold-{fold}", seed=seed,
                     scenario=with_setting(copy.deepcopy(self.scenario), self.fold, fold)) for fold in times]

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        yield from super().problems_of(tree)
        if tree["times"] < 1:
            yield "times", f"expected at least 1, found {tree['times']}"


# -- Train one model for each series, such as each machine or each customer --

LISTING = "every_series"       # the method with which a dataset lists its series


@dataclass
class PerSeries(_Parted):
    """Runs a scenario for each series; returns mean, deviation and each value.

    The hyper-parameters are the same for all series. `key` is the setting that selects the series. Without
    `series`, the object that has this setting lists them with its method `every_series()`.
    """

    scenario: Scenario
    key: str = "dataset.series"
    series: list[str | int] | None = None
    slots: int = 1                 # series executed at the same time, in processes

    settings: ClassVar[tuple[str, ...]] = ("key",)

    def parts(self, seed: int) -> Sequence[Part]:
        keys = self._listed() if self.series is None else self.series
        return [Part(name=part_name(key), scenario=with_setting(copy.deepcopy(self.scenario), self.key, key),
                     seed=seed) for key in keys]

    def _listed(self) -> list[str | int]:
        owner = copy.deepcopy(setting_owner(self.scenario, self.key))
        if not hasattr(owner, LISTING):
            raise PartError(f"PerSeries: {type(owner).__name__} has no method {LISTING}(); add one that "
                            "lists the series, or list them as `series` in the task")
        return list(getattr(owner, LISTING)())

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        yield from super().problems_of(tree)
        if tree["series"] == []:
            yield "series", "the list is empty; name a series, or omit it so that the dataset lists them"


def part_name(key: Any) -> str:
    """Make a key safe for names: `General Motors` becomes `General-Motors`."""
    return re.sub(r"[^\w.+-]+", "-", str(key)).strip(".-") or "-"


# -- Periodic re-training: train on past data, test on the next period --

@dataclass
class Rolling(_Parted):
    """Trains again at each step; returns mean, deviation and each value.

    The test periods go from `first` to `last` (exclusive) by `step`. For each, the scenario is trained on the
    `window` before it, or on all earlier data. Times are dates, `2014-07-01`, with steps such as `1 month`,
    `2 weeks`, `6 hours`; or whole numbers, such as years. Three settings of the wrapped scenario receive
    them; `train_from` is not set without a `window`.
    """

    scenario: Scenario
    first: str | int
    last: str | int
    step: str | int
    window: str | int | None = None
    train_from: str = "dataset.train_from"
    test_from: str = "dataset.test_from"
    test_until: str = "dataset.test_until"
    slots: int = 1                 # steps executed at the same time, in processes

    settings: ClassVar[tuple[str, ...]] = ("train_from", "test_from", "test_until")

    def parts(self, seed: int) -> Sequence[Part]:
        return [Part(name=part_name(begin), scenario=self._trained(earliest, begin, end), seed=seed)
                for earliest, begin, end in windows(self.first, self.last, self.step, self.window)]

    def _trained(self, earliest: str | int | None, begin: str | int, end: str | int) -> Any:
        scenario = copy.deepcopy(self.scenario)
        if earliest is not None:
            scenario = with_setting(scenario, self.train_from, earliest)
        return with_setting(with_setting(scenario, self.test_from, begin), self.test_until, end)

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        unused = ("train_from",) if tree["window"] is None else ()
        yield from ((parameter, text) for parameter, text in super().problems_of(tree)
                    if parameter not in unused)
        try:
            windows(tree["first"], tree["last"], tree["step"], tree["window"])
        except ValueError as error:
            parameter, _, text = str(error).partition(": ")
            yield parameter, text


# -- Compute time windows of dates or whole numbers --

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
    if isinstance(first, int) != isinstance(last, int):
        wanted = "a whole number" if isinstance(first, int) else "a date"
        raise ValueError(f"last: expected {wanted}, as `first` is, found {last!r}")
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
    return moment if isinstance(moment, int) else moment.isoformat(sep=" ").removesuffix(" 00:00:00")
