"""Metrics computed from the stored predictions of old runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core import Study
from hyperspace_core.errors import NotFound
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.info import rescored_of
from hyperspace_core.records.run import RunRecord
from hyperspace_core.results.table import tabulate
from hyperspace_reproduce.rescore import Scoring, metric_of, predictions_of, rescored, undone
from pytest_hyperspace.project import ProjectFolder, forget

METRICS = """
    def misses(y_true, y_pred):
        return float((y_true != y_pred).sum())

    def broken(y_true, y_pred):
        raise ValueError("no idea")

    def needy(y_true, chances):
        return 0.0
    """
FILES = {
    "hyperspace.py": """
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from guess import guess, metrics
            register.scenario(guess.train, metric="accuracy")
            for function in (metrics.misses, metrics.broken, metrics.needy):
                register.metric(function.__name__, function, goal="minimize")
            register.metric("accuracy", metrics.misses)
        """,
    "guess.py": """
        import numpy
        from hyperspace_core.run import Run

        def train(run: Run, right: int = 3, keep: bool = True) -> dict[str, float]:
            truth = numpy.arange(4)
            guessed = numpy.where(truth < right, truth, 9)
            if keep:
                run.log_predictions(truth, guessed)
            run.info["note"] = "kept"
            return {"accuracy": right / 4}
        """,
    "metrics.py": METRICS,
}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="guess")


def runs(study: Study) -> list[RunRecord]:
    return list(study.store.find(RunFilter(project="guess"), order="oldest"))


def scored(study: Study, name: str, **options: bool) -> list[Scoring]:
    return list(rescored(study.store, study.project, runs(study), metric_of(study.project, name), **options))


def test_a_new_metric_is_computed_from_predictions(study: Study) -> None:
    before = study.run("train", {"right": 3}, echo=False)

    (done,) = scored(study, "misses")

    after = study.get(before.id)
    assert done == Scoring(run=before.id, value=1.0, done=True)
    assert rescored_of(after)["misses"].value == 1.0
    assert (after.result, after.metrics, after.info["note"]) == (0.75, {"accuracy": 0.75}, "kept")
    assert len(after.attempts) == 1


def test_a_rescored_metric_keeps_the_returned_one(study: Study) -> None:
    study.run("train", echo=False)

    (done,) = scored(study, "accuracy")

    table = tabulate(runs(study))
    assert (done.before, done.value) == (0.75, 1.0)
    assert dict(zip(table.names, table.rows[0], strict=True)) | {"seconds": 0} == {
        "run": 1, "accuracy": 0.75, "rescored.accuracy": 1.0, "seconds": 0}


def test_a_metric_is_recomputed_only_after_its_code_changes(study: Study, project: ProjectFolder) -> None:
    study.run("train", echo=False)
    scored(study, "misses")

    assert [one.why for one in scored(study, "misses")] == ["computed already"]
    assert [one.done for one in scored(study, "misses", again=True)] == [True]

    project.write("metrics.py", METRICS.replace("return float(", "return 10.0 * float("))
    forget("guess")
    with Study("guess", study.store.url) as mended:
        assert [(one.before, one.value) for one in scored(mended, "misses")] == [(1.0, 10.0)]


def test_undoing_a_rescoring_restores_the_run(study: Study) -> None:
    study.run("train", echo=False)
    before = runs(study)
    scored(study, "misses")

    assert [one.done for one in undone(study.store, runs(study), "misses", dry_run=True)] == [True]
    assert runs(study) != before
    assert [one.before for one in undone(study.store, runs(study), "misses")] == [1.0]
    assert runs(study) == before
    assert [one.why for one in undone(study.store, runs(study), "misses")] == ["was not rescored by misses"]


def test_a_dry_run_stores_nothing(study: Study) -> None:
    study.run("train", echo=False)
    before = runs(study)

    assert [one.value for one in scored(study, "misses", dry_run=True)] == [1.0]
    assert runs(study) == before


def test_failures_are_reported_for_each_run(study: Study) -> None:
    study.run("train", {"keep": False}, echo=False)
    study.run("train", echo=False)

    assert [one.why for one in scored(study, "misses")] == [
        "has no stored predictions; call run.log_predictions during a run", ""]
    assert [(one.why, one.failed) for one in scored(study, "broken")][1] == (
        "broken raised ValueError: no idea", True)
    assert scored(study, "needy")[1].why.startswith(
        "needy needs `chances`, and the run has stored y_pred, y_true")


def test_a_new_attempt_discards_the_rescored_value(study: Study) -> None:
    number = study.run("train", echo=False).id
    scored(study, "misses")
    study.queue.requeue(number)

    from hyperspace_core.execution.identity import this_process
    from hyperspace_core.records.run import Finish
    from hyperspace_core.records.states import Outcome

    claim = study.store.claim("guess", this_process("w"), "0" * 32)
    assert claim is not None
    study.store.finish(claim.lease, Finish(outcome=Outcome.COMPLETED, result=1.0, metrics={"accuracy": 1.0}))

    assert rescored_of(study.get(number)) == {}


def test_a_misspelt_metric_suggests_the_right_one(study: Study) -> None:
    with pytest.raises(NotFound, match=r"'mises'; did you mean 'misses'\?$"):
        metric_of(study.project, "mises")


def test_predictions_round_trip(study: Study) -> None:
    record = study.run("train", echo=False)

    kept = predictions_of(study.store, record)

    assert {name: array.tolist() for name, array in kept.items()} == {
        "y_true": [0, 1, 2, 3], "y_pred": [0, 1, 2, 9]}
