"""`hyperspace runs list` and `runs show`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.logged import Progress
from hyperspace_core.records.run import Finish, Metric, Update
from hyperspace_core.records.states import Outcome, State
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import COMPLETED, FAILED, Harness
from support.commands import Answer
from support.editing import Editing

Typed = Callable[..., Answer]

CONFIG = {"classifier": {"className": "Forest", "trees": 200, "max_depth": None},
          "scaler": {"className": "Standard", "with_std": True}}
WRITTEN = {"classifier": {"className": "Forest", "trees": 200}}


def test_the_newest_run_is_listed_first(typed: Typed, harness: Harness) -> None:
    first, second = harness.submit(submitted={"trees": 1}), harness.submit(submitted={"trees": 2})

    heads, *rows = typed("runs", "list").columns

    assert heads == ["run", "task", "state", "age", "config"]
    assert [(row[0], row[-1]) for row in rows] == [(str(second), "trees=2"), (str(first), "trees=1")]


def test_a_column_appears_once_it_has_a_value(typed: Typed, harness: Harness) -> None:
    completed, failed = harness.in_state(State.COMPLETED), harness.in_state(State.FAILED)
    harness.store.annotate(completed, add_tags=["good"], note="look again")

    heads, *rows = typed("runs", "list").columns

    assert {"result", "time", "tags", "note", "reason"} <= set(heads)
    assert rows[0][0] == str(failed) and "ValueError: no" in rows[0]
    assert {"0.5", "good", "look again"} <= set(rows[1])


def test_the_filter_options_narrow_the_list(typed: Typed, harness: Harness) -> None:
    harness.submit(task="a", submitted={"trees": 10})
    wanted = harness.submit(task="b", submitted={"trees": 200}, tags=("x",))
    harness.in_state(State.FAILED, task="b", submitted={"trees": 300}, tags=("x",))

    listed = typed("runs", "list", "--task", "b", "--where", "trees>=100", "--tag", "x", "--status", "queued",
                   "--since", "1h", "--json")

    assert [run["id"] for run in listed.json] == [wanted]


def test_a_list_as_json_has_the_names_of_the_record(typed: Typed, harness: Harness) -> None:
    run = harness.in_state(State.COMPLETED, submitted={"trees": 1})

    record, = typed("runs", "list", "--json").json

    assert (record["id"], record["state"], record["result"]) == (run, "COMPLETED", 0.5)
    assert {"uid", "project", "task", "reason", "priority", "tags", "note", "submitted", "submitted_by",
            "scenario", "config", "seed", "progress", "metrics", "info", "attempts", "parent", "search",
            "submitted_at", "started_at", "finished_at"} <= set(record)


def test_a_limit_takes_the_newest(typed: Typed, harness: Harness) -> None:
    *_, last = harness.submit_many(5)

    assert [run["id"] for run in typed("runs", "list", "--limit", 2, "--json").json] == [last, last - 1]
    assert len(typed("runs", "list", "--limit", 2).lines) == 3


def test_a_pipe_gets_every_run_uncut(typed: Typed, harness: Harness) -> None:
    harness.submit_many(60, submitted={"text": "x" * 300})

    answer = typed("runs", "list")

    assert len(answer.lines) == 61
    assert answer.lines[1].endswith("x" * 300)
    assert answer.err == ""


def test_a_terminal_gets_the_newest_and_the_number_of_others(at_terminal: Callable[..., Any],
                                                             harness: Harness) -> None:
    harness.submit_many(60, submitted={"text": "x" * 300})

    terminal = at_terminal("runs", "list", columns=80)

    assert terminal.ended() == 0
    lines = terminal.text.splitlines()
    assert len(lines) == 42
    assert "20 more; --limit shows more of them" in lines[-1]
    assert all(len(line) <= 80 for line in lines)
    assert lines[1].endswith("…")


def test_an_empty_list_prints_nothing(typed: Typed, harness: Harness) -> None:
    harness.submit()

    assert typed("runs", "list", "--status", "failed").out == ""
    assert typed("runs", "list", "--status", "failed", "--json").json == []


# -- show ----------------------------------------------------------------------------------------------------


def test_defaults_are_marked_on_the_page(typed: Typed, harness: Harness) -> None:
    run = harness.submit(submitted=WRITTEN, config=CONFIG)

    page = typed("runs", "show", run).out

    assert ("Config\n"
            "  classifier: Forest\n"
            "    trees: 200\n"
            "    max_depth: null  (default)\n"
            "  scaler: Standard  (default)\n"
            "    with_std: true  (default)\n") in page


def test_an_uncompleted_config_is_shown_as_written(typed: Typed, harness: Harness) -> None:
    run = harness.submit(submitted={"trees": "200"}, validated=False)

    page = typed("runs", "show", run).out

    assert "Config  as submitted; a worker completes and checks it\n  trees: \"200\"\n" in page


def test_a_seed_parameter_is_not_marked_as_default(typed: Typed, harness: Harness) -> None:
    run = harness.submit(submitted={}, config={"seed": 545498908, "trees": 100}, seed=545498908)

    assert "  seed: 545498908\n  trees: 100  (default)\n" in typed("runs", "show", run).out


def test_the_page_of_a_completed_run(typed: Typed, harness: Harness, tmp_path: Path) -> None:
    parent = harness.submit()
    run = harness.submit(submitted=WRITTEN, config=CONFIG, scenario={"className": "Holdout", "share": 0.25},
                         seed=7, tags=("baseline",), note="the first", parent=parent,
                         metric=Metric(name="accuracy"), submitted_by="me@here")
    lease = harness.take(run).lease
    (tmp_path / "model").write_bytes(b"x" * 2000)
    harness.store.put_artifact(run, 1, "model.bin", tmp_path / "model")
    harness.store.update(lease, Update(info={"epochs": 3}, provenance={
        "git": {"commit": "a" * 40, "branch": "main", "dirty": True, "remote": None},
        "data": {"absent": "not asked for"},
        "source": {"snapshot": "b" * 64, "files": 12, "bytes": 10266, "changes": "c" * 64,
                   "untracked": ["x"]},
        "components": {
            "classifier": {"class": "Forest", "module": "digits", "fingerprint": "sha256:3f2a9c41aa"},
            "scaler": {"class": "Standard", "module": "x", "fingerprint": "external:sklearn.Standard"}}}))
    metrics = {"accuracy": 0.75, "log_loss": 0.5}
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.75, metrics=metrics))
    child = harness.submit(parent=run)

    page = typed("runs", "show", run).out

    assert page.startswith(f"run {run}  task  COMPLETED  accuracy 0.75\n")
    for line in ("by me@here", "tags       baseline", "note       the first", "seed       7",
                 f"parent     run {parent}", f"children   run {child}",
                 "scenario: Holdout\n    share: 0.25",
                 "accuracy  0.75  decides; higher is better", "log_loss   0.5",
                 "Info\n  epochs: 3", "model.bin  2.0 kB",
                 "git       aaaaaaaaaaaa, on main, with uncommitted changes",
                 "data  not captured: not asked for",
                 "executed  snapshot bbbbbbbbbbbb, 12 files, 10.3 kB, with uncommitted changes, untracked: x",
                 "classifier  Forest    digits  3f2a9c41aa",
                 "scaler      Standard  x       not the project's own",
                 "1  completed  on first"):
        assert line in page, page


def test_a_failure_ends_the_page_with_its_traceback(typed: Typed, harness: Harness) -> None:
    lost = harness.zombie()
    lease = harness.take(lost.run, "second").lease
    traceback = "Traceback (most recent call last):\n  boom\nValueError: no\n"
    harness.store.finish(lease, replace(FAILED, traceback=traceback))

    page = typed("runs", "show", lost.run).out

    assert "FAILED  ValueError: no" in page.splitlines()[0]
    assert page.index("1  lost  on first") < page.index("2  failed  on second")
    assert page.endswith("     Traceback (most recent call last):\n       boom\n     ValueError: no\n")


def test_equal_tracebacks_are_shown_once(typed: Typed, harness: Harness) -> None:
    run = harness.submit(max_failures=1)
    for _ in range(2):
        harness.store.finish(harness.take(run).lease, FAILED)

    page = typed("runs", "show", run).out

    assert page.count("Traceback: no") == 1
    assert "with the traceback of attempt 2" in page
    assert "retries    1 of 1 used up" in page


def test_a_late_result_is_shown_with_its_attempt(typed: Typed, harness: Harness) -> None:
    lost = harness.zombie()
    harness.store.late(lost, COMPLETED)

    assert "its worker reported too late: completed 0.5" in typed("runs", "show", lost.run).out


def test_a_running_run_shows_progress_and_command(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    harness.store.beat(lease, Progress(done=5, total=8, eta_s=190, note="epoch 5"))
    harness.store.cancel(lease.run)

    page = typed("runs", "show", lease.run).out

    assert "RUNNING  asked to cancel" in page
    assert "62% (5 of 8), 3 min 10 s left, epoch 5" in page
    assert "1  running  on first" in page


def test_json_is_the_record_with_artifacts_and_children(typed: Typed, harness: Harness,
                                                        tmp_path: Path) -> None:
    lease = harness.start(submitted=WRITTEN)
    (tmp_path / "plot").write_bytes(b"x")
    harness.store.put_artifact(lease.run, 1, "plot.png", tmp_path / "plot")
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=float("nan"),
                                       metrics={"result": float("nan")}))
    child = harness.submit(parent=lease.run)

    record = typed("runs", "show", lease.run, "--json").json

    assert record["submitted"] == WRITTEN
    assert record["result"] == "NaN"
    assert record["attempts"][0]["outcome"] == "completed"
    assert [one["name"] for one in record["artifacts"]] == ["plot.png"]
    assert record["children"] == [child]


@pytest.mark.parametrize("state", State)
def test_a_run_in_any_state_has_a_page(typed: Typed, harness: Harness, state: State) -> None:
    run = harness.in_state(state)

    assert typed("runs", "show", run).lines[0].startswith(f"run {run}  task  {state}")


def test_the_code_of_a_run_is_shown_with_its_components(typed: Typed, editing: Editing) -> None:
    run = editing.run("--set", "model=Line")
    parts = typed("runs", "show", run, "--json").json["attempts"][0]["provenance"]["components"]

    lines = typed("runs", "show", run).lines

    head = lines.index("Components  each with the fingerprint of its code")
    assert [line.split() for line in lines[head + 1:head + 3]] == [
        ["scenario", "Grow", "growing.things", parts["scenario"]["fingerprint"][7:19]],
        ["model", "Line", "growing.things", parts["model"]["fingerprint"][7:19]]]
    assert lines[lines.index("Code") + 1].startswith("  executed  snapshot ")
    assert lines[lines.index("Code") + 1].endswith(", as pinned")
    assert lines[lines.index("Code") + 2].startswith("  git ")
    assert not any(line.startswith(("  source", "  components", "  pinned")) for line in lines)


def test_a_queued_run_shows_its_pinned_code(typed: Typed, growing: ProjectFolder) -> None:
    typed("submit", "first")
    typed("submit", "first", "--code", "current")

    assert any(line.startswith("  pinned  snapshot ") for line in typed("runs", "show", 1).lines)
    assert "Code" not in typed("runs", "show", 2).lines


def test_unpinned_code_is_shown_with_the_reason(typed: Typed, harness: Harness) -> None:
    run = harness.submit(code={"absent": "too large"})
    other = harness.start(code={"snapshot": "a" * 64, "files": 1, "bytes": 10})
    ran = {"snapshot": "b" * 64, "files": 2, "bytes": 20, "pinned": False, "note": "the snapshot is gone"}
    harness.store.update(other, Update(provenance={"source": ran}))

    assert "  pinned  nothing: too large" in typed("runs", "show", run).lines
    page = typed("runs", "show", other.run).lines
    assert f"  executed  snapshot {'b' * 12}, 2 files, 20 B, the snapshot is gone" in page
    assert f"  pinned    snapshot {'a' * 12}, 1 file, 10 B" in page
