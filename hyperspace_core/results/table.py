"""Tables of runs: best first, without constant columns, with short names."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hyperspace_core.config.tree import CLASS_NAME, MISSING, Tree, canonical, flatten
from hyperspace_core.records.pruned import is_pruned
from hyperspace_core.records.rescored import KEY as RESCORED
from hyperspace_core.records.rescored import decisive, rescored_of
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import PRUNED, State
from hyperspace_core.results.names import shortest_names
from hyperspace_core.scenarios.combining import SPREAD

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
        known = {record.metric.name for record in self.records} | _metrics_of(self.columns)
        kept = tuple(column for column in self.columns if not _is_of_a_part(column, known))
        return replace(self, columns=kept)


def _metrics_of(columns: Iterable[Column]) -> set[str]:
    return {column.path.removeprefix(METRICS) for column in columns if column.path.startswith(METRICS)}


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
    return flatten(record.scenario or {}, SCENARIO) | flatten(_config_of(record), CONFIG)


def _config_of(record: RunRecord) -> Tree:
    return record.config if record.config is not None else record.submitted


def _rank(record: RunRecord) -> tuple[int, float]:
    value = decisive(record)
    if value is None:
        return 2, 0.0
    if math.isnan(value):
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
    """Columns of the rescored metrics."""
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
    return [scenarios[id(record.scenario)] | flatten(_config_of(record), CONFIG) for record in records]


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
