"""Tables of runs: best first, without constant columns, with short names."""

from __future__ import annotations

import gc
import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, flatten
from hyperspace_core.errors import ConfigError, UsageError, did_you_mean
from hyperspace_core.records.filter import is_missing, look_up
from hyperspace_core.records.info import KEY as RESCORED, decisive, is_pruned, rescored_of
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import PRUNED, State
from hyperspace_core.scenarios.parts import SPREAD

# -- Short names for dotted paths --

def shortest_names(paths: Iterable[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Map each path to its shortest suffix that is unique and not in `taken`.

    A class gets the name of its section: `config.classifier.className` is `classifier` if unique.
    """
    steps = {path: _steps(path) for path in paths}
    length = dict.fromkeys(steps, 1)
    while True:
        names = {path: ".".join(parts[-length[path]:]) for path, parts in steps.items()}
        counts = Counter(names.values())
        unclear = [path for path, name in names.items()
                   if (counts[name] > 1 or name in taken) and length[path] < len(steps[path])]
        if not unclear:
            return _distinct(names)
        for path in unclear:
            length[path] += 1


def _steps(path: str) -> list[str]:
    steps = path.split(".")
    return steps[:-1] if steps[-1] == CLASS_NAME and len(steps) > 1 else steps


def _distinct(names: dict[str, str]) -> dict[str, str]:
    """Use the full path where a class and a value of one path share a name."""
    counts = Counter(names.values())
    apart = {path: path if counts[name] > 1 else name for path, name in names.items()}
    return apart if len(set(apart.values())) == len(apart) else {path: path for path in names}


RUN = "run"                    # name of the id column
ID, TASK, STATE, RESULT, SEED, SECONDS = "id", "task", "state", "result", "seed", "seconds"
REASON = "reason"
SCENARIO, CONFIG, INFO = "scenario", "config", "info"
METRICS = "metrics."           # prefix of a metric's path
_OWN = frozenset({RUN, TASK, STATE, REASON, SEED, SECONDS})        # names that a metric column cannot have


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column. `path`: source of its values, such as `config.classifier.trees`."""

    name: str                      # unique within its table
    path: str
    values: tuple[Any, ...]        # one a row; `MISSING` if a run has none

    @property
    def shown(self) -> tuple[Any, ...]:
        """The values with None in place of `MISSING`."""
        return tuple(None if value is MISSING else value for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Runs in rows, in the order of `records`."""

    columns: tuple[Column, ...]
    records: tuple[RunRecord, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*(column.shown for column in self.columns), strict=True)) if self.columns else []

    def folded(self) -> Table:
        """Drop the metrics of single parts, such as `accuracy/fold-2`; keep spreads."""
        known = {record.metric.name for record in self.records}
        known |= {one.path.removeprefix(METRICS) for one in self.columns if one.path.startswith(METRICS)}
        return replace(self, columns=tuple(one for one in self.columns if not _is_of_a_part(one, known)))


def _is_of_a_part(column: Column, known: Collection[str]) -> bool:
    if not column.path.startswith(METRICS):
        return False
    whole, _, part = column.path.removeprefix(METRICS).partition("/")
    return part not in ("", SPREAD) and whole in known


def tabulate(records: Iterable[RunRecord], *, constant: bool = False, as_given: bool = False) -> Table:
    """Build a table of runs, one row each, best first or in the order `as_given`.

    `constant=True` keeps constant columns.
    """
    ordered = list(records) if as_given else best_first(records)
    metrics = {record.metric.name for record in ordered}
    metric = metrics.pop() if len(metrics) == 1 else None
    result = RESULT if metric is None or metric in _OWN else metric
    computed = _rescored_columns(ordered)
    first = [
        _column(RUN, ID, ordered, lambda record: record.id),
        *_where_it_differs(_column(TASK, TASK, ordered, lambda record: record.task), constant),
        *_where_it_tells(_column(STATE, STATE, ordered, lambda record: record.state.value), constant),
        *_if_any(_column(REASON, REASON, ordered, lambda record: PRUNED if is_pruned(record) else MISSING)),
        _column(result, RESULT, ordered, lambda record: _or_missing(record.result)),
        *(column for column in computed if column.path == rescored_path(metric)),
    ]
    last = [
        *_where_it_differs(_column(SEED, SEED, ordered, lambda record: _or_missing(record.seed)), constant),
        *_metric_columns(ordered, metric, {result, *_OWN}),
        *(column for column in computed if column.path != rescored_path(metric)),
        *_if_any(_column(SECONDS, SECONDS, ordered, seconds_of)),
    ]
    taken = {column.name for column in (*first, *last)}
    parameters = _parameter_columns(ordered, taken, constant)
    return Table(columns=(*first, *parameters, *last), records=tuple(ordered))


def best_first(records: Iterable[RunRecord]) -> list[RunRecord]:
    """Sort by task, result (best first; NaN and missing last) and age."""
    return sorted(records, key=lambda record: (record.task, _rank(record), record.id))


def seconds_of(record: RunRecord) -> Any:
    """Duration of the last attempt in seconds; `MISSING` if it did not start or end."""
    attempt = record.attempt
    if attempt is None or attempt.started_at is None or attempt.ended_at is None:
        return MISSING
    return max(0.0, (attempt.ended_at - attempt.started_at).total_seconds())


def rescored_path(metric: str | None) -> str:
    return f"{INFO}.{RESCORED}.{metric}.value"


def parameters_of(record: RunRecord) -> Tree:
    """Scenario and hyper-parameters by dotted path, as submitted if not completed."""
    return flatten(record.scenario or {}, SCENARIO) | flatten(record.effective_config, CONFIG)


def _rank(record: RunRecord) -> tuple[int, float]:
    value = decisive(record)
    if value is None:
        return 2, 0.0
    if not math.isfinite(value):               # it diverged, also with a metric to maximize
        return 1, 0.0
    return 0, -value if record.metric.goal == "maximize" else value


def _column(name: str, path: str, records: Sequence[RunRecord], value: Callable[[RunRecord], Any]) -> Column:
    return Column(name=name, path=path, values=tuple(map(value, records)))


def _or_missing(value: Any) -> Any:
    return MISSING if value is None else value


def _where_it_differs(column: Column, constant: bool) -> list[Column]:
    return [column] if constant or len(set(column.values)) > 1 else []


def _where_it_tells(column: Column, constant: bool) -> list[Column]:
    return [column] if constant or set(column.values) - {State.COMPLETED.value} else []


def _if_any(column: Column) -> list[Column]:
    return [column] if any(value is not MISSING for value in column.values) else []


def _metric_columns(records: Sequence[RunRecord], decides: str | None, taken: set[str]) -> list[Column]:
    """Columns of the values that `single_run` returned, except the deciding metric."""
    found = [flatten(record.metrics) for record in records]
    columns = []
    for metric in dict.fromkeys(name for metrics in found for name in metrics if name != decides):
        name = metric
        while name in taken:
            name = f"metrics.{name}"
        taken.add(name)
        values = tuple(metrics.get(metric, MISSING) for metrics in found)
        columns.append(Column(name=name, path=f"{METRICS}{metric}", values=values))
    return columns


def _rescored_columns(records: Sequence[RunRecord]) -> list[Column]:
    found = [rescored_of(record) for record in records]
    return [Column(name=f"{RESCORED}.{name}", path=rescored_path(name),
                   values=tuple(one[name].value if name in one else MISSING for one in found))
            for name in dict.fromkeys(name for one in found for name in one)]


def _parameter_columns(records: Sequence[RunRecord], taken: set[str], constant: bool) -> list[Column]:
    trees = _parameters_of_all(records)
    paths: dict[str, None] = {}
    for tree in trees:
        if not tree.keys() <= paths.keys():
            paths |= dict.fromkeys(tree)
    kept = [path for path in paths if constant or not _tells_nothing(path, trees)]
    names = shortest_names(kept, taken)
    return [Column(name=names[path], path=path, values=tuple([tree.get(path, MISSING) for tree in trees]))
            for path in kept]


def _parameters_of_all(records: Sequence[RunRecord]) -> list[Tree]:
    """`parameters_of` each record; a shared scenario is flattened once."""
    scenarios = {id(record.scenario): flatten(record.scenario or {}, SCENARIO)
                 for record in {id(record.scenario): record for record in records}.values()}
    return [scenarios[id(record.scenario)] | flatten(record.effective_config, CONFIG) for record in records]


def _tells_nothing(path: str, trees: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the values are equal, and missing only in runs of another class."""
    if _differ(tree[path] for tree in trees if path in tree):
        return False
    steps = path.split(".")
    above = [".".join([*steps[:depth], CLASS_NAME]) for depth in range(1, len(steps))]
    present: dict[tuple[Any, ...], bool] = {}
    for tree in trees:
        classes = tuple([_key(tree.get(name)) for name in above if name != path])
        if present.setdefault(classes, path in tree) is not (path in tree):
            return False
    return True


def _differ(values: Iterable[Any]) -> bool:
    """Whether two of the values differ; stops at the first difference."""
    rest = iter(values)
    first = next(rest, None)
    key = _key(first)
    return any(value is not first and _key(value) != key for value in rest)


def _key(value: Any) -> Any:
    """Comparison key; `1`, `1.0` and `True` have different keys."""
    return value if type(value) is str else (canonical(value),)


# -- Sort runs by a column, given by its shortest name or its dotted path --

ValueOf = Callable[[RunRecord], Any]
_OWN_KEYS: dict[str, ValueOf] = {RUN: lambda record: record.id, SECONDS: seconds_of, "time": seconds_of}


def ordered(records: Iterable[RunRecord], order_by: str) -> list[RunRecord]:
    """Sort by a column such as `seed`, `config.a.trees`; `-` before it: descending.

    A recomputed metric takes precedence over the returned value of the same name; that one is `result` or
    `metrics.accuracy`. Missing values and NaN come last; ties are sorted by age. Raises `UsageError` for a
    column that no run has.
    """
    by_age = sorted(records, key=lambda record: record.id)
    name = order_by.removeprefix("-")
    if not name:
        raise UsageError(f"order by {order_by!r}: expected a column, as in 'seconds' or '-seconds'")
    values = [(_sortable(value), record) for value, record in zip(_values(by_age, name), by_age, strict=True)]
    known = [item for item in values if item[0] is not None]
    known.sort(key=lambda item: item[0] or (), reverse=order_by.startswith("-"))
    return [record for _, record in known] + [record for key, record in values if key is None]


def _values(records: Sequence[RunRecord], name: str) -> list[Any]:
    if name in _OWN_KEYS:
        return list(map(_OWN_KEYS[name], records))
    if any(record.metric.name == name for record in records):
        return [decisive(record) if record.metric.name == name else look_up(record, f"metrics.{name}")
                for record in records]
    computed = [rescored_of(record) for record in records]
    if any(name in one for one in computed):           # a run without one has its returned value
        return [one[name].value if name in one else look_up(record, f"metrics.{name}")
                for one, record in zip(computed, records, strict=True)]
    found = [look_up(record, name) for record in records]
    if not all(map(is_missing, found)):
        # a component counts by the name of its class
        return [value.get(CLASS_NAME, value) if isinstance(value, dict) else value for value in found]
    table = tabulate(records, constant=True, as_given=True)
    column = next((column for column in table.columns if column.name == name), None)
    if column is None and records:
        raise UsageError(f"order by {name!r}: no run has such a column{did_you_mean(name, table.names)}")
    return [] if column is None else list(column.values)


def _sortable(value: Any) -> tuple[int, Any] | None:
    """Sort key: numbers, texts, other values; None for missing values and NaN."""
    if value is None or value is MISSING or is_missing(value):
        return None
    if isinstance(value, int | float):
        return None if math.isnan(value) else (0, value)
    return (1, value) if isinstance(value, str) else (2, _text(value))


def _text(value: Any) -> str:
    try:
        return canonical(value)
    except ConfigError:                        # a time, an attempt
        return str(value)


# -- Pause Python's garbage collector while many objects are created --

@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause the garbage collector; one that was disabled before stays disabled."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
