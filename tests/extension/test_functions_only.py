"""A project of stage hooks without classes: plain settings dicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperspace_core.errors import ConfigError
from hyperspace_core.extension.manager import Extensions, build_manager
from hyperspace_core.extension.project import Project, open_project
from hyperspace_core.run import Memory, Run
from hyperspace_core.stages import HookStages
from support.world import World

FUNCTIONS_ONLY = Path(__file__).parents[1] / "projects" / "functions_only"


@pytest.fixture
def wine(world: World):
    world.adopt(FUNCTIONS_ONLY, "hyperspace-test-functions-only",
                {"hyperspace.projects": {"wine": "wine_functions"}})
    yield open_project("wine", build_manager())
    world.forget([FUNCTIONS_ONLY])


def execute(project: Project, extensions: Extensions, config: dict[str, object],
            folder: Path) -> tuple[object, Run]:
    tree = project.complete_scenario(project.task(next(iter(project.tasks))))
    run = Run(sink=Memory(), seed=0, workdir=folder)
    run.stages = HookStages(run, extensions)
    scenario = project.build_scenario(tree)
    run.arguments = project.build_arguments(scenario, project.complete(tree, config), run)
    return extensions.hook.hyperspace_execute(run=run, scenario=scenario), run


def test_a_project_of_functions_runs_on_real_data(wine: Project, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    result, run = execute(wine, wine.extensions, {"model": {"neighbours": 5}}, tmp_path)
    assert isinstance(result, dict)
    assert result["accuracy"] > 0.9
    assert isinstance(run.sink, Memory)
    assert "tested" in [point.name for point in run.sink.points]


def test_settings_are_stored_as_written(wine: Project) -> None:
    task = wine.task("which_wine")
    assert wine.complete_scenario(task)["dataset"] == {"test_share": 0.3}
    assert wine.complete(task, {"model": {"neighbours": 5, "deep": {"a": [1, None]}}}) == {
        "model": {"neighbours": 5, "deep": {"a": [1, None]}},
        "preprocessor": {"className": "Unchanged"}, "trainer": {"className": "Fit"}}


def test_settings_without_a_hook_are_refused(wine: Project) -> None:
    with pytest.raises(ConfigError) as caught:
        wine.complete(wine.task("which_wine"), {"model": {"neighbours": 5}, "preprocessor": {"scale": True}})
    (problem,) = caught.value.problems
    assert problem == ("`preprocessor`: a plain settings dict needs a hook that receives it, and nothing "
                       "implements hyperspace_preprocess; implement it, or register a Preprocessor")


def test_a_misspelt_class_name_key_is_refused(world: World) -> None:
    world.project("lab", """
        from dataclasses import dataclass
        from hyperspace_core import Dataset, Model, Scorer, hookimpl

        @dataclass
        class Table(Dataset):
            rows: int = 3

        @hookimpl
        def hyperspace_register(register):
            register.component(Dataset, Table)
            register.tasks("lab_package")

        @hookimpl
        def hyperspace_score(scorer): return {"result": 1.0}
    """)
    (world.root / "lab-project/lab_package/t.json").write_text(
        '{"scenario": {"className": "Pipeline", "dataset": {"clasName": "Table"}, "scorer": {}}}')
    project = open_project("lab", build_manager())
    said = r"t\.json: `scenario\.dataset\.className`: missing; choose the Dataset: Table"
    with pytest.raises(ConfigError, match=said):
        project.complete_scenario(project.task("t"))
