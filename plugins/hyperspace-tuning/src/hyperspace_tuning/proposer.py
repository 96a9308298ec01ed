"""Propose the next run from search record, stored runs and current code."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING

from hyperspace_core.plugin import Problem, SubmitOptions, build_component, completion, plan, trees
from hyperspace_core.records import NewRun, RunRecord, SearchRecord
from hyperspace_tuning.history import PastRuns, SeenRuns, check_searched
from hyperspace_tuning.space import partial_config
from hyperspace_tuning.tuner import Proposal, Tuner, next_proposal

if TYPE_CHECKING:
    from hyperspace_core.plugin import Project
    from hyperspace_tuning.space import Space
    from hyperspace_tuning.tuner import History


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A run to queue as the search's next proposal, and its origin."""

    run: NewRun
    redrawn: int = 0
    repeat: bool = False


class Proposer:
    """Proposes for one search. Its cache never changes an answer."""

    def __init__(self, project: Project, search: SearchRecord) -> None:
        self._project = project
        self.past = PastRuns(project, search)
        check_searched(self.past.space, search.task)   # ranges may have been removed since it was queued
        self._tuner: Tuner = build_component(Tuner, search.tuner, project.registry, path="tuner")

    def propose(self, search: SearchRecord, records: Iterable[RunRecord], *,
                whole: bool = False) -> Suggestion | None:
        """The next run of `search`, or None at the end; `records`: see `PastRuns.update`.

        Raises `ConfigError` for a proposal that does not fit.
        """
        self.past.update(records, whole=whole)
        seen = self.past.seen()
        rng = Random(f"{search.seed}/{search.proposed}")
        proposal = next_proposal(self._tuner, self.past.space, seen.history, rng)
        return None if proposal is None else self._suggestion(search, proposal, seen)

    def _suggestion(self, search: SearchRecord, proposal: Proposal, seen: SeenRuns) -> Suggestion:
        space = self.past.space
        tree = partial_config(space.entries, space.complete(proposal.assignment))
        # a repeat is useful only with another seed; the first of equal runs has the search's own seed
        seed = (search.seed + _equals(proposal, seen)) % completion.LIMIT
        problem = Problem(task=search.task, scenario=self.past.scenario, metric=search.metrics[0], seed=None)
        wishes = SubmitOptions(seed=seed, priority=search.priority, tags=search.tags, note=search.note,
                        retries=search.retries)
        run = replace(plan(self._project, problem, tree, wishes)[0], uid=search.run_uid(search.proposed),
                      search=search.uid, submitted_by=search.submitted_by)
        return Suggestion(run=run, redrawn=proposal.redrawn, repeat=proposal.duplicate_of is not None)


def _equals(proposal: Proposal, seen: SeenRuns) -> int:
    """The number of runs that are equal to it."""
    if proposal.duplicate_of is None:
        return 0
    return sum(trial.weight >= 1 and trial.assignment == proposal.assignment for trial in seen.history.trials)


def importance_of(project: Project, space: Space, history: History) -> dict[str, float]:
    """`classifier`, `classifier[Forest].trees` → its share, the highest first.

    Empty where no tuner can compute it. The preferred one of the installed tuners does, not the search's own.
    """
    entries = sorted(project.registry.entries(Tuner),
                     key=lambda entry: (-entry.target.preference, entry.name))
    for entry in entries:
        if entry.target.importance is not Tuner.importance:
            tuner: Tuner = build_component(Tuner, {"className": entry.name}, project.registry, path="tuner")
            found = tuner.importance(space, history)
            ranked = sorted(found.items(), key=lambda one: (-one[1], one[0]))
            return {key.removesuffix(f".{trees.CLASS_NAME}"): share for key, share in ranked}
    return {}
