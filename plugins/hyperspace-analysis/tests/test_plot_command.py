"""Tests of `hyperspace plot`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import ExitCode
from hyperspace_core.records.logged import Point
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import COMPLETED, Harness

Typed = Callable[..., Any]

pytest.importorskip("plotly", reason="pictures need plotly")


def two_runs(harness: Harness) -> None:
    for rate in (0.1, 0.2):
        lease = harness.start(config={"rate": rate}, scenario={"className": "S"})
        harness.store.append(lease.run, 1, points=[Point(seq=0, name="loss", step=0, value=rate, at=0.0)])
        harness.store.finish(lease, COMPLETED)


@pytest.mark.parametrize("words", [("curves", "--metric", "loss"), ("parallel",), ("timeline",),
                                   ("parameter", "--parameter", "rate")])
def test_each_kind_becomes_a_page(typed: Typed, harness: Harness, tmp_path: Path,
                                  words: tuple[str, ...]) -> None:
    two_runs(harness)
    file = tmp_path / "p.html"

    answer = typed("plot", *words, "task", "-o", file)

    assert (answer.code, answer.out) == (0, f"{file}\n")
    assert "plotly" in file.read_text(encoding="utf-8")


def test_json_is_the_figure_itself(typed: Typed, harness: Harness) -> None:
    two_runs(harness)

    figure = typed("plot", "curves", "task", "--where", "rate=0.2", "--json").json

    assert [line["y"] for line in figure["data"]] == [[0.2]]


def test_an_unknown_task_is_refused(typed: Typed, harness: Harness, project: ProjectFolder) -> None:
    two_runs(harness)

    answer = typed("plot", "parallel", "firs", "--json", expect=ExitCode.NOT_FOUND)

    assert "no task 'firs'" in answer.err and "did you mean 'first'" in answer.err


@pytest.mark.parametrize(("words", "code", "cure"), [
    ((), ExitCode.USAGE, "give one of curves, parallel, parameter, timeline"),
    (("curves", "task"), ExitCode.USAGE, "give a file with -o"),
    (("parameter", "task", "--json"), ExitCode.USAGE, "--parameter trees"),
    (("parallel", "task", "--metric", "loss", "--json"), ExitCode.USAGE, "to `hyperspace plot curves`"),
    (("curves", "task", "-o", "p.doc"), ExitCode.USAGE, "ends in .html, .png"),
    (("curves", "task", "--metric", "los", "--json"), ExitCode.NOT_FOUND, "did you mean 'loss'"),
    (("parallel", "task", "--where", "rate>7", "--json"), ExitCode.USAGE, "no run matches"),
])
def test_an_error_is_one_line_with_its_fix(typed: Typed, harness: Harness, words: tuple[str, ...],
                                           code: ExitCode, cure: str) -> None:
    two_runs(harness)

    answer = typed("plot", *words, expect=code)

    assert answer.out == "" and cure in answer.err
    assert answer.err.count("\n") == 1
