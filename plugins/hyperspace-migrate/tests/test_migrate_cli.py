"""Tests of `backfill`, `check`, and `runs show` of migrated runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_migrate import plan as planning
from pytest_hyperspace.project import ProjectFolder, forget
from support import growing as growing_project
from support.commands import Answer

Typed = Callable[..., Answer]
Grown = Callable[..., None]


@pytest.fixture
def grown(typed: Typed, growing: ProjectFolder) -> Grown:
    """Execute three runs; the result changes the project's code."""
    for model in ("Tree", "Line", '{"className": "Tree", "depth": 5}'):
        typed("run", "first", "--set", f"model={model}")

    def change(*changes: tuple[str, str], entry: str = "") -> None:
        text = growing_project.THINGS
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        growing.write("things.py", text)
        growing.write("hyperspace.py", growing_project.PLUGIN + entry)
        forget("growing")

    return change


NEW = ('= "best"', '= "best"\n    leaves: int = 1')
RENAMED = (("depth", "levels"),)
DECLARED = ('    from hyperspace_core.migrations import rename\n'
            '    register.migration("levels", rename("depth", "levels", of="Tree"))\n')


def test_a_dry_run_shows_the_changes_and_changes_nothing(typed: Typed, grown: Grown) -> None:
    grown(NEW)

    name, effect = typed("backfill", "--dry-run", "--name", "leaves").lines
    assert name == "leaves  2 runs would be rewritten"
    assert effect == "  Tree.leaves = 1  2 runs"
    assert typed("backfill", "--list", "--json").json == []
    assert "leaves" not in typed("runs", "show", 1).out


def test_a_backfill_is_shown_listed_and_undone(typed: Typed, grown: Grown) -> None:
    before = typed("runs", "show", 3, "--json").json
    grown(NEW)

    assert typed("backfill", "--name", "leaves").lines == ["leaves  2 runs rewritten",
                                                           "  Tree.leaves = 1  2 runs"]
    assert typed("backfill").lines == ["3 runs: all configs are up to date"]
    heads, row = typed("backfill", "--list").columns
    assert heads == ["name", "runs", "applied", "by", "steps"]
    assert (row[0], row[1], row[-1]) == ("leaves", "2", "Tree.leaves = 1")
    undo = "backfill", "--undo", "leaves"
    assert typed(*undo, "--dry-run").lines == ["would undo leaves: 2 runs restored"]
    assert typed(*undo).lines == ["undid leaves: 2 runs restored"]
    assert typed("runs", "show", 3, "--json").json == before
    assert typed("backfill", "--list").columns[1][1] == "undone"


def test_a_backfill_as_json_holds_the_steps(typed: Typed, grown: Grown) -> None:
    grown(NEW)

    said = typed("backfill", "--name", "leaves", "--json").json
    assert said == {
        "dry_run": False, "looked_at": 3, "left": [], "migrations": [{
            "name": "leaves", "declared": False, "runs": 2,
            "steps": [{"op": "add", "parameter": "leaves", "value": 1, "of": "Tree"}],
            "effects": [{"text": "Tree.leaves = 1", "runs": 2}]}]}
    assert typed("backfill", "--undo", "leaves", "--json").json == {
        "name": "leaves", "runs": [1, 3], "dry_run": False}


def test_skipped_runs_are_noted_on_stderr(typed: Typed, grown: Grown) -> None:
    grown(("slope", "rise"))

    answer = typed("backfill")
    assert answer.out == "3 runs: all configs are up to date\n"
    assert answer.err == (
        "skipped: 1 run (last: run 2): `model.slope`: Line has no such parameter; it has `rise`\n")


def test_mistakes_are_one_line_each(typed: Typed, grown: Grown) -> None:
    grown(NEW)
    typed("backfill", "--name", "leaves")

    assert typed("backfill", "--undo", "leafs", expect=5).err == (
        "error: no migration 'leafs'; did you mean 'leaves'?\n")
    assert typed("backfill", "--undo", "leaves", "--list", expect=2).err == (
        "error: --undo and --list contradict each other; give one\n")
    grown(NEW, ("slope: float", "width: int = 1\n    slope: float"))
    assert typed("backfill", "--name", "two\nlines", expect=2).err == (
        "error: --name 'two\\nlines': expected 1 to 200 printable characters without blanks around them\n")
    assert typed("backfill", "--list", "--dry-run", expect=2).err == (
        "error: --list and --dry-run contradict each other; give one\n")


def test_an_invalid_migration_step_is_refused_at_opening(typed: Typed, grown: Grown) -> None:
    grown(entry='    register.migration("x", {"op": "rename", "parameter": "a"})\n')

    assert typed("backfill", expect=3).err == (
        "error: register.migration('x'): step 1: rename: `to` is missing\n")


def test_a_migrated_run_shows_migrations_and_original(typed: Typed, grown: Grown) -> None:
    grown(*RENAMED, entry=DECLARED)
    typed("backfill")

    page = typed("runs", "show", 3).out
    assert "migrated   levels" in page and "levels: 5\n" in page and "depth" not in page
    assert "split: best  (default)\n" in page
    original = typed("runs", "show", 3, "--original").out
    assert "depth: 5\n" in original and "levels: 5" not in original
    assert typed("runs", "show", 3, "--json").json["migrated"] == ["levels"]
    assert typed("runs", "show", 3, "--original", "--json").json["config"]["model"]["depth"] == 5
    assert typed("runs", "show", 2, "--original", "--json").json == typed("runs", "show", 2, "--json").json


def test_results_and_filters_use_the_new_names(typed: Typed, grown: Grown) -> None:
    grown(*RENAMED, entry=DECLARED)
    typed("backfill")

    assert [run["id"] for run in typed("runs", "list", "--where", "model.levels=5", "--json").json] == [3]
    assert "levels" in typed("results", "first").columns[0]
    assert typed("runs", "diff", 1, 3).out.count("model.levels") == 1


def test_a_rerun_of_a_migrated_run_has_the_new_names(typed: Typed, grown: Grown) -> None:
    grown(*RENAMED, entry=DECLARED)
    typed("backfill")
    typed("rerun", 3, "--here", "--set", "model.split=random")

    assert typed("runs", "show", 4, "--json").json["config"]["model"] == {
        "className": "Tree", "levels": 5, "split": "random"}
    hint, verdict = typed("check").lines
    assert hint.startswith("hint: Grow: had other code in 3 runs (last: run 3), ")
    assert verdict == "4 runs: their configs are valid and complete; their code is not what it was"


def test_a_requeued_migrated_run_uses_the_new_names(typed: Typed, grown: Grown) -> None:
    grown(*RENAMED, entry=DECLARED)
    typed("backfill")
    typed("queue", "requeue", 3)
    typed("worker", "--drain", "--isolation", "inline")

    record = typed("runs", "show", 3, "--json").json
    assert (record["state"], record["config"]["model"]["levels"]) == ("COMPLETED", 5)


def test_runs_changed_during_a_backfill_are_skipped(typed: Typed, grown: Grown,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    grown(NEW)
    plan = planning.plan_backfill

    def overtaken(project: Any, store: Any, **options: Any) -> Any:
        found = plan(project, store, **options)
        store.requeue(3)
        return found

    monkeypatch.setattr(planning, "plan_backfill", overtaken)
    answer = typed("backfill", "--name", "leaves")

    assert answer.lines[0] == "leaves  1 run rewritten"
    assert answer.err == ("1 run skipped: changed or requeued by another process since they were read; run "
                          "the same command again\n")


# -- check ---------------------------------------------------------------------------------------------------

def test_a_check_without_changes_prints_one_line(typed: Typed, grown: Grown) -> None:
    grown()

    assert typed("check").lines == ["3 runs: everything these runs depend on is unchanged"]
    assert typed("check", "--json").json == {"looked_at": 3, "findings": [], "hints": []}


def test_a_check_fails_with_one_line_for_each_change(typed: Typed, grown: Grown) -> None:
    grown(("= 3", "= 4"), ("slope", "rise"))

    answer = typed("check", expect=1)
    default, parameter = answer.lines
    assert default.startswith("Tree.depth: the default was 3 in 1 run (last: run 1) and is 4 now; ")
    assert default.endswith('register.new_default(Tree, "depth", old=3)')
    assert parameter.startswith("Line.slope: is gone, but set in 1 run (last: run 2); ")
    assert parameter.endswith('register.migration("…", rename("slope", "…", of="Line"))')
    found = typed("check", "--json", expect=1).json["findings"]
    assert [(one["kind"], one["runs"], one["last"]) for one in found] == [
        ("default", 1, 1), ("parameter", 1, 2)]


def test_a_check_reads_only_the_filtered_runs(typed: Typed, grown: Grown) -> None:
    grown(("slope", "rise"))

    assert typed("check", "--where", "model=Tree").out == (
        "2 runs: everything these runs depend on is unchanged\n")
    assert typed("check", "--status", "failed").lines == ["no finished runs to check yet"]


def test_a_check_fails_on_a_misspelt_filter(typed: Typed, grown: Grown) -> None:
    grown(("slope", "rise"))
    task = typed("runs", "show", 1, "--json").json["task"]

    unknown = typed("check", "--task", "nope", expect=5)
    assert unknown.err.startswith("error: no task 'nope' in project ")
    assert typed("check", "--task", task, "--tag", "releese", expect=2).err == (
        "error: --tag: no run matches; nothing was checked; all runs: 3 completed\n")
    assert typed("check", "--where", "modl=Tree", expect=2).err == (
        "error: --where: no run and no parameter has 'modl'; did you mean 'model'?\n")
    assert typed("check", "--where", "model=Bush", expect=2).err.startswith("error: --where: no run matches")
    assert typed("check", "--since", "2999-01-01").out == "no finished runs to check yet\n"


def test_a_missing_parameter_is_only_a_hint(typed: Typed, grown: Grown) -> None:
    grown(NEW)

    hint, verdict = typed("check").lines
    assert hint.startswith("hint: Tree.leaves = 1: is missing in 2 runs (last: run 3); `hyperspace backfill`")
    assert verdict == "3 runs: everything these runs depend on is unchanged"
