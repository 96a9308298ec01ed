"""Tests of `hyperspace runs metrics`."""

from __future__ import annotations

from collections.abc import Callable

from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Finish, Lease
from hyperspace_core.records.states import Outcome
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer

Typed = Callable[..., Answer]
NAN = float("nan")


def logged(harness: Harness, lease: Lease, *points: tuple[str, int | None, float]) -> None:
    harness.store.append(lease.run, lease.attempt,
                         points=[Point(seq=seq, name=name, step=step, value=value, at=0.0)
                                 for seq, (name, step, value) in enumerate(points)])


def test_each_metric_is_summarized(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    logged(harness, lease, ("loss", 0, 4.0), ("loss", 1, NAN), ("loss", 2, 2.0), ("loss", 3, 3.0))
    returned = {"result": 0.9, "loss": 3.5}
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.9, metrics=returned))

    assert typed("runs", "metrics", lease.run).columns == [
        ["metric", "returned", "points", "last", "min", "max"],
        ["result", "0.9"],
        ["loss", "3.5", "4", "3", "2", "4"],
    ]
    assert typed("runs", "metrics", lease.run, "--json").json == [
        {"name": "result", "returned": 0.9, "points": 0, "last": None, "last_step": None, "min": None,
         "max": None},
        {"name": "loss", "returned": 3.5, "points": 4, "last": 3.0, "last_step": 3, "min": 2.0, "max": 4.0},
    ]


def test_series_are_shown_side_by_side(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    logged(harness, lease, ("loss", 0, 4.0), ("accuracy", 0, 0.5), ("loss", 10, 3.0), ("other", 5, 1.0),
           ("accuracy", 20, 0.75))

    table = typed("runs", "metrics", lease.run, "--name", "loss", "--name", "accuracy")

    assert table.out == ("step  loss  accuracy\n"
                         "   0     4       0.5\n"
                         "  10     3\n"
                         "  20            0.75\n")


def test_a_repeated_step_has_two_rows(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    logged(harness, lease, ("loss", 1, 4.0), ("loss", 0, 3.0), ("loss", 1, 2.0))

    assert typed("runs", "metrics", lease.run, "--name", "loss").columns[1:] == [
        ["0", "3"], ["1", "4"], ["1", "2"]]


def test_points_without_a_step_keep_their_order(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    logged(harness, lease, ("loss", None, 3.0), ("loss", None, 1.0))

    assert typed("runs", "metrics", lease.run, "--name", "loss").columns[1:] == [["3"], ["1"]]


def test_a_series_as_json_is_its_points(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    logged(harness, lease, ("loss", 0, NAN), ("other", 0, 1.0))

    assert typed("runs", "metrics", lease.run, "--name", "loss", "--json").json == [
        {"seq": 0, "name": "loss", "step": 0, "value": "NaN", "at": 0.0}]


def test_an_earlier_attempt_has_its_own_series(typed: Typed, harness: Harness) -> None:
    lost = harness.zombie()
    logged(harness, lost, ("loss", 0, 1.0))
    lease = harness.take(lost.run).lease
    logged(harness, lease, ("loss", 0, 2.0))
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.9, metrics={"result": 0.9}))

    earlier, = typed("runs", "metrics", lost.run, "--attempt", 1, "--json").json

    assert (earlier["name"], earlier["last"]) == ("loss", 1.0)


def test_an_unknown_series_is_refused(typed: Typed, harness: Harness) -> None:
    lease, waiting = harness.start(), harness.submit()
    logged(harness, lease, ("loss", 0, 1.0))

    misspelt = typed("runs", "metrics", lease.run, "--name", "los", expect=5)
    without_any = typed("runs", "metrics", waiting, "--name", "loss", expect=5)

    assert "has no series 'los'; did you mean 'loss'?" in misspelt.err
    assert "has no series 'loss'; it has none" in without_any.err


def test_a_returned_metric_is_not_a_series(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    logged(harness, lease, ("train_accuracy", 0, 1.0))
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.9, metrics={"accuracy": 0.9}))

    assert typed("runs", "metrics", lease.run, "--name", "accuracy", expect=5).err == (
        f"error: run {lease.run} returned 'accuracy' but logged no series of it; "
        "log one with `run.log_scalar`\n")


def test_a_run_without_metrics_shows_none(typed: Typed, harness: Harness) -> None:
    assert typed("runs", "metrics", harness.submit()).out == ""
