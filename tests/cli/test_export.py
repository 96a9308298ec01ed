"""Tests of `hyperspace runs export`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hyperspace_core import load_component
from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer

Typed = Callable[..., Answer]


def test_a_run_is_exported_to_a_folder(typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first", "--set", "model.depth=5")

    answer = typed("runs", "export", 1, tmp_path / "model")

    assert answer.out == f"run 1 exported to {tmp_path / 'model'}: first, 0 artifacts\n"
    assert load_component(tmp_path / "model").depth == 5


def test_the_folder_can_be_an_option(typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first")

    assert typed("runs", "export", 1, "--to", tmp_path / "a", "--component", "model").code == 0
    assert (tmp_path / "a/hyperspace.json").is_file()
    assert "no folder: name the one to write" in typed("runs", "export", 1, expect=2).err
    assert "contradict each other" in typed("runs", "export", 1, "x", "--to", "y", expect=2).err


def test_json_says_what_was_written(typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first")

    found = typed("runs", "export", 1, tmp_path / "model", "--json").json

    assert found["folder"] == str(tmp_path / "model")
    assert (found["run"], found["task"], found["artifacts"]) == (1, "first", [])
    assert [one["path"] for one in found["components"]] == ["model", "scenario"]


def test_a_dry_run_writes_nothing(typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first")

    answer = typed("runs", "export", 1, tmp_path / "model", "--dry-run")

    assert answer.out.startswith("would export run 1 to ")
    assert typed("runs", "export", 1, tmp_path / "model", "--dry-run", "--json").json["run"] == 1
    assert not (tmp_path / "model").exists()


def test_an_existing_export_is_replaced_only_with_force(
        typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first")
    typed("runs", "export", 1, tmp_path / "model")

    for words in ((), ("--dry-run",)):
        answer = typed("runs", "export", 1, tmp_path / "model", *words, expect=2)
        assert answer.err == (f"error: {tmp_path / 'model'}: contains an export already; replace it with "
                              "--force (force=True)\n")
    typed("runs", "export", 1, tmp_path / "model", "--force")


def test_mistakes_are_one_line_each(typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first")
    typed("submit", "first")
    target = tmp_path / "model"

    assert "no run 9 in this store" in typed("runs", "export", 9, target, expect=5).err
    assert "run 2 is QUEUED: export it once it has ended" in typed("runs", "export", 2, target, expect=6).err
    gone = typed("runs", "export", 1, target, "--artifact", "x.bin", expect=5).err
    assert gone == "error: run 1 has no artifact 'x.bin'; it has none\n"
    odd = typed("runs", "export", 1, target, "--component", "modle", expect=2).err
    assert odd == "error: run 1 has no component `modle`; did you mean 'model'?\n"
    assert not target.exists()


def test_a_failed_run_is_exported_with_a_warning(
        typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    typed("run", "first", "--set", "noise=-1.0", expect=1)

    answer = typed("runs", "export", 1, tmp_path / "model")

    assert "warning: run 1 is FAILED: its artifacts may be incomplete" in answer.err
