"""`hyperspace runs diff`: only what differs, from the config to the machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.records.run import Finish, Update
from hyperspace_core.records.states import Outcome
from hyperspace_core.storage import Store
from hyperspace_core.testing.project import ProjectFolder, forget
from hyperspace_core.testing.stores.desk import Desk
from hyperspace_core.worker.options import WorkerOptions
from hyperspace_core.worker.worker import Worker

from .conftest import Answer
from .growing import THINGS

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

  code        run 1  run 2
  git.commit  abc    def

  packages  run 1  run 2
  numpy      1.26    2.0

  host       run 1  run 2
  host.cpus      4      8

  metrics   run 1  run 2
  accuracy    0.5   0.75
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


# -- code ----------------------------------------------------------------------------------------------------


def edited(typed: Typed, store: Store, growing: ProjectFolder, *edits: tuple[str, str],
           more: dict[str, str] | None = None) -> tuple[int, int]:
    """A run of the project, and one after its classes were edited, both by a worker."""
    text = THINGS
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    runs = []
    for files in ({}, {"things.py": text, **(more or {})}):
        for name, content in files.items():
            growing.write(name, content)
        forget(growing.package.name)
        runs += typed("submit", "first", "--json").json
        Worker(store, growing.name, build_manager(), WorkerOptions(isolation="inline", drain=True)).run()
    return runs[0], runs[1]


def test_code_that_differs_is_shown_with_what_would_declare_it_harmless(
        typed: Typed, store: Store, growing: ProjectFolder) -> None:
    first, second = edited(typed, store, growing, ('"depth", 0) + noise', '"depth", 1) + noise'))
    _, components, _, declaration, *rest = map(str.strip, typed("runs", "diff", first, second).lines)
    old, new = components.split()[-2:]

    assert components.startswith("scenario: Grow")
    assert declaration == f'register.same_behaviour("Grow", "{old}", "{new}")'
    assert "growing/things.py" in rest
    assert [line[:1] + line.split("getattr")[1][:19] for line in rest if "getattr" in line] == [
        '-(model, "depth", 0)', '+(model, "depth", 1)']


def test_comments_files_of_one_run_only_and_contents_that_are_no_text_are_named(
        typed: Typed, store: Store, growing: ProjectFolder) -> None:
    growing.write("old.py", "OLD = 1\n")
    (growing.package / "weights.bin").write_bytes(b"\0\1")
    (growing.package / "same.txt").write_text("same")
    first, second = edited(typed, store, growing, ("class Line(Model):", "# straight\nclass Line(Model):"),
                           more={"new.py": "NEW = 1\n"})
    page = typed("runs", "diff", first, second).out

    assert "components" not in page and "same.txt" not in page
    assert "growing/things.py  in comments and formatting only\n" in page
    assert f"growing/new.py  in run {second} only\n" in page
    assert "+# straight" not in page and "+NEW" not in page
    whole = typed("runs", "diff", first, second, "--full").out
    assert "    +# straight\n" in whole and "    +NEW = 1\n" in whole
    files = {one["path"]: one for one in typed("runs", "diff", first, second, "--json").json
             if one["section"] == "source" and one["path"].startswith("growing/")}
    assert {path: one["change"] for path, one in files.items()} == {
        "growing/things.py": "restyled", "growing/new.py": "added"}
    assert "first" not in files["growing/new.py"] and files["growing/new.py"]["diff"].endswith("+NEW = 1")


def test_a_file_that_is_no_text_is_only_named(typed: Typed, store: Store, growing: ProjectFolder) -> None:
    (growing.package / "weights.bin").write_bytes(b"\0\1")
    runs = list(typed("submit", "first", "--json").json)
    (growing.package / "weights.bin").write_bytes(b"\0\2")
    runs += typed("submit", "first", "--json").json

    assert "growing/weights.bin  other content\n" in typed("runs", "diff", *runs).out


def test_a_long_difference_is_cut_unless_all_of_it_is_wanted(typed: Typed, store: Store,
                                                             growing: ProjectFolder) -> None:
    lines = "".join(f"LINE_{number} = {number}\n" for number in range(200))
    head = "class Model(Component):"
    first, second = edited(typed, store, growing, (head, lines + head))

    short = typed("runs", "diff", first, second).lines
    assert any(line.endswith("more lines differ; --full shows them") for line in short)
    assert len(short) < 80 < 200 < len(typed("runs", "diff", first, second, "--full").lines)


def test_in_json_a_component_has_its_class_and_the_line_to_paste(typed: Typed, store: Store,
                                                                 growing: ProjectFolder) -> None:
    first, second = edited(typed, store, growing, ('"depth", 0) + noise', '"depth", 1) + noise'))

    only, = [one for one in typed("runs", "diff", first, second, "--json").json
             if one["section"] == "components"]

    assert (only["path"], only["class"]) == ("scenario", "Grow")
    assert len(only["first"]) == len(only["second"]) == 64
    assert only["declare"] == (
        f'register.same_behaviour("Grow", "{only["first"][:12]}", "{only["second"][:12]}")')


def test_another_class_is_no_change_of_code(typed: Typed, store: Store, growing: ProjectFolder) -> None:
    runs = [run for model in ("Tree", "Line")
            for run in typed("submit", "first", "--set", f"model={model}", "--json").json]
    Worker(store, growing.name, build_manager(), WorkerOptions(isolation="inline", drain=True)).run()

    page = typed("runs", "diff", *runs).out

    assert "components" not in page and "source" not in page
    assert ["model", "Tree", "Line"] in [line.split() for line in page.splitlines()]


def test_the_source_is_in_colours_on_a_terminal(at_terminal: Callable[..., Any], typed: Typed, store: Store,
                                                growing: ProjectFolder) -> None:
    first, second = edited(typed, store, growing, ("slope: float = 1.0", "slope: float = 2.0"))

    terminal = at_terminal("runs", "diff", first, second, columns=80)

    assert terminal.ended() == 0
    assert "\x1b[31m-    slope: float = 1.0" in terminal.raw
    assert "\x1b[32m+    slope: float = 2.0" in terminal.raw
