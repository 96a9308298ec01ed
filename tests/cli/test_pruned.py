"""Tests of the output for pruned runs."""

from __future__ import annotations

from collections.abc import Callable

from hyperspace_core.cli.worker_view import ended_line
from hyperspace_core.records.run import Finish, Metric
from hyperspace_core.records.states import PRUNED, Outcome, State
from hyperspace_core.worker.events import RunEnded
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer

Typed = Callable[..., Answer]
STOPPED = Finish(outcome=Outcome.COMPLETED, reason=PRUNED, result=0.9, metrics={"result": 0.9})


def test_a_worker_says_that_a_run_was_pruned() -> None:
    def shown(reason: str | None) -> str:
        event = RunEnded(run=3, attempt=1, task="t", slot=0, state=State.COMPLETED, reason=reason, result=0.5,
                         outcome=Outcome.COMPLETED, metric=Metric(name="accuracy"), seconds=2.0)
        return str(ended_line(event)[-1])

    assert (shown(PRUNED), shown(None)) == ("accuracy 0.5, pruned", "accuracy 0.5")


def test_status_and_results_mark_a_pruned_run(typed: Typed, project: ProjectFolder, harness: Harness) -> None:
    assert harness.store.finish(harness.start(), STOPPED)

    assert ["task", "result", "0.9", "run 1", PRUNED] in typed("status").columns
    assert ["1", PRUNED, "0.9"] in [row[:3] for row in typed("results").columns]
    assert [one["id"] for one in typed("runs", "list", "--where", "reason=pruned", "--json").json] == [1]
