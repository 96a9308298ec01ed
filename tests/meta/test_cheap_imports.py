"""Importing a project's components loads no queue, store, git or command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hyperspace_core.cli.commands import COMMANDS

HEAVY = {"click", "git", "pandas", "pymongo", "optuna", "rich", "psutil", "sqlite3", "importlib_metadata",
         "platformdirs"}
FRONT = {f"hyperspace_core.{name}" for name in (
    "cli", "queue", "study", "stores.sqlite", "worker.worker", "execution.fork_server", "storage")}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {statement}; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("statement", [
    "import hyperspace_core",
    "from hyperspace_core import Component, Scenario, Run, Lazy, Int, Float, Choice, hookimpl, current_run",
    "from hyperspace_core import Pipeline",
])
def test_the_names_that_a_project_needs_load_nothing_heavy(statement: str) -> None:
    loaded = loaded_by(statement)

    assert not loaded & HEAVY
    assert not loaded & FRONT


def test_the_root_itself_loads_no_other_module_of_the_package() -> None:
    assert {name for name in loaded_by("import hyperspace_core") if name.startswith("hyperspace_core")} == {
        "hyperspace_core",
    }


def test_a_component_imports_no_queue_store_git_or_cli() -> None:
    # the project itself needs numpy and scikit-learn, which load some of these
    alone = loaded_by("import sklearn.ensemble, sklearn.svm, sklearn.calibration, sklearn.linear_model")
    loaded = loaded_by("from digits_study.components import Forest; Forest(trees=3).build(0)") - alone

    assert "digits_study.components" in loaded
    assert not loaded & HEAVY
    assert not loaded & FRONT


def test_every_name_of_the_root_is_importable() -> None:
    statement = "import hyperspace_core; [getattr(hyperspace_core, name) for name in hyperspace_core.__all__]"

    assert "hyperspace_core.study" in loaded_by(statement)


@pytest.mark.parametrize("words", [(), *((name,) for name in COMMANDS), ("runs", "show"), ("store", "gc"),
                                   ("queue", "list")])
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    statement = ("import contextlib, io; from hyperspace_core.cli.main import run; "
                 "contextlib.redirect_stdout(io.StringIO()).__enter__(); "
                 f"run({[*words, '--help']}); sys.stdout = sys.__stdout__")

    loaded = loaded_by(statement)
    assert "click" in loaded
    assert not loaded & {"git", "pandas", "rich", "psutil", "sqlite3", "msgspec", "asyncio"}
