"""`hyperspace rescore`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hyperspace_core.errors import ExitCode
from pytest_hyperspace.project import ProjectFolder
from support.commands import Typed

pytestmark = pytest.mark.usefixtures("guessing")

GUESSING = {
    "hyperspace.py": """
        from hyperspace_core import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from guessing import task
            register.scenario(task.task, metric="result")
            register.metric("hits", task.hits)
        """,
    "task.py": """
        from hyperspace_core import Run

        def task(run: Run, guesses: list[int]) -> float:
            run.log_predictions([1] * len(guesses), guesses)
            return 0.5

        def hits(y_true, y_pred):
            if y_pred[0] == 7:
                raise ValueError("seven")
            return int((y_true == y_pred).sum())
        """,
}


@pytest.fixture
def guessing(typed: Typed, hyperspace_project: Callable[..., ProjectFolder],
             monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A project whose one task stores its guesses; the true values are all 1."""
    monkeypatch.setenv("HYPERSPACE_PROJECT", "guessing")
    return hyperspace_project(GUESSING, name="guessing")


def predicted(typed: Typed, *guesses: int) -> int:
    """A completed run with predictions."""
    done = typed("run", "task", "--set", f"guesses={list(guesses)}", "--json").json
    assert (done["state"], done["result"]) == ("COMPLETED", 0.5)
    return int(done["id"])


def test_rescore_computes_and_undoes_a_metric(typed: Typed) -> None:
    first, second = predicted(typed, 1, 1, 2), predicted(typed, 1, 2, 2)
    typed("submit", "task", "--set", "guesses=[1]")

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


def test_a_failure_on_one_run_does_not_stop_the_others(typed: Typed) -> None:
    bad, good = predicted(typed, 7), predicted(typed, 1)

    answer = typed("rescore", "task", "--metric", "hits", expect=ExitCode.FAILED)

    assert answer.err == f"error: run {bad}: hits raised ValueError: seven\n"
    assert answer.columns[1:] == [[str(good), "1"], ["computed for 1 run"]]


def test_a_metric_that_is_not_registered_is_named(typed: Typed) -> None:
    predicted(typed, 1)

    answer = typed("rescore", "task", "--metric", "f1", expect=ExitCode.NOT_FOUND)

    assert "registered: hits, and `register.metric('f1', function)` registers it" in answer.err


def test_without_any_metric_the_message_says_how_to_register_one(
        typed: Typed, guessing: ProjectFolder) -> None:
    text = (guessing.package / "hyperspace.py").read_text()
    guessing.write("hyperspace.py", text.replace('register.metric("hits", task.hits)', "pass"))
    predicted(typed, 1)

    answer = typed("rescore", "task", "--metric", "f1", expect=ExitCode.NOT_FOUND)

    assert "none is registered, and `register.metric('f1', function)` registers it" in answer.err
