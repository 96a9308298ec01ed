"""`hyperspace rescore`."""

from __future__ import annotations

from collections.abc import Callable

from hyperspace_core.errors import ExitCode
from hyperspace_core.records.logged import prediction_files
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness

from .conftest import Answer

Typed = Callable[..., Answer]


def predicted(harness: Harness, folder: ProjectFolder, *guesses: int) -> int:
    """A completed run with predictions; every true value is 1."""
    lease = harness.start()
    for label, content in prediction_files({"y_true": [1] * len(guesses), "y_pred": guesses}).items():
        file = folder.root / "content"
        file.write_bytes(content)
        harness.store.put_artifact(lease.run, 1, label, file)
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5}))
    return lease.run


def with_metric(project: ProjectFolder) -> None:
    entry = project.package / "hyperspace.py"
    project.write("judging.py", """
        def hits(y_true, y_pred):
            if y_pred[0] == 7:
                raise ValueError("seven")
            return int((y_true == y_pred).sum())
        """)
    entry.write_text(entry.read_text() + f"""
    from {project.package.name} import judging
    register.metric("hits", judging.hits)
""")


def test_rescore_computes_and_undoes_a_metric(typed: Typed, harness: Harness, project: ProjectFolder) -> None:
    with_metric(project)
    first, second = predicted(harness, project, 1, 1, 2), predicted(harness, project, 1, 2, 2)
    harness.start(task="task")

    dry = typed("rescore", "task", "--metric", "hits", "--dry-run")
    assert dry.lines[-1] == "would be computed for 2 runs"
    assert typed("rescore", "task", "--metric", "hits").columns == [
        ["run", "hits", "before"], [str(first), "2"], [str(second), "1"], ["computed for 2 runs"]]
    assert "rescored.hits" in typed("results", "task").columns[0]
    assert typed("runs", "list", "--where", "info.rescored.hits.value>=2", "--json").json[0]["id"] == first
    again = typed("rescore", "task", "--metric", "hits")
    assert (again.out, again.err) == ("computed for 0 runs\n", "2 runs: computed already\n")
    assert typed("rescore", "task", "--metric", "hits", "--undo").out == "removed from 2 runs\n"
    assert "rescored.hits" not in typed("results", "task").out


def test_a_failure_on_one_run_does_not_stop_the_others(typed: Typed, harness: Harness,
                                                       project: ProjectFolder) -> None:
    with_metric(project)
    bad, good = predicted(harness, project, 7), predicted(harness, project, 1)

    answer = typed("rescore", "task", "--metric", "hits", expect=ExitCode.FAILED)

    assert answer.err == f"error: run {bad}: hits raised ValueError: seven\n"
    assert answer.columns[1:] == [[str(good), "1"], ["computed for 1 run"]]


def test_a_metric_that_is_not_registered_says_how(typed: Typed, harness: Harness,
                                                  project: ProjectFolder) -> None:
    predicted(harness, project, 1)

    answer = typed("rescore", "task", "--metric", "f1", expect=ExitCode.NOT_FOUND)

    assert "none is registered, and `register.metric('f1', function)` registers it" in answer.err
