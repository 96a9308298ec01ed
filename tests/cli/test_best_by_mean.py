"""One seed is one observation, and each "best" ranks configs by their mean, as `results` does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from hyperspace_core import Study
from hyperspace_core.results.overview import overview_text
from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer

Typed = Callable[..., Answer]
NAME = "lucky"
# `steady` has 0.6 with each seed, `lucky` 0.9 with one of them
FILES = {"hyperspace.py": """
    from typing import Annotated
    from hyperspace_core import Choice, Run, hookimpl

    def go(run: Run, kind: Annotated[str, Choice("steady", "lucky")] = "steady") -> float:
        return 0.6 if kind == "steady" else 0.9 if run.seed == 0 else 0.1

    @hookimpl
    def hyperspace_register(register):
        register.scenario(go)
    """}


@pytest.fixture
def project_name() -> str:
    return NAME


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name=NAME)


def test_each_best_is_that_of_the_mean(study: Study, typed: Typed) -> None:
    for kind in ("lucky", "steady"):
        for seed in range(3):
            study.submit("go", {"kind": kind}, seed=seed)

    worker = typed("worker", "--drain", "--isolation", "inline").out
    found = {"the worker's last table": worker.partition("best first:\n")[2].splitlines()[1],
             "results": typed("results", "go").lines[1],
             "status": " ".join(typed("status").lines),
             "overview": next(line for line in overview_text(study.overview()) if line.startswith("best of"))}

    assert [name for name, line in found.items() if "4 to 6" not in line or "0.6" not in line] == [], found
    assert study.overview().best["go"].result == pytest.approx(0.6)
    assert typed("status", "--json").json["best"]["go"]["id"] == 4
    assert study.results("go").best().id == 1      # type: ignore[union-attr]  # single runs, as they were asked for


def test_a_search_shows_the_config_with_the_best_mean(study: Study, typed: Typed) -> None:
    search = study.tune("go", tuner="Grid", runs=2, seed=0)
    uid = search.record.uid
    typed("worker", "--drain", "--isolation", "inline")
    own = [run for run in search.runs() if run.search == uid]
    assert sorted(run.config["kind"] for run in own if run.config) == ["lucky", "steady"]

    assert search.best is not None and search.best.config is not None
    assert search.best_config() == search.best.config
    assert f"best result {search.best.result:g} (run {search.best.id}" in typed("searches", "show", 1).out


def test_a_seed_that_ran_thrice_counts_once(study: Study, typed: Typed) -> None:
    for seed in (0, 0, 0, 1):
        study.run("go", {"kind": "lucky"}, seed=seed, echo=False)

    (row,) = study.results("go").grouped()
    shown = typed("results", "go").lines

    assert row.estimate is not None and (row.estimate.n, row.estimate.mean) == (2, pytest.approx(0.5))
    assert row.ids == (1, 2, 3, 4) and row.as_one.metrics["result"] == pytest.approx(0.5)
    assert re.fullmatch(r"1 to 4 +2 +0\.5 .*", shown[1]), shown
    assert "the same config and seed again (2)" in study.tune("go", tuner="Random", runs=1).seen().summary
