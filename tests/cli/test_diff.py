"""`hyperspace runs diff`: only what differs, from the config to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperspace_core.records.run import Finish, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.testing.stores.desk import Desk

from .conftest import Answer

Typed = Callable[..., Answer]


def done(desk: Desk, provenance: dict[str, Any], accuracy: float = 0.5, **fields: Any) -> int:
    """A completed run."""
    lease = desk.start(**fields)
    desk.store.update(lease, Update(provenance=provenance))
    metrics = {"accuracy": accuracy}
    desk.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=accuracy, metrics=metrics))
    return lease.run


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


def provenance(commit: str, numpy: str, cpus: int) -> dict[str, Any]:
    return {"git": {"commit": commit, "dirty": False}, "seeds": {"seed": 1, "seeded": []},
            "packages": {"installed": {"click": "8.1", "numpy": numpy}},
            "host": {"name": "here", "cpus": cpus}}


def test_what_differs_stands_side_by_side_by_section(typed: Typed, desk: Desk) -> None:
    first = done(desk, provenance("abc", "1.26", 4), config=forest(100, depth=3), seed=1,
                 scenario={"className": "Holdout", "share": 0.25})
    second = done(desk, provenance("def", "2.0", 8), 0.75, config=forest(200, depth=3), seed=2,
                  scenario={"className": "Holdout", "share": 0.5})

    assert typed("runs", "diff", first, second).out == """\
  config            run 1  run 2
  classifier.trees    100    200

  scenario  run 1  run 2
  share      0.25    0.5

  seed  run 1  run 2
  seed      1      2

  metrics   run 1  run 2
  accuracy    0.5   0.75

  code        run 1  run 2
  git.commit  abc    def

  packages  run 1  run 2
  numpy      1.26    2.0

  host       run 1  run 2
  host.cpus      4      8
"""


def test_a_value_that_one_run_lacks_is_no_null(typed: Typed, desk: Desk) -> None:
    first = done(desk, {}, config={"model": {"className": "Line", "slope": None}})
    second = done(desk, {}, config={"model": {"className": "Constant"}})

    found = typed("runs", "diff", first, second, "--json").json

    assert found == [
        {"section": "config", "path": "model.className", "first": "Line", "second": "Constant"},
        {"section": "config", "path": "model.slope", "first": None},
    ]
    assert ["model", "Line", "Constant"] in typed("runs", "diff", first, second).columns


def test_a_long_value_stands_below(typed: Typed, desk: Desk) -> None:
    first, second = (done(desk, {}, config={"text": letter * 60}) for letter in "ab")

    assert f"  text\n    run {first}  {'a' * 60}\n    run {second}  {'b' * 60}\n" in typed(
        "runs", "diff", first, second).out


def test_runs_that_do_not_differ(typed: Typed, desk: Desk) -> None:
    first, second = (done(desk, {}, config=forest(100)) for _ in range(2))

    answer = typed("runs", "diff", first, second)

    assert answer.out == ""
    assert f"runs {first} and {second} differ in nothing that was recorded" in answer.err
    assert typed("runs", "diff", first, second, "--json").json == []


def test_a_run_that_has_not_run_yet_is_compared_by_what_was_asked(typed: Typed, desk: Desk) -> None:
    first, second = done(desk, provenance("abc", "1.26", 4), config=forest(1)), desk.submit(config=forest(2))

    answer = typed("runs", "diff", first, second)

    assert "classifier.trees" in answer.out
    assert "numpy" not in answer.out
    assert answer.err == ("code, packages and machine are not compared: "
                          f"nothing is recorded of run {second}'s\n")


def test_tasks_that_differ_are_told_first(typed: Typed, desk: Desk) -> None:
    first, second = desk.submit(task="a"), desk.submit(task="b")

    assert typed("runs", "diff", first, second).columns[:2] == [
        ["task", "run 1", "run 2"], ["task", "a", "b"]]
