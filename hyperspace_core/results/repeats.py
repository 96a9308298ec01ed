"""Group repeats: runs that differ only in seed and fold, with mean and spread."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

from hyperspace_core.config.tree import LEAVES, MISSING, Tree, canonical, flatten, is_number
from hyperspace_core.records import info
from hyperspace_core.records.info import KEY as RESCORED, decisive, is_mended, rescored_of
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results import table as tables
from hyperspace_core.results.comparable import LeftOut, left_out_text
from hyperspace_core.results.export import SHOWN, Rows
from hyperspace_core.results.format import ids_text, value_text
from hyperspace_core.results.table import ID, RESULT, SECONDS, SEED, Column, Table
from hyperspace_core.scenarios.parts import SPREAD

# -- Mean with its confidence interval by Student's t, from the standard library only --

CONFIDENCE = 0.95
SIGNS = 6                      # sign test: so many equal signs have a probability below 5 %: 2 / 2**6
_TINY, _CLOSE, _STEPS = 1e-300, 1e-15, 500


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Mean of `n` numbers. One number has no known spread, hence no interval."""

    n: int
    mean: float
    sd: float | None = None        # standard deviation of the numbers, with n - 1
    low: float | None = None       # 95 % confidence interval of the mean
    high: float | None = None

    @property
    def differs(self) -> bool:
        """Whether the interval excludes 0; the sign test decides for equal numbers."""
        if self.low is None or self.high is None:
            return False
        return (self.low > 0 or self.high < 0) and (self.sd != 0 or self.n >= SIGNS)


def estimate(values: Sequence[float]) -> Estimate:
    """Estimate the mean of at least one number; not finite if a number is not."""
    count = len(values)
    if not all(map(math.isfinite, values)):
        return Estimate(n=count, mean=sum(values) / count)
    mean = math.fsum(value / count for value in values)
    if count < 2:
        return Estimate(n=count, mean=mean)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    half = t_quantile((1 + CONFIDENCE) / 2, count - 1) * sd / math.sqrt(count)
    return Estimate(n=count, mean=mean, sd=sd, low=mean - half, high=mean + half)


@lru_cache(maxsize=4096)
def t_quantile(probability: float, freedom: int) -> float:
    """Quantile of Student's t distribution, for probabilities >= 0.5."""
    low, high = 0.0, 1.0
    while _below(high, freedom) < probability:
        low, high = high, 2 * high
    while True:
        middle = (low + high) / 2
        if not low < middle < high or high - low <= _CLOSE * high:
            return middle
        low, high = (middle, high) if _below(middle, freedom) < probability else (low, middle)


def _below(t: float, freedom: int) -> float:
    return 1 - _incomplete_beta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularized incomplete beta function: 0 at x = 0, 1 at x = 1."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):              # the fraction converges slowly here, its mirror image fast
        return 1 - _incomplete_beta(1 - x, b, a)
    scale = (math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    return math.exp(scale) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    upper, lower = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = lower
    for step in range(1, _STEPS):
        twice = a + 2 * step
        even = step * (b - step) * x / ((twice - 1) * twice)
        odd = -(a + step) * (a + b + step) * x / (twice * (twice + 1))
        for term in (even, odd):
            lower = 1 / _not_zero(1 + term * lower)
            upper = _not_zero(1 + term / upper)
            found *= upper * lower
        if abs(upper * lower - 1) < _CLOSE:
            break
    return found


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


# -- Measurements of runs: the basis for pairs and means --

FOLD = "fold"                  # a parameter of this name selects the part of the data

MeasurementKey = tuple[int | None, str, str]         # seed, folds, part


def measurement_key(record: RunRecord) -> MeasurementKey:
    """Key of a whole run: its seed and its folds, if any."""
    return record.seed, ", ".join([*_folds(record.scenario), *_folds(record.effective_config)]), ""


def measurements(record: RunRecord) -> dict[MeasurementKey, float]:
    """Results by key; empty without a result. A rescored one has a single key."""
    whole, key = decisive(record), measurement_key(record)
    if whole is None:
        return {}
    parts = _parts(record) if whole == record.result else {}
    if len(parts) < 2:
        return {key: whole}
    drawn = len({seed for seed, _ in parts.values()}) == len(parts)        # each part has its own seed
    return {(seed, key[1], "") if drawn else (key[0], key[1], name): value
            for name, (seed, value) in parts.items()}


def _parts(record: RunRecord) -> dict[str, tuple[Any, float]]:
    """Part → seed and value; the result is the mean of these values."""
    names = {key.removeprefix(info.NOTED): note for key, note in record.info.items()
             if key.startswith(info.NOTED) and isinstance(note, dict)}
    values: dict[str, Any] = {name: record.metrics.get(f"{record.metric.name}/{name}") for name in names}
    return {name: (names[name].get("seed"), float(value)) for name, value in values.items()
            if is_number(value)}


def _folds(value: Any) -> Iterator[str]:
    """Values of all `fold` keys of a tree, in order."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == FOLD:
                yield value_text(inner)
            else:
                yield from _folds(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _folds(inner)


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Runs that differ only in seed and fold, by age."""

    records: tuple[RunRecord, ...]

    @cached_property
    def whole(self) -> tuple[RunRecord, ...]:
        return info.whole_of(self.records)

    @cached_property
    def observations(self) -> tuple[tuple[RunRecord, ...], ...]:
        """The whole runs by seed and fold: one seed is one observation, however often it was run."""
        found: dict[Any, list[RunRecord]] = defaultdict(list)
        for record in self.whole:
            found[measurement_key(record) if record.seed is not None else record.id].append(record)
        return tuple(map(tuple, found.values()))

    @cached_property
    def results(self) -> tuple[float, ...]:
        """One result for each seed and fold, or for each part; of several runs their mean.

        Pruned runs are left out, unless all are pruned.
        """
        single: list[float] = []
        parts: dict[MeasurementKey, list[float]] = defaultdict(list)
        for runs in self.observations:
            alone: list[float] = []
            for run in map(measurements, runs):
                for key, value in run.items():
                    (alone if len(run) == 1 else parts[key]).append(value)
            single += [estimate(alone).mean] if alone else []
        return (*single, *(estimate(values).mean for values in parts.values()))

    @property
    def in_parts(self) -> bool:
        """Whether each of the runs measured in several parts."""
        return all(len(measurements(record)) > 1 for record in self.whole)

    @cached_property
    def estimate(self) -> Estimate | None:
        """Estimate of the task's metric; None without results."""
        return estimate(self.results) if self.results else None

    @property
    def as_record(self) -> RunRecord:
        """The run, or for several `as_one`."""
        return self.records[0] if len(self.records) == 1 else self.as_one

    @property
    def ids(self) -> tuple[int, ...]:
        return tuple(record.id for record in self.records)

    def to_json(self) -> Tree:
        """Tree for JSON."""
        return {"runs": self.ids, "pruned": [record.id for record in self.records if info.is_pruned(record)],
                "task": self.records[0].task, "metric": self.records[0].metric,
                "result": self.estimate, "metrics": self.as_one.metrics,
                "scenario": without_folds(self.records[0].scenario), "config": config_of(self.records[0])}

    @cached_property
    def as_one(self) -> RunRecord:
        """The oldest run, with the means of all runs in place of its numbers."""
        first = self.records[0]
        numbers = {record.id: flatten(record.metrics) for record in self.whole}
        scores = {record.id: rescored_of(record) for record in self.whole}
        metrics = {name: self._mean({run: tree[name] for run, tree in numbers.items()})
                   for name in numbers[self.whole[0].id]
                   if all(is_number(tree.get(name)) for tree in numbers.values())}
        rescored = {
            name: one.tree() | {"value": self._mean({run: of[name].value for run, of in scores.items()})}
            for name, one in scores[self.whole[0].id].items() if all(name in of for of in scores.values())}
        returned = {record.id: record.result for record in self.whole if record.result is not None}
        mean = (self._mean(returned) if returned and self.mended else
                None if self.estimate is None else self.estimate.mean)
        return replace(first, result=mean, info=first.info | {RESCORED: rescored}, metrics=metrics,
                       reason=self.whole[0].reason)

    def _mean(self, values: Mapping[int, float]) -> float:
        """The mean over the observations, of values by run."""
        each = [[values[record.id] for record in runs if record.id in values] for runs in self.observations]
        return estimate([estimate(of_one).mean for of_one in each if of_one]).mean

    @property
    def mended(self) -> bool:
        """Whether the task's metric was recomputed for all of the runs."""
        return all(map(is_mended, self.whole))


def mean_of(ids: Sequence[int]) -> str:
    """`run 12`, or of the repeats of a config `mean of runs 12 to 14`."""
    return f"run {ids[0]}" if len(ids) == 1 else f"mean of runs {ids_text(ids)}"


@tables.gc_paused()
def group_repeats(records: Iterable[RunRecord]) -> list[Repeats]:
    """Group the runs by config, best mean first."""
    found: dict[str, list[RunRecord]] = {}
    for record in sorted(records, key=lambda record: record.id):
        found.setdefault(experiment_of(record), []).append(record)
    by_id = {group[0].id: Repeats(records=tuple(group)) for group in found.values()}
    return [by_id[record.id] for record in tables.best_first(group.as_one for group in by_id.values())]


def best_config(records: Iterable[RunRecord]) -> Repeats | None:
    """The config with the best mean, with its repeats; None without a finite result."""
    return next((group for group in group_repeats(records)
                 if group.estimate is not None and math.isfinite(group.estimate.mean)), None)


def has_repeats(records: Iterable[RunRecord], *, parts: bool = True) -> bool:
    """Whether a config was run with several seeds or folds, or (`parts`) in parts."""
    seen: dict[str, MeasurementKey] = {}
    for record in records:
        key = measurement_key(record)
        if (parts and len(measurements(record)) > 1) or seen.setdefault(experiment_of(record), key) != key:
            return True
    return False


def experiment_of(record: RunRecord) -> str:
    """Key of an experiment: everything that was requested except seed and fold."""
    return canonical([record.task, record.metric.name, record.metric.goal,
                      without_folds(record.scenario or {}), config_of(record)])


def config_of(record: RunRecord) -> Tree:
    """Hyper-parameters without seed and fold."""
    return {key: without_folds(value) for key, value in record.effective_config.items()
            if key not in (SEED, FOLD)}


def without_folds(value: Any) -> Any:
    if type(value) in LEAVES:
        return value
    if isinstance(value, dict):
        return {key: without_folds(inner) for key, inner in value.items() if key != FOLD}
    return list(map(without_folds, value)) if isinstance(value, list | tuple) else value


class Grouped(Rows[Repeats]):
    """Configs with their repeats, best mean first."""

    def __init__(self, records: Iterable[RunRecord] = (), left_out: Iterable[LeftOut] = (), *,
                 looked_at: int | None = None) -> None:
        super().__init__(group_repeats(records))
        self.left_out = tuple(left_out)
        self.looked_at = looked_at

    def table(self, *, constant: bool = False) -> Table:
        return tabulate_repeats(self._items, constant=constant)

    def _page(self) -> Table:
        return tabulate_repeats(self._items[:SHOWN]).folded()

    def _rest(self) -> list[str]:
        more = super()._rest()
        return [*more, *filter(None, [left_out_text(self.left_out, 'comparable="all"', self.looked_at)])]


def tabulate_repeats(groups: Sequence[Repeats], *, constant: bool = False) -> Table:
    """Table with a row a config: runs, n, mean, sd, 95 % interval; other means."""
    table = tables.tabulate((group.as_one for group in groups), constant=constant, as_given=True)
    spread = f"{tables.METRICS}{groups[0].records[0].metric.name}/{SPREAD}" if groups and all(
        group.in_parts for group in groups) else None          # shown as `sd`
    columns = [column for column in table.columns if not _is_of_one_run(column) and column.path != spread]
    mended = {group.records[0].metric.name for group in groups if group.mended}
    decides = {RESULT, *map(tables.rescored_path, mended)}
    at = 1 + max(index for index, column in enumerate(columns) if column.path in decides)
    taken = {column.name for column in columns}
    known = [group.estimate for group in groups]
    spreads = [_named(name, taken, [None if one is None else getattr(one, name) for one in known])
               for name in ("sd", "low", "high")]
    first = [_named("runs", taken, [ids_text(group.ids) for group in groups]),
             _named("n", taken, [len(group.results) for group in groups])]
    took = _named("seconds", taken, [_mean_seconds(group) for group in groups])
    last = [replace(took, path=SECONDS)] if any(value is not MISSING for value in took.values) else []
    return Table(columns=(*first, *columns[:at], *spreads, *columns[at:], *last), records=table.records)


def _is_of_one_run(column: Column) -> bool:
    return column.path in (ID, SEED, SECONDS, "config.seed") or column.path.rpartition(".")[2] == FOLD


def _named(name: str, taken: set[str], values: Sequence[Any]) -> Column:
    """Build a column; append `_` to a name used by a parameter or metric."""
    path = name
    while name in taken:
        name = f"{name}_"
    taken.add(name)
    return Column(name=name, path=path, values=tuple(MISSING if value is None else value for value in values))


def _mean_seconds(group: Repeats) -> Any:
    known = [took for took in map(tables.seconds_of, group.records) if took is not MISSING]
    return sum(known) / len(known) if known else MISSING
