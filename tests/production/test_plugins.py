"""Tests that only named plugins are loaded in production."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperspace_core import load_component
from hyperspace_core.errors import ProjectError, UnknownClassError, UsageError
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder
from support.world import World

PLUGIN = """
    from dataclasses import dataclass
    from hyperspace_core.markers import hookimpl

    @hookimpl
    def hyperspace_register(register):
        from studio.parts import Reader

        @dataclass
        class Borrowed(Reader):
            def read(self, numbers):
                return len(numbers)

        register.component(Reader, Borrowed)
    """


@pytest.fixture
def borrowed(world: World, project: ProjectFolder, tmp_path: Path) -> Path:
    """An export of a run with a reader of a plugin."""
    world.plugin("lender", PLUGIN)
    with Study("studio", f"sqlite:///{tmp_path}/runs.db") as study:
        run = study.run("sheet", {"reader": "Borrowed"}, echo=False)
        assert run.state == "COMPLETED", run
        return study.export(run.id, tmp_path / "model")


def test_a_plugin_s_component_is_loaded_with_the_plugin(borrowed: Path) -> None:
    assert load_component(borrowed, "reader", plugins=["lender"]).read([1, 2]) == 2


def test_an_unknown_class_error_names_the_plugin(borrowed: Path) -> None:
    with pytest.raises(UnknownClassError, match=r"no reader 'Borrowed'.*plugins=\[\.\.\.\] of .*lender"):
        load_component(borrowed, "reader")


def test_a_plugin_that_is_not_named_is_not_imported(borrowed: Path, world: World) -> None:
    world.plugin("broken", "raise RuntimeError('imported')")

    assert load_component(borrowed, "spare").factor == 0.0
    assert load_component(borrowed, "reader", plugins=["lender"]).read([]) == 0


def test_a_named_plugin_must_load_completely(borrowed: Path, world: World) -> None:
    world.plugin("broken", "raise RuntimeError('imported')")

    with pytest.raises(UsageError, match="no plugin 'lendr' is installed; did you mean 'lender'"):
        load_component(borrowed, "reader", plugins=["lendr"])
    with pytest.raises(ProjectError, match=r"plugin 'broken'.*RuntimeError: imported"):
        load_component(borrowed, "reader", plugins=["broken"])
