"""Tests of `hyperspace plot`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core.errors import ExitCode
from hyperspace_core.records.logged import Point
from hyperspace_core.testing.project import ProjectFolder
from hyperspace_core.testing.stores.desk import COMPLETED, Desk

from .conftest import Answer

Typed = Callable[..., Answer]

pytest.importorskip("plotly", reason="pictures need plotly")


def two_runs(desk: Desk) -> None:
    for rate in (0.1, 0.2):
        lease = desk.start(config={"rate": rate}, scenario={"className": "S"})
        desk.store.append(lease.run, 1, points=[Point(seq=0, name="loss", step=0, value=rate, at=0.0)])
        desk.store.finish(lease, COMPLETED)


@pytest.mark.parametrize("words", [("curves", "--metric", "loss"), ("parallel",), ("timeline",),
                                   ("parameter", "--parameter", "rate")])
def test_each_kind_becomes_a_page(typed: Typed, desk: Desk, tmp_path: Path, words: tuple[str, ...]) -> None:
    two_runs(desk)
    file = tmp_path / "p.html"

    answer = typed("plot", *words, "task", "-o", file)

    assert (answer.code, answer.out) == (0, f"{file}\n")
    assert "plotly" in file.read_text(encoding="utf-8")


def test_json_is_the_figure_itself(typed: Typed, desk: Desk) -> None:
    two_runs(desk)

    figure = typed("plot", "curves", "task", "--where", "rate=0.2", "--json").json

    assert [line["y"] for line in figure["data"]] == [[0.2]]


def test_an_unknown_task_is_refused(typed: Typed, desk: Desk, project: ProjectFolder) -> None:
    two_runs(desk)

    answer = typed("plot", "parallel", "behve", "--json", expect=ExitCode.NOT_FOUND)

    assert "no task 'behve'" in answer.err and "did you mean 'behave'" in answer.err


@pytest.mark.parametrize(("words", "code", "cure"), [
    ((), ExitCode.USAGE, "give one of curves, parallel, parameter, timeline"),
    (("curves", "task"), ExitCode.USAGE, "give a file with -o"),
    (("parameter", "task", "--json"), ExitCode.USAGE, "--parameter trees"),
    (("parallel", "task", "--metric", "loss", "--json"), ExitCode.USAGE, "to `hyperspace plot curves`"),
    (("curves", "task", "-o", "p.doc"), ExitCode.USAGE, "ends in .html, .png"),
    (("curves", "task", "--metric", "los", "--json"), ExitCode.NOT_FOUND, "did you mean 'loss'"),
    (("parallel", "task", "--where", "rate>7", "--json"), ExitCode.USAGE, "no run matches"),
])
def test_an_error_is_one_line_with_its_fix(typed: Typed, desk: Desk, words: tuple[str, ...],
                                           code: ExitCode, cure: str) -> None:
    two_runs(desk)

    answer = typed("plot", *words, expect=code)

    assert answer.out == "" and cure in answer.err
    assert answer.err.count("\n") == 1
