"""The public names of projects and notebooks are where the docs say."""

from __future__ import annotations

import importlib

import pytest

import hyperspace_core
from hyperspace_core import records
from hyperspace_core.errors import ProjectError
from hyperspace_core.extension.project import open_project
from support.world import EMPTY, World


@pytest.mark.parametrize("module", [hyperspace_core, records])
def test_every_name_of_a_list_is_there(module: object) -> None:
    names = module.__all__  # type: ignore[attr-defined]

    assert len(set(names)) == len(names)
    assert [name for name in names if getattr(module, name, None) is None] == []


@pytest.mark.parametrize(("name", "home"), [
    ("each", "hyperspace_core.ranges.each"), ("active", "hyperspace_core.run.as_current_run"),
    ("Section", "hyperspace_core.run.Section"), ("Absent", "hyperspace_core.run.Absent")])
def test_names_that_left_the_root_still_work_there(name: str, home: str) -> None:
    module, _, attribute = home.rpartition(".")

    assert getattr(hyperspace_core, name) is getattr(importlib.import_module(module), attribute)
    assert name not in hyperspace_core.__all__


@pytest.mark.parametrize("module", [hyperspace_core, records])
def test_a_name_that_is_nowhere_is_an_attribute_error(module: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nonsense'"):
        module.Nonsense  # type: ignore[attr-defined]  # noqa: B018


def test_a_project_opens_with_all_installed_plugins(world: World) -> None:
    world.project("zoo", EMPTY)

    assert open_project("zoo").name == "zoo"


@pytest.mark.parametrize(("line", "new"), [
    ("from hyperspace_core.space import Int", "hyperspace_core.ranges"),
    ("from hyperspace_core.config.steps import rename", "hyperspace_core.migrations"),
    ("import hyperspace_core.testing.stores", "pytest_hyperspace"),
    ("from hyperspace_optuna.tuners import TPE", "hyperspace_tuning"),
])
def test_an_import_of_a_module_that_is_gone_names_the_new_one(world: World, line: str, new: str) -> None:
    world.project("zoo", f"{line}\n{EMPTY}")

    with pytest.raises(ProjectError, match=rf"which is gone; import from {new} \("):
        open_project("zoo")
