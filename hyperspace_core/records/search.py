"""Stored searches: runs of one task that a tuner proposes within a budget.

Runs refer to their search by its `uid`. The search counts its proposals: proposal number n is run
`uid` + "-" + n, so a proposal that is repeated after a lost answer is the same run.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hyperspace_core.config.tree import Tree, is_number, is_whole_number, unwrapped
from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Metric, NewRun

CANCELLED = "cancelled"        # the reason of a search that a user has ended
_LARGEST = sys.float_info.max


class SearchState(StrEnum):
    """OPEN ⇄ PAUSED, and either → ENDED; a larger budget reopens an ended search."""

    OPEN = "OPEN"              # workers ask its tuner for new runs
    PAUSED = "PAUSED"          # no new proposals; proposed runs continue
    ENDED = "ENDED"            # like PAUSED; `reason` says why


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Limits of a search; it ends when the first one is reached. None: no such limit."""

    runs: int | None = None            # number of proposals
    hours: float | None = None         # hours of computing, summed over its runs on all machines
    target: float | None = None        # the first metric is at least this good
    patience: int | None = None        # number of runs in a row without an improvement
    failures: int | None = 10          # number of runs in a row that failed

    def __post_init__(self) -> None:
        for name in ("runs", "patience", "failures"):
            count = self._plain(name)
            if count is not None and not (is_whole_number(count) and count >= 1):
                raise UsageError(f"{name}: expected a whole number >= 1, got {count!r}")
        for name in ("hours", "target"):
            number = self._plain(name)
            if number is not None and not (is_number(number) and -_LARGEST <= number <= _LARGEST):
                raise UsageError(f"{name}: expected a number, got {number!r}")
        if self.hours is not None and self.hours <= 0:
            raise UsageError(f"hours: expected more than 0, got {self.hours:g}")

    def _plain(self, name: str) -> Any:
        """Convert a numpy value to Python's own type, and return it."""
        object.__setattr__(self, name, unwrapped(getattr(self, name)))
        return getattr(self, name)

    def __str__(self) -> str:
        limits = (None if self.runs is None else f"{self.runs} run{'' if self.runs == 1 else 's'}",
                None if self.hours is None else f"{self.hours:g} hours of computing",
                None if self.target is None else f"{self.target:g} reached",
                None if self.patience is None else f"no improvement in {self.patience} runs")
        return ", or ".join(filter(None, limits)) or "no limit"


@dataclass(frozen=True, kw_only=True)
class NewSearch:
    """A search to submit; submitting the same `uid` again changes nothing."""

    uid: str
    project: str
    task: str
    scenario: Tree                     # completed scenario of the task at submission
    tuner: Tree                        # completed: className and its parameters
    metrics: tuple[Metric, ...] = (Metric(),)      # the task's own first
    space: Tree = field(default_factory=dict)      # the argument `space=`, as JSON
    budget: Budget = Budget()
    pruner: Tree | None = None
    sources: tuple[str, ...] = ()      # other tasks whose runs the tuner may learn from
    seed: int = 0                      # of the proposals, and of the runs
    priority: int = 0
    tags: tuple[str, ...] = ()         # of its runs
    note: str = ""
    retries: int = 0                   # how often a run whose code fails is retried
    submitted_by: str = ""             # user@host

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose runs the tuner learns from."""
        return (self.task, *self.sources)


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchRecord(NewSearch):
    """A stored search."""

    id: int                            # small, unique in its store
    state: SearchState = SearchState.OPEN
    reason: str | None = None          # why it ended
    proposed: int = 0                  # number of proposed runs; the next one has this number
    redrawn: int = 0                   # number of proposals that repeated a run and were replaced
    repeats: int = 0                   # number of proposals that repeat a run and were kept
    submitted_at: datetime | None = None
    ended_at: datetime | None = None

    def run_uid(self, number: int) -> str:
        """The `uid` of proposal `number`, counted from 0."""
        return f"{self.uid}-{number}"

    def __repr__(self) -> str:
        reason = f", {self.reason}" if self.reason else ""
        return f"<search {self.id} of {self.task}: {self.state}{reason}, {self.proposed} proposed>"


PLAN = ("scenario", "tuner", "metrics", "space", "pruner", "sources", "seed", "tags", "note", "retries",
        "submitted_by")


def plan_tree(search: NewSearch) -> Tree:
    """The fields of a search that never change, as one tree."""
    plan = {name: getattr(search, name) for name in PLAN}
    return plan | {"metrics": [asdict(metric) for metric in search.metrics], "tags": list(search.tags),
                   "sources": list(search.sources)}


def plan_fields(tree: Tree) -> dict[str, Any]:
    """The fields from a `plan_tree`; those missing in older ones get defaults."""
    plan = {name: value for name, value in tree.items() if name in PLAN}
    plan["metrics"] = tuple(Metric(**metric) for metric in plan["metrics"])
    return plan | {name: tuple(plan.get(name, ())) for name in ("sources", "tags")}


def budget_tree(budget: Budget) -> Tree:
    return asdict(budget)


def budget_of(tree: Tree) -> Budget:
    return Budget(**tree)


def resting(state: SearchState) -> SearchState:
    """The state of a search in a copy of its store: no search is open in two stores."""
    return SearchState.PAUSED if state is SearchState.OPEN else state


def check_proposal(search: SearchRecord, number: int, run: NewRun) -> None:
    """Check that a run is proposal `number` of a search. Raises `UsageError`."""
    if run.search != search.uid or run.uid != search.run_uid(number) or run.project != search.project:
        raise UsageError(f"propose: the run is not proposal {number} of search {search.id}: its uid must be "
                         f"'{search.run_uid(number)}' and its search '{search.uid}'")
