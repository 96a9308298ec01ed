"""The display of a search: at a prompt, in a notebook, while it runs, as a plot."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from formula_project import work
from hyperspace_core.records.states import State
from hyperspace_core.results.overview import QueueProgress
from hyperspace_core.study import Study
from hyperspace_tuning import study as handle
from hyperspace_tuning.study import Search, SearchView


@pytest.fixture
def search(study: Study) -> Search:
    return study.tune("main", runs=3, tuner="Random", space={"model": "Tree"})


def test_watching_ends_when_the_search_is_over(study: Study, search: Search,
                                               monkeypatch: pytest.MonkeyPatch,
                                               capsys: pytest.CaptureFixture[str]) -> None:
    looks: list[SearchView] = []

    def look(*arguments: Any) -> SearchView:
        looks.append(view_of(*arguments))
        work(study, max_runs=1)
        return looks[-1]

    view_of = handle.view_of
    monkeypatch.setattr(handle, "view_of", look)
    search.watch(interval_s=0.001)

    assert [view.ended for view in looks] == [0, 1, 2, 3]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "search 1 of main by Random: 0 of 3 runs done"
    assert "search 1 of main by Random: 3 of 3 runs done; ended: all 3 runs have been proposed" in lines
    assert not [line for line in lines if line.startswith("  ends")][1:]       # printed once: no change


def test_the_queue_is_watched_as_long_as_a_search_is_open(study: Study, search: Search) -> None:
    assert study.progress().view().unfinished
    assert isinstance(study.progress(), QueueProgress)
    assert "search 1 of main: 0 of 3 runs done; no worker is running" in repr(study.progress())

    search.pause()
    assert not study.progress().view().unfinished
    assert "paused, 0 of 3 runs done" in repr(study.progress())
    search.cancel()
    assert "search 1" not in repr(study.progress())


def test_a_notebook_s_cell_has_a_bar_and_stored_text_is_escaped(study: Study, search: Search) -> None:
    work(study, max_runs=1)
    study.store.end_search(search.id, "a <b> reason")

    html = search._repr_html_()

    assert '<progress value="0.333" max="1"></progress>' in html
    assert "a &lt;b&gt; reason" in html and "<b>" not in html


def test_a_running_run_has_a_line_and_a_row(study: Study, search: Search) -> None:
    work(study, max_runs=1)
    run = replace(search.runs()[0], state=State.RUNNING, progress=None)
    view = replace(search.progress(), running=(run,))

    assert view.text(times=False)[-1] == "  run 1 main"
    assert "<tr><td>1</td><td>main</td>" in view._repr_html_()


def test_importance_comes_from_a_tuner_that_can_compute_it(study: Study, search: Search) -> None:
    work(study)

    assert search.importance() == {}       # three results are too few
