"""Plots of runs: curves, parameters, the timeline, and the file that is written."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from analysis_runs import NOON, completed, forest
from hyperspace_analysis import figures
from hyperspace_analysis.drawing import write_picture
from hyperspace_analysis.plots import ResultPlots
from hyperspace_analysis.timeline import timeline
from hyperspace_core.errors import HyperspaceError, NotFound, UsageError
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Attempt, Owner, RunRecord
from hyperspace_core.records.states import Outcome
from hyperspace_core.results.results import Results
from hyperspace_core.results.table import best_first
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.harness import COMPLETED, Harness

pytest.importorskip("plotly", reason="pictures need plotly")


def support(c: float) -> dict[str, object]:
    return {"classifier": {"className": "Support", "C": c}}


def logged(harness: Harness, *losses: float, name: str = "loss") -> int:
    lease = harness.start(config=forest(len(losses)))
    harness.store.append(lease.run, 1, points=[Point(seq=seq, name=name, step=10 * seq, value=loss, at=0.0)
                                            for seq, loss in enumerate(losses)])
    harness.store.finish(lease, COMPLETED)
    return lease.run


def records(store: Store, *runs: int) -> list[RunRecord]:
    return best_first(map(store.get, runs))


def test_a_curve_has_the_points_that_a_run_logged(harness: Harness) -> None:
    runs = logged(harness, 3.0, 2.0, 1.0), logged(harness, 3.0, 2.5)

    figure = figures.curves(harness.store, records(harness.store, *runs), "loss")

    assert [list(line.y) for line in figure.data] == [[3.0, 2.0, 1.0], [3.0, 2.5]]
    assert list(figure.data[0].x) == [0, 10, 20]
    assert figure.data[0].name == f"{runs[0]}: trees=3"
    assert figure.layout.title.text == "loss: the 2 best of 2 runs of task"
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("step", "loss")


def test_without_a_series_of_the_metric_the_first_one_is_shown(harness: Harness) -> None:
    run = logged(harness, 1.0, name="train_loss")

    assert figures.curves(harness.store, records(harness.store, run)).layout.yaxis.title.text == "train_loss"


def test_a_misspelt_series_suggests_the_right_one(harness: Harness) -> None:
    run = logged(harness, 1.0)

    with pytest.raises(NotFound, match=r"no series 'los'.*'loss'"):
        figures.curves(harness.store, records(harness.store, run), "los")


def test_runs_without_series_name_the_logging_call(harness: Harness) -> None:
    run = logged(harness)

    with pytest.raises(NotFound, match="log_scalar"):
        figures.curves(harness.store, records(harness.store, run))


@pytest.mark.parametrize(("goal", "reverse", "aim"), [("maximize", False, "accuracy (higher is better)"),
                                                      ("minimize", True, "accuracy (lower is better)")])
def test_the_best_is_brightest_in_both_directions(goal: str, reverse: bool, aim: str) -> None:
    runs = [completed(number, number / 10, forest(number), goal=goal) for number in (1, 2, 3)]

    line = figures.parallel(runs).data[0].line

    assert line.reversescale is reverse
    assert line.colorbar.title.text == aim


def test_a_parallel_axis_has_a_place_for_missing_values() -> None:
    runs = [completed(1, 0.9, forest(10)), completed(2, 0.8, forest(1000)), completed(3, 0.7, support(1.0)),
            completed(4, 0.6, support(2.0))]

    axes = {axis.label: axis for axis in figures.parallel(runs).data[0].dimensions}

    assert list(axes) == ["classifier", "trees", "C", "accuracy"]
    assert axes["trees"].ticktext == ("–", "10", "1000")
    assert axes["trees"].values[:2] == (1.0, 3.0)                  # logarithms
    assert axes["trees"].values[2] == axes["trees"].tickvals[0] < 1.0
    assert axes["accuracy"].values == (0.9, 0.8, 0.7, 0.6)


def test_a_parameter_of_two_classes_has_a_colour_for_each() -> None:
    runs = [completed(1, 0.9, support(1.0)), completed(2, 0.8, support(100.0)),
            completed(3, 0.7, {"classifier": {"className": "Linear", "C": 1.0}}),
            completed(4, 0.6, forest(10))]

    figure = figures.parameter(runs, "classifier.C")

    assert [(line.name, list(line.y)) for line in figure.data if line.showlegend is not False] == [
        ("Support", [0.9, 0.8]), ("Linear", [0.7])]
    assert figure.layout.xaxis.type == "log"
    assert figure.layout.title.text == "accuracy by C: 3 runs of holdout; 1 have none"


def test_the_best_at_each_value_respects_the_goal() -> None:
    runs = [completed(1, 0.3, forest(10), goal="minimize"), completed(2, 0.2, forest(10), goal="minimize"),
            completed(3, 0.4, forest(20), goal="minimize")]

    (best,) = [line for line in figures.parameter(runs, "trees").data if line.showlegend is False]

    assert (list(best.x), list(best.y)) == ([10, 20], [0.2, 0.4])


def test_an_unknown_parameter_lists_those_that_differ() -> None:
    runs = [completed(1, 0.9, forest(10)), completed(2, 0.8, forest(20))]

    with pytest.raises(NotFound, match=r"'tree'.*'trees'"):
        figures.parameter(runs, "tree")


def test_stored_text_is_escaped() -> None:
    runs = [completed(number, 0.5, {"scaler": name}) for number, name in ((1, "<b>x</b>"), (2, "y"))]

    figure = figures.parameter(runs, "scaler")

    assert "<b>" not in figure.to_json() and "&lt;b&gt;x" in figure.to_json()


def attempt(number: int, begins: int, ends: int | None, outcome: Outcome | None,
            worker: str = "w") -> Attempt:
    return Attempt(number=number, outcome=outcome, worker=Owner(worker=worker, host="h"),
                   started_at=NOON + timedelta(seconds=begins),
                   ended_at=None if ends is None else NOON + timedelta(seconds=ends))


def test_overlapping_attempts_of_a_worker_get_own_lanes() -> None:
    runs = [completed(1, 0.5, attempts=(attempt(1, 0, 5, Outcome.LOST), attempt(2, 6, 9, Outcome.COMPLETED))),
            completed(2, 0.5, attempts=(attempt(1, 2, 4, Outcome.COMPLETED),)),
            completed(3, None, attempts=(attempt(1, 8, None, None, "x"),))]

    figure = timeline(runs, NOON + timedelta(seconds=10))

    bars = {(bar.name, place, text): seconds / 1000 for bar in figure.data
            for place, text, seconds in zip(bar.y, bar.text, bar.x, strict=True)}
    assert bars == {("lost", "w", "1"): 5, ("completed", "w", "1"): 3, ("completed", "w (2)", "2"): 2,
                    ("running", "x", "3"): 2}
    assert figure.layout.title.text == "4 attempts of 2 workers"


@pytest.mark.parametrize("draw", [figures.parallel, timeline, lambda runs: figures.parameter(runs, "x")])
def test_an_empty_plot_is_refused(draw: object) -> None:
    with pytest.raises(UsageError, match="nothing to plot"):
        draw([])  # type: ignore[operator]


def test_runs_of_two_tasks_are_not_drawn_together() -> None:
    with pytest.raises(UsageError, match="name one task"):
        figures.parallel([completed(1, 0.5), completed(2, 0.5, task="other")])


def test_runs_without_a_number_are_not_drawn() -> None:
    runs = [completed(1, float("nan")), completed(2, None)]

    with pytest.raises(UsageError, match="none of the 2 runs has a result"):
        figures.parallel(runs)


def test_missing_plotly_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)

    with pytest.raises(HyperspaceError, match="pip install plotly"):
        figures.parallel([completed(1, 0.5)])


def test_an_html_page_is_self_contained(tmp_path: Path) -> None:
    runs = [completed(1, 0.9, forest(10)), completed(2, 0.8, forest(20))]

    page = write_picture(figures.parallel(runs), tmp_path / "p.html").read_text(encoding="utf-8")

    assert '<script src="' not in page and "parcoords" in page
    assert [path.name for path in tmp_path.iterdir()] == ["p.html"]


def test_an_image_has_the_format_of_its_suffix(tmp_path: Path) -> None:
    pytest.importorskip("kaleido", reason="images need kaleido")
    from choreographer.browsers import Chromium

    if Chromium.find_browser(skip_local=False) is None:
        pytest.skip("images need a Chrome or Chromium")
    runs = [completed(1, 0.9, forest(10)), completed(2, 0.8, forest(20))]

    content = write_picture(figures.parallel(runs), tmp_path / "p.png").read_bytes()

    assert content.startswith(b"\x89PNG") and len(content) > 10_000


@pytest.mark.parametrize("name", ["p.txt", "p", "no/where.html"])
def test_a_target_that_cannot_be_written_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"p|no folder"):
        write_picture(None, tmp_path / name)


# -- of results ----------------------------------------------------------------------------------------------


def test_results_plot_only_their_own_runs(harness: Harness) -> None:
    runs = [logged(harness, 3.0, 2.0, 1.0), logged(harness, 3.0, 2.5), logged(harness, 9.0)]
    chosen = Results([replace(harness.store.get(run), result=run / 10) for run in runs[:2]],
                     read=lambda run, names: harness.store.points(run, names=names))

    assert [list(line.y) for line in ResultPlots(chosen).curves("loss").data] == [[3.0, 2.5], [3.0, 2.0, 1.0]]
    assert [list(line.y) for line in ResultPlots(chosen[1:]).curves("loss").data] == [[3.0, 2.0, 1.0]]
    assert len(ResultPlots(chosen).parallel().data[0].line.color) == 2
    assert list(ResultPlots(chosen).parameter("trees").data[0].x) == [2, 3]
    assert len(ResultPlots(chosen).timeline().data[0].y) == 2
    assert len(ResultPlots(chosen).history().data[0].y) == 2


def test_the_best_curves_do_not_depend_on_the_order(harness: Harness) -> None:
    runs = [logged(harness, 3.0), logged(harness, 2.0)]
    results = Results([replace(harness.store.get(run), result=run / 10) for run in runs], order_by="run",
                      read=lambda run, names: harness.store.points(run, names=names))

    assert [list(line.y) for line in ResultPlots(results).curves("loss", best=1).data] == [[2.0]]


def test_results_without_a_store_refuse_series() -> None:
    results = Results([completed(1, 0.5, forest(1)), completed(2, 0.6, forest(2))])

    assert len(ResultPlots(results).parallel().data[0].line.color) == 2
    with pytest.raises(HyperspaceError, match="do not come from a store"):
        ResultPlots(results).curves()
