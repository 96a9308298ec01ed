"""Tests of `hyperspace runs diff`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperspace_core.records.run import Finish, Update
from hyperspace_core.records.states import Outcome
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer
from support.editing import Editing
from support.growing import PLUGIN

Typed = Callable[..., Answer]


def done(harness: Harness, provenance: dict[str, Any], accuracy: float = 0.5, **fields: Any) -> int:
    """A completed run."""
    lease = harness.start(**fields)
    harness.store.update(lease, Update(provenance=provenance))
    metrics = {"accuracy": accuracy}
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=accuracy, metrics=metrics))
    return lease.run


def forest(trees: int, **others: Any) -> dict[str, Any]:
    return {"classifier": {"className": "Forest", "trees": trees}, **others}


def provenance(commit: str, numpy: str, cpus: int) -> dict[str, Any]:
    return {"git": {"commit": commit, "dirty": False}, "seeds": {"seed": 1, "seeded": []},
            "packages": {"installed": {"click": "8.1", "numpy": numpy}},
            "host": {"name": "here", "cpus": cpus}}


def test_differences_are_side_by_side_by_section(typed: Typed, harness: Harness) -> None:
    first = done(harness, provenance("abc", "1.26", 4), config=forest(100, depth=3), seed=1,
                 scenario={"className": "Holdout", "share": 0.25})
    second = done(harness, provenance("def", "2.0", 8), 0.75, config=forest(200, depth=3), seed=2,
                  scenario={"className": "Holdout", "share": 0.5})

    assert typed("runs", "diff", first, second).out == """\
  config            run 1  run 2
  classifier.trees    100    200

  scenario  run 1  run 2
  share      0.25    0.5

  seed  run 1  run 2
  seed      1      2

  code        run 1  run 2
  git.commit  abc    def

  packages  run 1  run 2
  numpy      1.26    2.0

  host       run 1  run 2
  host.cpus      4      8

  metrics   run 1  run 2
  accuracy    0.5   0.75
"""


def test_a_missing_value_is_not_null_in_json(typed: Typed, harness: Harness) -> None:
    first = done(harness, {}, config={"model": {"className": "Line", "slope": None}})
    second = done(harness, {}, config={"model": {"className": "Constant"}})

    found = typed("runs", "diff", first, second, "--json").json

    assert found == [
        {"section": "config", "path": "model.className", "first": "Line", "second": "Constant"},
        {"section": "config", "path": "model.slope", "first": None},
    ]
    assert ["model", "Line", "Constant"] in typed("runs", "diff", first, second).columns


def test_a_long_value_is_on_its_own_line(typed: Typed, harness: Harness) -> None:
    first, second = (done(harness, {}, config={"text": letter * 60}) for letter in "ab")

    assert f"  text\n    run {first}  {'a' * 60}\n    run {second}  {'b' * 60}\n" in typed(
        "runs", "diff", first, second).out
    assert typed("runs", "diff", first, second).out.startswith("  config\n  text\n")


def test_the_folder_of_the_code_is_not_a_difference(typed: Typed, harness: Harness) -> None:
    def captured(folder: str, pinned: dict[str, bool], *editable: str) -> dict[str, Any]:
        return {"git": {"commit": "abc", **pinned},
                "packages": {"installed": {"click": "8.1"}, "editable": ["other", *editable]},
                "plugins": {"hyperspace": "1", "project": {
                    "name": "growing", "distribution": "growing", "version": "1", "file": f"{folder}/x.py"}}}

    first = done(harness, captured("checkout", {}, "growing"), config=forest(100))
    second = done(harness, captured("cache", {"pinned": True}), config=forest(100))

    assert f"no recorded difference between runs {first} and {second}" in (
        typed("runs", "diff", first, second).err)


def test_equal_runs_have_no_difference(typed: Typed, harness: Harness) -> None:
    first, second = (done(harness, {}, config=forest(100)) for _ in range(2))

    answer = typed("runs", "diff", first, second)

    assert answer.out == ""
    assert f"no recorded difference between runs {first} and {second}" in answer.err
    assert typed("runs", "diff", first, second, "--json").json == []


def test_a_queued_run_is_compared_by_its_submitted_config(typed: Typed, harness: Harness) -> None:
    first = done(harness, provenance("abc", "1.26", 4), config=forest(1))
    second = harness.submit(config=forest(2))

    answer = typed("runs", "diff", first, second)

    assert "classifier.trees" in answer.out
    assert "numpy" not in answer.out
    assert answer.err == ("code, packages and machine are not compared: "
                          f"run {second} has no record of them\n")


def test_a_different_task_is_shown_first(typed: Typed, harness: Harness) -> None:
    first, second = harness.submit(task="a"), harness.submit(task="b")

    assert typed("runs", "diff", first, second).columns[:2] == [
        ["task", "run 1", "run 2"], ["task", "a", "b"]]


# -- code ----------------------------------------------------------------------------------------------------


DEPTH = ('"depth", 0) + noise', '"depth", 1) + noise')


def before_and_after(editing: Editing, *edits: tuple[str, str]) -> tuple[int, int]:
    """A run, and one after the project was edited."""
    first = editing.run()
    editing.edit(*edits)
    return first, editing.run()


def test_changed_code_is_shown_with_a_harmless_declaration(typed: Typed, editing: Editing) -> None:
    first, second = before_and_after(editing, DEPTH)

    _, components, _, declaration, *rest = map(str.strip, typed("runs", "diff", first, second).lines)

    old, new = components.split()[-2:]
    assert components.startswith("scenario: Grow")
    assert declaration == f'register.same_behaviour("Grow", "{old}", "{new}")'
    assert "growing/things.py" in rest
    assert [line[:1] + line.split("getattr")[1][:19] for line in rest if "getattr" in line] == [
        '-(model, "depth", 0)', '+(model, "depth", 1)']


def test_the_printed_declaration_makes_runs_comparable(typed: Typed, editing: Editing) -> None:
    first, second = before_and_after(editing, DEPTH)
    assert [run["id"] for run in typed("results", "first", "--json").json] == [second]

    line = typed("runs", "diff", first, second).lines[3]
    editing.write("hyperspace.py", f"{PLUGIN}{line}\n")

    assert {run["id"] for run in typed("results", "first", "--json").json} == {first, second}


def test_comments_and_files_of_one_run_are_named(typed: Typed, editing: Editing) -> None:
    first = editing.run()
    editing.edit(("class Line(Model):", "# straight\nclass Line(Model):"))
    editing.write("new.py", "NEW = 1\n")
    second = editing.run()

    page = typed("runs", "diff", first, second).out

    assert "components" not in page
    assert "growing/things.py  in comments and formatting only\n" in page
    assert f"growing/new.py  in run {second} only\n" in page
    assert f"growing/new.py  in run {second} only\n" in typed("runs", "diff", second, first).out
    assert "+# straight" not in page and "+NEW" not in page
    whole = typed("runs", "diff", first, second, "--full").out
    assert "    +# straight\n" in whole and "    +NEW = 1\n" in whole


def test_json_has_all_details_of_files_and_components(typed: Typed, editing: Editing) -> None:
    first, second = before_and_after(editing, DEPTH)

    found = typed("runs", "diff", first, second, "--json").json

    component, = [one for one in found if one["section"] == "components"]
    assert (component["path"], component["class"]) == ("scenario", "Grow")
    assert len(component["first"]) == len(component["second"]) == 64
    assert component["declare"] == (
        f'register.same_behaviour("Grow", "{component["first"][:12]}", "{component["second"][:12]}")')
    file, = [one for one in found if one["section"] == "source" and one["path"].startswith("growing/")]
    assert (file["path"], file["change"]) == ("growing/things.py", "changed")
    assert file["diff"].startswith("@@ ") and file["first"] != file["second"]


def test_a_binary_file_is_only_named(typed: Typed, growing: ProjectFolder) -> None:
    runs = []
    for content in (b"\0\1", b"\0\2"):
        (growing.package / "weights.bin").write_bytes(content)
        runs += typed("submit", "first", "--json").json

    assert "growing/weights.bin  different content\n" in typed("runs", "diff", *runs).out


def test_very_different_files_are_not_compared_by_line(typed: Typed, growing: ProjectFolder) -> None:
    runs = []
    for letter in "ab":
        growing.write("words.txt", "".join(f"{letter}{number}\n" for number in range(3000)))
        runs += typed("submit", "first", "--json").json

    page = typed("runs", "diff", *runs, "--full").out
    assert "growing/words.txt  too many lines to compare\n" in page


def test_a_queued_run_is_compared_by_its_pinned_code(typed: Typed, editing: Editing) -> None:
    first = editing.run()
    editing.edit(DEPTH)
    second, = typed("submit", "first", "--json").json

    answer = typed("runs", "diff", first, second)

    assert "scenario: Grow" in answer.out and "growing/things.py" in answer.out
    assert answer.err == f"packages and machine are not compared: run {second} has no record of them\n"


def test_a_long_difference_is_cut_without_full(typed: Typed, editing: Editing) -> None:
    lines, head = "".join(f"LINE_{number} = {number}\n" for number in range(200)), "class Model(Component):"
    first, second = before_and_after(editing, (head, lines + head))

    short = typed("runs", "diff", first, second).lines

    assert any(line.endswith("more lines differ; --full shows them") for line in short)
    assert len(short) < 100 < 200 < len(typed("runs", "diff", first, second, "--full").lines)


def test_another_class_is_not_a_code_change(typed: Typed, editing: Editing) -> None:
    page = typed("runs", "diff", editing.run("--set", "model=Tree"), editing.run("--set", "model=Line")).out

    assert "components" not in page
    assert ["model", "Tree", "Line"] in [line.split() for line in page.splitlines()]


def test_without_a_snapshot_the_fingerprints_are_shown(typed: Typed, harness: Harness) -> None:
    runs = [done(harness, {"components": {"model": {"class": "Tree", "fingerprint": f"sha256:{digits}"}}})
            for digits in ("a" * 64, "b" * 64)]

    answer = typed("runs", "diff", *runs)

    assert answer.columns[1] == ["model: Tree", "a" * 12, "b" * 12]
    assert answer.err == "source code cannot be shown: run 1 has no code snapshot\n"


def test_source_is_coloured_on_a_terminal(at_terminal: Callable[..., Any], editing: Editing) -> None:
    first, second = before_and_after(editing, ("slope: float = 1.0", "slope: float = 2.0"))

    terminal = at_terminal("runs", "diff", first, second, columns=80)

    assert terminal.ended() == 0
    assert "\x1b[31m-    slope: float = 1.0" in terminal.raw
    assert "\x1b[32m+    slope: float = 2.0" in terminal.raw
