"""Commands on a search's record; none of them needs the project's code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import NotFound, Refused, UsageError
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import Budget, SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.searches.budget import best_of, why_over
from hyperspace_core.storage import Store

CANCELLED = "cancelled"
BUDGETS = ("runs", "hours", "target", "patience", "failures")
UNENDED = (State.QUEUED, State.PAUSED, State.RUNNING)


def runs_of(store: Store, search: SearchRecord, *states: State) -> Iterator[RunRecord]:
    """The search's runs, oldest first; with `states` only those in one of them."""
    wanted = RunFilter(project=search.project, search=search.uid, states=states)
    return store.find(wanted, order=ORDER_OLDEST)


def cancel(store: Store, search: SearchRecord) -> list[int]:
    """End the search and its unfinished runs; return their ids. Idempotent."""
    store.end_search(search.id, CANCELLED)
    return [run.id for run in list(runs_of(store, search, *UNENDED)) if _cancelled(store, run.id)]


def _cancelled(store: Store, run: int) -> bool:
    try:
        store.cancel(run)
    except (Refused, NotFound):            # it has ended in the meantime
        return False
    return True


def pause(store: Store, search: SearchRecord) -> SearchRecord:
    """Propose nothing until `resume`; proposed runs continue. Raises `Refused`."""
    return store.change_search(search.id, state=SearchState.PAUSED)


def resume(store: Store, search: SearchRecord, budget: Mapping[str, Any], *,
           priority: int | None = None) -> SearchRecord:
    """Continue, also after its end, with the budget that `widened` gives."""
    return store.change_search(search.id, state=SearchState.OPEN, budget=widened(store, search, budget),
                               priority=priority)


def widened(store: Store, search: SearchRecord, budget: Mapping[str, Any]) -> Budget:
    """Its budget with the given changes. Raises `UsageError` if it is used up."""
    unknown = next((name for name in budget if name not in BUDGETS), None)
    if unknown is not None:
        raise UsageError(f"resume: there is no budget '{unknown}'; name one of {', '.join(BUDGETS)}")
    wanted, runs = replace(search.budget, **budget), list(runs_of(store, search))
    why = why_over(replace(search, budget=wanted), runs)
    if why is not None:
        raise UsageError(f"search {search.id} would end at once: {why}; {_cure(search, runs, wanted, why)}")
    return wanted


def _cure(search: SearchRecord, runs: Sequence[RunRecord], wanted: Budget, why: str) -> str:
    """The change that lets the search continue, for a message."""
    used = next(name for name in BUDGETS
                if why_over(replace(search, budget=replace(wanted, **{name: None})), runs) != why)
    if used == "target":
        return "name a target that is not reached yet"
    before = search.proposed + 100 if used == "runs" else 2 * getattr(wanted, used)
    return f"name a larger budget, as in {before:g} {'runs of patience' if used == 'patience' else used}"


def best_config(store: Store, search: SearchRecord) -> Tree:
    """The config of its best run. Raises `Refused` while no run has completed."""
    best = best_of(list(runs_of(store, search, State.COMPLETED)), search.metrics[0])
    if best is None or best.config is None:
        raise Refused(f"search {search.id} has no completed run yet")
    return best.config


def write_best(store: Store, search: SearchRecord, path: str | Path) -> Path:
    """Write `best_config` to a new JSON file; return its path.

    Raises `Refused` while no run has completed, `UsageError` for a file that cannot be created.
    """
    text = json.dumps(best_config(store, search), indent=2, ensure_ascii=False) + "\n"
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: the file exists already; name another one") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: no folder {Path(path).absolute().parent}; create it first") from None
    return Path(path)
