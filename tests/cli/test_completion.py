"""Shell completion in bash and zsh: commands, projects, tasks, states, run ids."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer
from support.searching import new_search

Apart = Callable[..., Answer]


def test_commands_and_their_subcommands(completed: Callable[..., list[str]]) -> None:
    assert {"status", "results", "runs", "queue", "submit"} <= set(completed("hyperspace "))
    assert completed("hyperspace queue pri") == ["priority"]
    assert completed("hyperspace runs di") == ["diff"]


@pytest.mark.parametrize("line", ["hyperspace runs show ", "hyperspace runs logs -f ",
                                  "hyperspace queue cancel 1 ", "hyperspace runs diff 1 "])
def test_run_ids_the_newest_first(completed: Callable[..., list[str]], harness: Harness, line: str) -> None:
    runs = harness.submit_many(3)

    assert completed(line) == [str(run) for run in reversed(runs)]


def test_run_ids_are_completed_by_prefix(completed: Callable[..., list[str]], harness: Harness) -> None:
    harness.submit_many(12)

    assert completed("hyperspace runs show 1") == ["12", "11", "10", "1"]


def test_run_ids_of_the_store_that_was_typed(completed: Callable[..., list[str]], harness: Harness,
                                             url: str) -> None:
    harness.submit()
    elsewhere = {"HYPERSPACE_STORAGE": "sqlite:////nowhere/x.db"}

    assert completed(f"hyperspace runs show --storage {url} ", **elsewhere) == ["1"]


def test_tasks_of_the_project(completed: Callable[..., list[str]], project: ProjectFolder) -> None:
    assert completed("hyperspace results be") == ["behave"]
    assert completed("hyperspace queue list --task ") == ["behave"]
    assert {"holdout", "pipeline"} <= set(completed("hyperspace results --project digits "))


def test_installed_projects(completed: Callable[..., list[str]], project: ProjectFolder) -> None:
    assert completed("hyperspace status --project beh") == ["behaving"]


def test_ids_of_searches_the_newest_first(completed: Callable[..., list[str]], harness: Harness) -> None:
    for _ in range(2):
        new_search(harness.store, harness.project)

    assert completed("hyperspace queue cancel --search ") == ["2", "1"]


def test_states(completed: Callable[..., list[str]]) -> None:
    assert completed("hyperspace runs list --status c") == ["completed", "cancelled"]


@pytest.mark.parametrize("environment", [{"HYPERSPACE_PROJECT": ""}, {"HYPERSPACE_STORAGE": "nonsense://"},
                                         {"HYPERSPACE_STORAGE": "sqlite:////proc/no/such.db"}])
def test_an_error_gives_no_completions(completed: Callable[..., list[str]],
                                       environment: dict[str, str]) -> None:
    assert completed("hyperspace runs show ", **environment) == []


def test_completion_creates_no_store(completed: Callable[..., list[str]], tmp_path: Path, url: str) -> None:
    completed("hyperspace runs show ")

    assert not [path for path in tmp_path.iterdir() if path.suffix == ".db"]


def test_zsh_gets_a_description_of_each_word(typed_apart: Apart, harness: Harness) -> None:
    harness.submit()

    answer = typed_apart(_HYPERSPACE_COMPLETE="zsh_complete", COMP_WORDS="hyperspace runs show ",
                         COMP_CWORD="3")

    assert answer.lines[:3] == ["plain", "1", "QUEUED task"]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_completion_script_is_printed(typed_apart: Apart, shell: str) -> None:
    script = typed_apart(_HYPERSPACE_COMPLETE=f"{shell}_source").out

    assert f"_HYPERSPACE_COMPLETE={shell}_complete" in script


def test_bash_itself_completes_a_run_id(typed_apart: Apart, harness: Harness, tmp_path: Path) -> None:
    harness.submit_many(2)
    command = tmp_path / "hyperspace"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m hyperspace_core "$@"\n')
    command.chmod(0o700)
    script = typed_apart(_HYPERSPACE_COMPLETE="bash_source").out
    ask = """
        COMP_WORDS=(hyperspace runs show "") COMP_CWORD=3
        _hyperspace_completion hyperspace
        echo "${COMPREPLY[@]}"
    """

    done = subprocess.run(["bash", "-c", script + ask], capture_output=True, text=True, check=True,
                          env=os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"})

    assert done.stdout.split() == ["2", "1"]
