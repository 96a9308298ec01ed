"""The commands `reproduce` and `parity`; their results are tested in `reproduce`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_hyperspace.project import ProjectFolder, forget
from support.commands import Typed
from support.growing import THINGS

QUIET = ("--ignore", "stage_seconds/*")            # of an installed plugin that times the stages


@pytest.fixture(autouse=True)
def first(typed: Typed, growing: ProjectFolder) -> None:
    """Run 1 has completed."""
    typed("submit", "first", "--set", "model=Tree", "--set", "model.depth=7", "--seed", 33)
    typed("worker", "--drain")


def edit(growing: ProjectFolder) -> None:
    assert THINGS.count("return {") == 1
    growing.write("things.py", THINGS.replace("return {", "return {'extra': 1.0, "))


def test_reproduce_prints_the_verdict(typed: Typed) -> None:
    answer = typed("reproduce", 1, *QUIET)

    assert answer.lines[0] == "run 1 of first: identical"
    assert "numbers compared, on its own code, snapshot " in answer.out
    assert typed("runs", "list", "--json").json[0]["id"] == 1


def test_a_divergence_names_place_and_cause_and_exits_with_1(typed: Typed, growing: ProjectFolder) -> None:
    edit(growing)

    answer = typed("reproduce", 1, *QUIET, "--code", "current", expect=1)

    assert answer.lines[:2] == ["run 1 of first: diverged",
                                "  diverged at metric extra: nothing then, 1.0 now"]
    assert "likely cause: component Grow has other code" in answer.lines


def test_json_has_the_whole_report(typed: Typed) -> None:
    found = typed("reproduce", 1, *QUIET, "--json").json

    assert (found["run"], found["verdict"], found["first"]) == (1, "identical", None)
    assert found["before"] == found["now"]


def test_a_dry_run_names_the_code_and_executes_nothing(typed: Typed) -> None:
    assert typed("reproduce", 1, "--dry-run").out.startswith(
        "would execute run 1 of first again, seed 33, on its own code, snapshot ")
    assert typed("reproduce", 1, "--dry-run", "--code", "current").out == (
        "would execute run 1 of first again, seed 33, on the current code, "
        "with the packages installed here\n")


@pytest.mark.parametrize(("words", "code", "said"), [
    ((7,), 5, "no run 7 in this store (project 'growing' has 1 to 1)"),
    ((1, "--tolerance", "-1"), 2, "tolerance: expected a number >= 0, got -1.0"),
    ((1, "--code", "old"), 2, "--code"),
])
def test_a_mistake_is_one_line(typed: Typed, words: tuple[object, ...], code: int, said: str) -> None:
    answer = typed("reproduce", *words, expect=code)

    assert said in answer.err and answer.out == ""


def test_missing_code_of_a_run_is_reported_with_the_reason(typed: Typed, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").write_text("in the way of the cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "a file"))
    answer = typed("reproduce", 1, expect=3)

    assert "run 1: the code it was executed on is not available: NotADirectoryError: " in answer.err
    assert answer.err.endswith("; no commit was recorded; --code current uses the current code\n")


def test_a_run_that_has_not_ended_cannot_be_reproduced(typed: Typed) -> None:
    typed("submit", "first")

    assert "run 2 is QUEUED: only a run that has completed or failed can be reproduced" in (
        typed("reproduce", 2, expect=6).err)


def test_parity_compares_a_class_with_its_replacement(typed: Typed, growing: ProjectFolder) -> None:
    growing.write("things.py", THINGS.replace("@dataclass\nclass Line(", '''@dataclass
class Oak(Model):
    """Grows, too."""

    depth: int = 3
    split: str = "best"


@dataclass
class Line(''', 1))
    forget("growing")

    plan = typed("parity", "Tree", "Oak", "--dry-run").out
    rows = typed("parity", "Tree", "Oak", "--json").json

    assert plan == "would execute 1 run again with Oak for Tree: 1\n"
    assert [(row["run"], row["problem"]) for row in rows] == [(1, None)]
    assert "no component 'Elm' in project 'growing'" in typed("parity", "Tree", "Elm", expect=3).err
