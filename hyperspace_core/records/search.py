"""A search as it is stored: runs of one task that a tuner proposes, within a space and a budget.

Its runs name it by its `uid`. What was proposed, the search counts itself: proposal number n is run
`uid` + "-" + n, so that a proposal that is repeated after a lost answer is the same run.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from hyperspace_core.config.tree import Tree, unwrapped
from hyperspace_core.errors import UsageError
from hyperspace_core.records.run import Metric, NewRun

_LARGEST = sys.float_info.max


class SearchState(StrEnum):
    """OPEN ⇄ PAUSED, and either → ENDED; a larger budget opens an ended one again."""

    OPEN = "OPEN"              # workers ask it what to run next
    PAUSED = "PAUSED"          # nothing is proposed; what was proposed goes on
    ENDED = "ENDED"            # likewise, and `reason` says why


@dataclass(frozen=True, kw_only=True)
class Budget:
    """When a search ends, whatever comes first; None: this does not end it."""

    runs: int | None = None            # so many proposals
    hours: float | None = None         # so many hours of computing, summed over its runs on all machines
    target: float | None = None        # the first metric is as good as this
    patience: int | None = None        # so many of its runs in a row that were no improvement
    failures: int | None = 10          # so many of its runs in a row that failed

    def __post_init__(self) -> None:
        for name in ("runs", "patience", "failures"):
            count = self._plain(name)
            if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
                raise UsageError(f"{name}: expected a whole number >= 1, got {count!r}")
        for name in ("hours", "target"):
            number = self._plain(name)
            if number is not None and (isinstance(number, bool) or not isinstance(number, int | float)
                                       or not -_LARGEST <= number <= _LARGEST):
                raise UsageError(f"{name}: expected a number, got {number!r}")
        if self.hours is not None and self.hours <= 0:
            raise UsageError(f"hours: expected more than 0, got {self.hours:g}")

    def _plain(self, name: str) -> Any:
        """The value as Python's own, also where it was given as numpy's."""
        object.__setattr__(self, name, unwrapped(getattr(self, name)))
        return getattr(self, name)

    def __str__(self) -> str:
        told = (None if self.runs is None else f"{self.runs} run{'' if self.runs == 1 else 's'}",
                None if self.hours is None else f"{self.hours:g} hours of computing",
                None if self.target is None else f"{self.target:g} reached",
                None if self.patience is None else f"no improvement in {self.patience} runs")
        return ", or ".join(filter(None, told)) or "no limit"


@dataclass(frozen=True, kw_only=True)
class NewSearch:
    """What a submitter hands to the store; a repeat with the same `uid` changes nothing."""

    uid: str
    project: str
    task: str
    scenario: Tree                     # completed, as its task had it then
    tuner: Tree                        # completed: className and its parameters
    metrics: tuple[Metric, ...] = (Metric(),)      # the task's own first
    space: Tree = field(default_factory=dict)      # what `space=` said, as JSON
    budget: Budget = Budget()
    pruner: Tree | None = None
    sources: tuple[str, ...] = ()      # other tasks whose runs tell something, too
    seed: int = 0                      # of the proposals, and of the runs
    priority: int = 0
    tags: tuple[str, ...] = ()         # of its runs
    note: str = ""
    retries: int = 0                   # how often a run whose code fails is tried again
    submitted_by: str = ""             # user@host

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose runs it learns from."""
        return (self.task, *self.sources)


@dataclass(frozen=True, kw_only=True, repr=False)
class SearchRecord(NewSearch):
    """A stored search."""

    id: int                            # small, per store: people type it
    state: SearchState = SearchState.OPEN
    reason: str | None = None          # why it ended
    proposed: int = 0                  # so many runs were proposed; the next one has this number
    redrawn: int = 0                   # how often something that was there already was proposed, and replaced
    repeats: int = 0                   # proposals that are repeats of a run all the same
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
    """What never changes of a search, and no store looks into, as one tree."""
    told = {name: getattr(search, name) for name in PLAN}
    return told | {"metrics": [asdict(metric) for metric in search.metrics], "tags": list(search.tags),
                   "sources": list(search.sources)}


def plan_fields(tree: Tree) -> dict[str, Any]:
    """The fields that `plan_tree` was made of; what an older writer did not know has its default."""
    told = {name: value for name, value in tree.items() if name in PLAN}
    told["metrics"] = tuple(Metric(**metric) for metric in told["metrics"])
    return told | {name: tuple(told.get(name, ())) for name in ("sources", "tags")}


def budget_tree(budget: Budget) -> Tree:
    return asdict(budget)


def budget_of(tree: Tree) -> Budget:
    return Budget(**tree)


def resting(state: SearchState) -> SearchState:
    """The state of a copy: no search is open in two stores."""
    return SearchState.PAUSED if state is SearchState.OPEN else state


def check_proposal(search: SearchRecord, number: int, run: NewRun) -> None:
    """Raises `UsageError` for a run that is not the search's proposal of that number."""
    if run.search != search.uid or run.uid != search.run_uid(number) or run.project != search.project:
        raise UsageError(f"propose: the run is not proposal {number} of search {search.id}: its uid must be "
                         f"'{search.run_uid(number)}' and its search '{search.uid}'")
