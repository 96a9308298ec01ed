"""Compute a registered metric from stored predictions, and undo it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import HyperspaceError, NotFound, UsageError, did_you_mean
from hyperspace_core.plugin import (
    RegisteredMetric,
    Rescored,
    function_fingerprint,
    info,
    loaded,
    name_of,
    trees,
    user_at_host,
)
from hyperspace_core.records import RunRecord
from hyperspace_core.storage import Migrations

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project
    from hyperspace_core.storage import Store

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


class NotComputed(UsageError):
    """A metric could not be computed for one run."""


def computed(metric: RegisteredMetric, arrays: Mapping[str, Any]) -> float:
    """Compute a metric. Raises `NotComputed` for a missing array or an error."""
    given = _arguments(metric, arrays)
    try:
        value = metric.function(**given)
    except Exception as error:
        raise NotComputed(f"{metric.name} raised {type(error).__name__}: {error}") from error
    number = trees.unwrapped(value)
    if not trees.is_number(number):
        raise NotComputed(f"{metric.name} returned a {type(number).__name__}; a metric returns one number")
    return float(number)


def _arguments(metric: RegisteredMetric, arrays: Mapping[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(metric.function).parameters.values()
    needed = [one.name for one in parameters if one.kind in _BY_NAME
              and one.default is inspect.Parameter.empty]
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise NotComputed(f"{metric.name} needs `{missing[0]}`, and the run has stored "
                          f"{', '.join(sorted(arrays))}; name parameters as in run.log_predictions")
    return {one.name: arrays[one.name] for one in parameters
            if one.kind in _BY_NAME and one.name in arrays}


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """Result of rescoring one run. If `value` is None, `why` has the reason."""

    run: int
    value: float | None = None
    before: float | None = None    # earlier value of this name: returned or rescored
    done: bool = False             # whether a change was stored, or would be
    why: str = ""
    failed: bool = False           # the metric failed on the predictions


def metric_of(project: Project, name: str) -> RegisteredMetric:
    """Look up a registered metric. Raises `NotFound`, naming the registered ones."""
    found = project.metrics.get(name)
    if found is None:
        known = sorted(project.metrics)
        listed = f"registered: {', '.join(known)}" if known else "none is registered"
        cure = did_you_mean(name, known) or (f"; {listed}, and `register.metric('{name}', function)` "
                                             "registers it")
        raise NotFound(f"project '{project.name}' has no metric '{name}'{cure}")
    return found


def rescored(store: Store, project: Project, records: Iterable[RunRecord], metric: RegisteredMetric, *,
             dry_run: bool = False, again: bool = False) -> Iterator[Scoring]:
    """Compute the metric of each run and store it.
    Runs already rescored by the same code are skipped, unless `again`.
    """
    code = function_fingerprint(project, metric.function)
    for record in records:
        known = info.rescored_of(record).get(metric.name)
        if known is not None and code and known.code == code and not again:
            yield Scoring(run=record.id, value=known.value, why="computed already")
            continue
        try:
            value = computed(metric, predictions_of(store, record))
        except NotComputed as error:
            yield Scoring(run=record.id, why=str(error), failed=True)
        except NotFound as error:
            yield Scoring(run=record.id, why=str(error))
        else:
            if not dry_run:
                _keep(store, record, metric, value, code)
            yield Scoring(run=record.id, value=value, before=_before(record, metric.name), done=True)


def undone(store: Store, records: Iterable[RunRecord], name: str, *,
           dry_run: bool = False) -> Iterator[Scoring]:
    """Remove the computed metric of a name; the returned values are unchanged."""
    for record in records:
        known = info.rescored_of(record).get(name)
        if known is None:
            yield Scoring(run=record.id, why=f"was not rescored by {name}")
            continue
        if not dry_run:
            Migrations.of(store).amend(record.id, name, None)
        yield Scoring(run=record.id, before=known.value, done=True)


def predictions_of(store: Store, record: RunRecord) -> dict[str, Any]:
    """Load the stored predictions of a run by name. Raises `NotFound` without any."""
    found = {name_of(artifact.name): artifact for artifact in store.artifacts(record.id)} if (
        record.attempts) else {}
    arrays: dict[str, Any] = {}
    for name, artifact in found.items():
        if name is not None:
            with store.open_artifact(artifact) as file:
                try:
                    arrays[name] = loaded(file.read())
                except ValueError as error:
                    raise NotComputed(f"{artifact.name} is not an array: {error}") from error
    if not arrays:
        raise NotFound("has no stored predictions; call run.log_predictions during a run")
    return arrays


def _keep(store: Store, record: RunRecord, metric: RegisteredMetric, value: float, code: str) -> None:
    attempt = record.attempt
    if attempt is None:                    # unreachable: without artifacts no metric is computed
        raise HyperspaceError(f"run {record.id} has not begun")
    entry = Rescored(name=metric.name, value=value, goal=metric.goal, attempt=attempt.number,
                     by=user_at_host(), at=datetime.now(UTC).isoformat(timespec="seconds"), code=code)
    Migrations.of(store).amend(record.id, metric.name, entry.tree())


def _before(record: RunRecord, name: str) -> float | None:
    known = info.rescored_of(record).get(name)
    if known is not None:
        return known.value
    if name == record.metric.name:
        return record.result
    returned = record.metrics.get(name)
    return returned if isinstance(returned, int | float) else None
