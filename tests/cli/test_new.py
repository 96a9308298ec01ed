"""Tests of the output of `hyperspace new`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Answer

Typed = Callable[..., Answer]


def test_the_files_and_the_next_commands_are_printed(typed: Typed, tmp_path: Path,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    answer = typed("new", "my-study")

    assert answer.lines[0] == "wrote 11 files"
    assert "  my-study/my_study/tasks/first.json" in answer.lines
    assert answer.lines[-4:] == [
        "next steps:",
        "  python -m pip install -e ./my-study",
        "  hyperspace submit first --project my-study --grid model=Constant,Line",
        "  hyperspace worker --project my-study --drain",
    ]
    assert (tmp_path / "my-study" / "pyproject.toml").exists()


def test_a_folder_with_a_blank_in_its_name(typed: Typed, tmp_path: Path) -> None:
    answer = typed("new", "demo", "--folder", tmp_path / "my work")

    assert f"  python -m pip install -e '{tmp_path}/my work/demo'" in answer.lines


def test_a_dry_run_writes_nothing(typed: Typed, tmp_path: Path) -> None:
    answer = typed("new", "demo", "--folder", tmp_path / "here", "--dry-run")

    assert answer.lines[0] == "would write 11 files"
    assert not (tmp_path / "here").exists()


def test_a_taken_name_is_a_warning(typed: Typed, tmp_path: Path) -> None:
    assert "a project 'digits' is installed already (hyperspace-example-digits" in typed(
        "new", "digits", "--folder", tmp_path).err


@pytest.mark.parametrize(("name", "message"), [("2fast", "letters, digits"), ("json", "would hide another"),
                                               ("../up", "letters, digits")])
def test_an_invalid_name_is_refused(typed: Typed, tmp_path: Path, name: str, message: str) -> None:
    line = typed("new", name, "--folder", tmp_path, expect=2).err

    assert message in line
    assert line.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
