"""`hyperspace run`: execute a run in this process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.states import State
from hyperspace_core.stores.sqlite import open_store
from pytest_hyperspace.project import ProjectFolder
from support.behaving import until
from support.commands import Answer

Typed = Callable[..., Answer]


def test_the_result_follows_the_run_s_output(typed: Typed, growing: ProjectFolder, url: str) -> None:
    answer = typed("run", "first", "--set", "model.depth=4", "--tag", "quick", "--note", "a try")

    assert answer.lines[0] == "Tree with [1, 2]"
    assert answer.lines[1].startswith("run 1 COMPLETED after ")
    assert answer.lines[1].endswith("s: score 4.05")
    with open_store(url) as store:
        record = store.get(1)
    assert (record.state, record.tags, record.note, record.seed) == (State.COMPLETED, ("quick",), "a try", 5)


def test_json_is_the_record_and_the_output_goes_to_stderr(typed: Typed, growing: ProjectFolder) -> None:
    answer = typed("run", "first", "--json", "--seed", 9)

    assert (answer.json["id"], answer.json["state"], answer.json["seed"]) == (1, "COMPLETED", 9)
    assert "Tree with [1, 2]" in answer.err


def test_a_failure_names_its_reason_and_the_traceback_command(typed: Typed, growing: ProjectFolder) -> None:
    answer = typed("run", "first", "--set", "noise=-1", expect=1)

    assert answer.lines[1].startswith("run 1 FAILED after ")
    assert answer.lines[1].endswith(": ValueError: noise below zero")
    command = answer.err.removeprefix("its traceback: hyperspace ").split()
    assert "in single_run" in typed(*command).out


def test_a_dry_run_shows_the_config_and_makes_no_store(typed: Typed, growing: ProjectFolder,
                                                       url: str) -> None:
    answer = typed("run", "first", "--dry-run")

    assert answer.lines[0] == "would run 1 run of first here, seed 5"
    assert not Path(url.removeprefix("sqlite:///")).exists()


def test_ctrl_c_cancels_the_run(start: Callable[..., subprocess.Popen[str]], project: ProjectFolder, url: str,
                                tmp_path: Path) -> None:
    process = start("run", "behave", "--set", "how=wait", "--set", f"folder={tmp_path}")
    until(lambda: (tmp_path / "began-1-1").exists(), "the run begins")

    process.send_signal(2)
    out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "waiting" in out
    assert err == "error: interrupted: run 1 is cancelled\n"
    with open_store(url) as store:
        assert store.get(1).state is State.CANCELLED


def test_a_terminal_shows_progress_and_output(at_terminal: Callable[..., Any], tmp_path: Path,
                                              project: ProjectFolder, url: str) -> None:
    terminal = at_terminal("run", "behave", "--set", "how=wait", "--set", f"folder={tmp_path}")

    terminal.wait_for("waiting\n")
    terminal.wait_for("behave  30% (3 of 10)")
    (tmp_path / "go").touch()

    assert terminal.ended() == 0
    assert "run 1 COMPLETED after " in terminal.text


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_pipe_gets_no_bar(typed_apart: Typed, growing: ProjectFolder, options: list[str]) -> None:
    answer = typed_apart("run", "first", *options)

    assert "\x1b" not in answer.out + answer.err
    assert answer.err == ("Tree with [1, 2]\n" if options else "")
