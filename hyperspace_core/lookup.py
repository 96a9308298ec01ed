"""Resolve ids, attempt numbers and filter texts given by a user."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from hyperspace_core.config.tree import HIGHEST, flatten, is_whole_number, join, shown, unwrapped
from hyperspace_core.errors import HyperspaceError, NotFound, UsageError, nearest
from hyperspace_core.records.filter import FIELDS, ORDER_NEWEST, Condition, RunFilter, parse_condition
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.storage import Searches, Store

if TYPE_CHECKING:
    from hyperspace_core.config.signature import Signature
    from hyperspace_core.extension.project import Project

R = TypeVar("R")


def get_run(store: Store, project: str, run: int) -> RunRecord:
    """A run. Raises `NotFound` (with the known ids) or `UsageError` (not an id)."""
    record = _read(store.get, "run", run)
    if record is not None and record.project == project:
        return record
    known = store.ids(project)
    raise _not_there("run", run, project, f"{known[0]} to {known[1]}" if known else "")


def get_search(store: Store, project: str, search: int) -> SearchRecord:
    """A search. Raises `NotFound` (with the known ids), `UsageError` (not an id) or `StoreError`."""
    kept = Searches.of(store)
    record = _read(kept.get_search, "search", search)
    if record is not None and record.project == project:
        return record
    known = [str(one.id) for one in kept.searches(project)]
    raise _not_there("search", search, project, f"{', '.join(known[:10])}{', …' if len(known) > 10 else ''}")


def _read(read: Callable[[int], R], what: str, given: object) -> R | None:
    """The record with this id, or None. Raises `UsageError` (not an id)."""
    number = unwrapped(given)              # the index of a data frame holds numpy integers
    if not is_whole_number(number):
        raise UsageError(f"not a {what} id: expected a whole number, got {shown(number)}")
    if 0 < number <= HIGHEST:
        with contextlib.suppress(NotFound):
            return read(number)
    return None


def _not_there(what: str, given: object, project: str, known: str) -> NotFound:
    has = f"has {known}" if known else "has none yet"
    number = shown(unwrapped(given)).partition(" ")[2]
    return NotFound(f"no {what} {number} in this store (project '{project}' {has})")


def pick_attempt(record: RunRecord, number: int | None) -> int | None:
    """This attempt number, or the last; None without attempts. Raises `NotFound`."""
    there = [attempt.number for attempt in record.attempts]
    if number is None:
        return there[-1] if there else None
    if number not in there:
        has = f"it has {', '.join(map(str, there))}" if there else f"it is {record.state} and has not started"
        raise NotFound(f"run {record.id} has no attempt {number}; {has}")
    return number


def conditions(where: str | Iterable[str | Condition]) -> tuple[Condition, ...]:
    """Parse texts of the filter grammar; conditions pass unchanged."""
    items = [where] if isinstance(where, str) else where
    return tuple(item if isinstance(item, Condition) else parse_condition(item) for item in items)


# -- Conditions on a path that no run and no signature has: a misspelt name, which would match nothing --

SAMPLE = 200                   # newest runs whose names are offered
MOST_PATHS = 2_000             # of the signatures of a project
DEEPEST = 5                    # components in components whose parameters are listed


def checked_paths(store: Store, where: RunFilter, project: Callable[[], Project | None]) -> RunFilter:
    """Return the filter. Raises `UsageError` for a path that no run has and that is no parameter.

    Reads one run for each path that a run has; `project`, which may raise, is called only for another path.
    """
    everything = RunFilter(project=where.project)
    doubtful = [one for one in where.where if one.path not in FIELDS and not one.path.startswith("attempt.")
                and not _has_runs(store, replace(everything, where=(Condition(one.path, "~", ""),)))]
    known = list(_paths_of(project)) if doubtful else []
    doubtful = [one for one in doubtful if one.path.removeprefix("config.") not in known]
    if not doubtful or (not known and not _has_runs(store, everything)):
        return where
    names = [*known, *_names_in(store, everything)]
    text = "; ".join(_unknown(one.path, names) for one in doubtful)
    raise UsageError(f"--where: {text}")


def _has_runs(store: Store, where: RunFilter) -> bool:
    return next(iter(store.find(where, limit=1)), None) is not None


def _unknown(path: str, names: list[str]) -> str:
    whole = next((name for name in names if name.endswith(f".{path}")), None)
    near = whole or nearest(path, names)
    cure = f"did you mean {near!r}?" if near else "`hyperspace runs show RUN` has the names of a run"
    return f"no run and no parameter has {path!r}; {cure}"


def _names_in(store: Store, where: RunFilter) -> Iterator[str]:
    """The names that the newest runs have, as the grammar writes them."""
    found: dict[str, None] = {}
    for record in store.find(where, order=ORDER_NEWEST, limit=SAMPLE):
        config = flatten(record.effective_config)
        found |= dict.fromkeys(path.removesuffix(".className") for path in config)
        found |= dict.fromkeys(f"metrics.{name}" for name in record.metrics)
        found |= dict.fromkeys(f"info.{name}" for name in record.info)
        found |= dict.fromkeys(f"scenario.{path}" for path in flatten(record.scenario or {}))
    yield from found
    yield from sorted(FIELDS)


def _paths_of(project: Callable[[], Project | None]) -> Iterator[str]:
    """The parameters of all tasks of a project, also of components that a task may choose."""
    try:
        opened = project()
        if opened is None:
            return
        for task in opened.tasks.values():
            yield from islice(_parameters(opened, opened.scenario_signature(task), "", 0), MOST_PATHS)
    except HyperspaceError:
        return


def _parameters(project: Project, signature: Signature, above: str, depth: int) -> Iterator[str]:
    from hyperspace_core.config import types
    from hyperspace_core.config.signature import signature_of

    for parameter in signature.parameters:
        path = join(above, parameter.name)
        yield path
        for kind in types.kinds_within(parameter.kind) if depth < DEEPEST else ():
            targets = [kind.target] if isinstance(kind, types.Nested) else [
                entry.target for entry in project.registry.entries(kind.family)] if isinstance(
                    kind, types.FamilyKind) else []
            for target in targets:
                yield from _parameters(project, signature_of(target), path, depth + 1)
