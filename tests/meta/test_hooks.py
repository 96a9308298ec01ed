"""Every hook is documented, listed on the page of hooks, called, and used by a test."""

from __future__ import annotations

import inspect
import re

import pytest

from hyperspace_core import hookspecs
from support.places import PACKAGE, ROOT

HOOKS = [name for name, _ in inspect.getmembers(hookspecs, inspect.isfunction)
         if name.startswith("hyperspace_")]
PHASES = {"Registration", "A run", "Reproducibility", "Observers", "A worker"}


def text_below(folder: str, *, without: str = "") -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob("*.py"))
                     if not without or without not in path.parts)


@pytest.fixture(scope="module")
def called() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))
                     if path.name != "hookspecs.py")


@pytest.fixture(scope="module")
def tested() -> str:
    return text_below("tests", without="meta") + text_below("docs/examples")


def test_there_are_hooks() -> None:
    assert len(HOOKS) == 19


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_s_docstring_is_complete(hook: str) -> None:
    text = inspect.getdoc(getattr(hookspecs, hook)) or ""

    for field in (":When:", ":Default:", ":If it raises:"):
        assert field in text


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_called_in_core(called: str, hook: str) -> None:
    assert re.search(rf"\.{hook}\(|[\"']{hook}[\"']|\.{hook}\b", called)


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_is_implemented_in_a_test(tested: str, hook: str) -> None:
    assert re.search(rf"def {hook}\(", tested)


def test_the_page_of_hooks_has_all_of_them() -> None:
    page = (ROOT / "docs/hooks.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^## (.*)$", page, re.M)) == PHASES
    assert sorted(re.findall(r"^### `(\w+)`$", page, re.M)) == HOOKS


def test_the_diagram_of_a_run_names_every_hook_of_a_run() -> None:
    picture = (ROOT / "docs/_static/life.svg").read_text(encoding="utf-8")
    elsewhere = {f"hyperspace_{name}" for name in ("register", "storage", "commands", "study",
                                                           "worker_changed")}

    assert sorted(re.findall(r"hyperspace_\w+", picture)) == sorted(set(HOOKS) - elsewhere)
