"""What a person does to a search, by its record: none of it needs the project's code."""

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
    """Its runs, oldest first; of these states, where some are named."""
    wanted = RunFilter(project=search.project, search=search.uid, states=states)
    return store.find(wanted, order=ORDER_OLDEST)


def cancel(store: Store, search: SearchRecord) -> list[int]:
    """End it, and with it all of its runs that wait or run; their ids. May be called again."""
    store.end_search(search.id, CANCELLED)
    return [run.id for run in list(runs_of(store, search, *UNENDED)) if _cancelled(store, run.id)]


def _cancelled(store: Store, run: int) -> bool:
    try:
        store.cancel(run)
    except (Refused, NotFound):            # it has just ended by itself
        return False
    return True


def pause(store: Store, search: SearchRecord) -> SearchRecord:
    """Nothing more is proposed until it is resumed; what is proposed goes on. Raises `Refused`."""
    return store.change_search(search.id, state=SearchState.PAUSED)


def resume(store: Store, search: SearchRecord, budget: Mapping[str, Any], *,
           priority: int | None = None) -> SearchRecord:
    """Go on, also after it has ended, with the budget that `widened` gives."""
    return store.change_search(search.id, state=SearchState.OPEN, budget=widened(store, search, budget),
                               priority=priority)


def widened(store: Store, search: SearchRecord, budget: Mapping[str, Any]) -> Budget:
    """Its budget with what is named changed. Raises `UsageError` for one that is used up already."""
    unknown = next((name for name in budget if name not in BUDGETS), None)
    if unknown is not None:
        raise UsageError(f"resume: there is no budget '{unknown}'; name one of {', '.join(BUDGETS)}")
    wanted, runs = replace(search.budget, **budget), list(runs_of(store, search))
    why = why_over(replace(search, budget=wanted), runs)
    if why is not None:
        raise UsageError(f"search {search.id} would end at once: {why}; {_cure(search, runs, wanted, why)}")
    return wanted


def _cure(search: SearchRecord, runs: Sequence[RunRecord], wanted: Budget, why: str) -> str:
    """What to name so that the search goes on."""
    used = next(name for name in BUDGETS
                if why_over(replace(search, budget=replace(wanted, **{name: None})), runs) != why)
    if used == "target":
        return "name a target that is farther"
    before = search.proposed + 100 if used == "runs" else 2 * getattr(wanted, used)
    return f"name a larger budget, as in {before:g} {'runs of patience' if used == 'patience' else used}"


def best_config(store: Store, search: SearchRecord) -> Tree:
    """The config of its best run. Raises `Refused` where no run has completed yet."""
    best = best_of(list(runs_of(store, search, State.COMPLETED)), search.metrics[0])
    if best is None or best.config is None:
        raise Refused(f"search {search.id} has no completed run yet")
    return best.config


def write_best(store: Store, search: SearchRecord, path: str | Path) -> Path:
    """`best_config` as a new JSON file; its path.

    Raises `Refused` where no run has completed yet, `UsageError` for a file that cannot be made.
    """
    text = json.dumps(best_config(store, search), indent=2, ensure_ascii=False) + "\n"
    try:
        with Path(path).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path}: there is such a file already; name another") from None
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no folder {Path(path).absolute().parent}; make it") from None
    return Path(path)
