"""Opening a project: imports, registration, and broken plugins."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.components import Dataset, Scenario
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.complete import complete_component
from hyperspace_core.errors import ConfigError, ProjectError, RegistrationError, TaskError, UnknownClassError
from hyperspace_core.extension.manager import Extensions, build_manager, find
from hyperspace_core.extension.project import Project, installed_projects, open_project
from hyperspace_core.markers import PLUGINS_GROUP
from hyperspace_core.records.run import Metric
from hyperspace_core.run import Memory, Run
from support.world import EMPTY, World, broken, hooks_of

ENTRY = """
    from hyperspace_core import hookimpl

    @hookimpl
    def hyperspace_register(register):
        from zoo_package import components
        register.module(components)
        register.tasks("zoo_package.tasks")
"""
COMPONENTS = """
    from abc import ABC, abstractmethod
    from dataclasses import dataclass
    from json import JSONDecoder
    from hyperspace_core import Component, Dataset, Run, Scenario

    class Keeper(Component):
        pass

    class Strict(Keeper, ABC):
        @abstractmethod
        def feed(self): ...

    @dataclass
    class _Base(Keeper):
        age: int = 40

    @dataclass
    class Kind(_Base):
        patience: float = 1.0

    @dataclass
    class Herd(Dataset):
        size: int = 3

    @dataclass
    class Visit(Scenario):
        herd: Dataset
        hours: float = 2.0

        def single_run(self, run: Run, keeper: Keeper = Kind(), seed: int = 0) -> float:
            return keeper.patience * self.herd.size
"""
TASK = """{"scenario": {"className": "Visit", "herd": "Herd"},
          "metric": {"name": "joy", "goal": "minimize"}, "seed": 4}"""


@pytest.fixture
def zoo(world: World) -> Path:
    return world.install("zoo-project", {"hyperspace.projects": {"zoo": "zoo_package.hyperspace"}}, {
        "zoo_package/__init__.py": "", "zoo_package/hyperspace.py": ENTRY,
        "zoo_package/components.py": COMPONENTS, "zoo_package/tasks/__init__.py": "",
        "zoo_package/tasks/visit.json": TASK,
    })


def names(project: Project) -> set[str]:
    return {entry.name for entry in project.registry.entries()}


# -- finding -------------------------------------------------------------------------------------------------


def test_projects_are_listed_and_none_is_imported(world: World, zoo: Path) -> None:
    world.project("lab", "raise RuntimeError('imported')")
    assert {"lab", "zoo"} <= {found.name for found in installed_projects()}
    assert not {"lab_package", "zoo_package"} & set(sys.modules)


def test_opening_one_project_imports_no_other(world: World, zoo: Path) -> None:
    world.project("lab", "raise RuntimeError('imported')")
    assert open_project("zoo", build_manager()).name == "zoo"
    assert "lab_package" not in sys.modules


def test_b6_a_project_that_is_not_installed(zoo: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        open_project("zo", build_manager())
    said = str(caught.value)
    assert said.startswith("no project 'zo' is installed. Known: ")
    assert "zoo" in said.partition("Did you mean")[0]
    assert said.endswith(" Did you mean 'zoo'? (A project registers itself under 'hyperspace.projects'; "
                         "is it pip-installed?)")


def test_two_distributions_with_one_project_are_both_named(world: World, zoo: Path) -> None:
    world.install("zoo-copy", {"hyperspace.projects": {"zoo": "zoo_package.hyperspace"}}, {})
    with pytest.raises(ProjectError, match=r"project 'zoo' is offered by zoo-copy 1\.0 and zoo-project 1\.0"):
        open_project("zoo", build_manager())


# -- a project that cannot be opened -------------------------------------------------------------------------


@pytest.mark.parametrize(("entry", "cause"), [
    ("import not_installed_at_all", "it needs the module 'not_installed_at_all', which is not installed"),
    ("raise ValueError('early')", "ValueError: early"),
    ("import sys; sys.exit(1)", "SystemExit(1)"),
    ("x = 1", "it implements no hook"),
    ("def hyperspace_register(register): ...", "its hyperspace_register is not marked as a hook"),
    ("@hookimpl\ndef hyperspace_registr(register): ...",
     "it implements hyperspace_registr, which this version"),
    ("@hookimpl\ndef hyperspace_register(register):\n    raise ValueError('late')",
     "its hyperspace_register failed: ValueError: late ("),
    ("@hookimpl\ndef hyperspace_register(register):\n    import not_installed_at_all",
     "its hyperspace_register failed: ModuleNotFoundError: No module named 'not_installed_at_all'"),
])
def test_a_project_that_cannot_be_opened_is_one_line(world: World, entry: str, cause: str) -> None:
    world.project("lab", "from hyperspace_core import hookimpl\n" + entry)
    extensions = build_manager()
    with pytest.raises(ProjectError) as caught:
        open_project("lab", extensions)
    assert str(caught.value).startswith(f"project 'lab' (lab-project 1.0) cannot be opened: {cause}")
    assert "\n" not in str(caught.value)
    assert hooks_of(extensions, "project lab") == []
    assert extensions.project is None


def test_a_registration_error_is_passed_on_unchanged(world: World) -> None:
    world.project("lab", """
        from dataclasses import dataclass
        from typing import Annotated
        from hyperspace_core import Dataset, Int, hookimpl

        @dataclass
        class Far(Dataset):
            size: Annotated[int, Int(1, 9)] = 10

        @hookimpl
        def hyperspace_register(register):
            register.component(Dataset, Far)
    """)
    with pytest.raises(RegistrationError, match=r"^Far\.size: the default 10 is outside Int\(1, 9\)"):
        open_project("lab", build_manager())


def test_a_manager_opens_one_project_at_a_time(world: World, zoo: Path) -> None:
    world.project("lab", EMPTY)
    extensions = build_manager()
    open_project("zoo", extensions)
    with pytest.raises(ProjectError, match="project 'zoo' is open already"):
        open_project("lab", extensions)
    assert open_project("zoo", extensions).name == "zoo"
    assert len([n for n, _ in extensions.manager.list_name_plugin() if n == "project zoo"]) == 1


def test_a_reimported_project_replaces_the_old_one(world: World, zoo: Path) -> None:
    extensions = build_manager()
    open_project("zoo", extensions)
    world.forget([zoo])
    project = open_project("zoo", extensions)
    module = importlib.import_module("zoo_package.components")
    assert project.registry.find(Dataset, "Herd").target is module.Herd
    assert extensions.manager.get_plugin("project zoo") is sys.modules["zoo_package.hyperspace"]


# -- what is registered --------------------------------------------------------------------------------------


def without_plugins() -> Extensions:
    """The components of the project without those of plugins installed in this environment."""
    return build_manager(disable={found.name for found in find(PLUGINS_GROUP)})


CORE = {"Pipeline", "Repeated", "PerSeries", "Rolling", "Unchanged", "Fit"}


def test_register_module_takes_concrete_components(zoo: Path) -> None:
    project = open_project("zoo", without_plugins())
    assert names(project) == {"Kind", "Herd", "Visit", *CORE}


def test_every_project_has_core_s_own_components(world: World) -> None:
    world.project("lab", EMPTY)
    assert names(open_project("lab", without_plugins())) == CORE


def test_a_project_has_distribution_packages_and_folders(zoo: Path) -> None:
    project = open_project("zoo", without_plugins())
    assert (project.name, project.distribution, project.version) == ("zoo", "zoo-project", "1.0")
    assert project.packages == {"zoo_package"}
    assert project.source == zoo / "zoo_package"
    assert project.task_folders == (zoo / "zoo_package" / "tasks",)


def test_a_task_of_a_file(zoo: Path) -> None:
    project = open_project("zoo", build_manager())
    task = project.task("visit")
    assert (task.metric, task.seed) == (Metric(name="joy", goal="minimize"), 4)
    assert project.complete_scenario(task) == {
        "className": "Visit", "herd": {"className": "Herd", "size": 3}, "hours": 2.0}


def test_a_config_is_built_and_run(zoo: Path, tmp_path: Path) -> None:
    project = open_project("zoo", build_manager())
    tree = project.complete_scenario(project.task("visit"))
    config = project.complete(tree, {"keeper": {"patience": 3}})
    assert config == {"keeper": {"className": "Kind", "age": 40, "patience": 3.0}, "seed": 0}
    run = Run(sink=Memory(), seed=1, workdir=tmp_path)
    scenario = project.build_scenario(tree)
    arguments = project.build_arguments(scenario, config, run)
    assert arguments["run"] is run
    assert scenario.single_run(**arguments) == 9.0
    assert project.build_arguments(scenario, config, run)["keeper"] is not arguments["keeper"]


def test_a_wrong_config_is_refused_with_every_problem(zoo: Path) -> None:
    project = open_project("zoo", build_manager())
    with pytest.raises(ConfigError) as caught:
        project.complete(project.task("visit"), {"keper": "Kind", "seed": "x"})
    assert caught.value.problems == (
        "`keper`: Visit.single_run has no such parameter; did you mean `keeper`?",
        "`seed`: expected int, found str 'x'")


def test_a_wrong_scenario_is_refused_with_its_file_name(zoo: Path) -> None:
    (zoo / "zoo_package/tasks/odd.json").write_text('{"scenario": {"className": "Visit", "hrs": 1}}')
    project = open_project("zoo", build_manager())
    with pytest.raises(ConfigError) as caught:
        project.complete_scenario(project.task("odd"))
    assert all(problem.startswith(f"{zoo}/zoo_package/tasks/odd.json: `scenario.") for problem in
               caught.value.problems)
    assert "did you mean `hours`?" in str(caught.value)


def test_an_unregistered_scenario_is_refused(zoo: Path) -> None:
    (zoo / "zoo_package/tasks/odd.json").write_text('{"scenario": "Vist"}')
    project = open_project("zoo", build_manager())
    with pytest.raises(UnknownClassError,
                       match=r"`scenario.className`: no scenario 'Vist'.* Did you mean 'Visit'\?"):
        project.complete_scenario(project.task("odd"))
    with pytest.raises(UnknownClassError, match=r"`scenario.className`: no scenario 'Vist'"):
        project.scenario_signature({"className": "Vist"})


def test_a_missing_task_is_refused(zoo: Path) -> None:
    project = open_project("zoo", build_manager())
    with pytest.raises(TaskError) as caught:
        project.task("vist")
    assert str(caught.value) == "no task 'vist' in project 'zoo'; did you mean 'visit'? Known: visit."


# -- a function as a project ---------------------------------------------------------------------------------

FUNCTION = """
    from typing import Annotated
    from hyperspace_core import Float, Run, hookimpl

    def train(run: Run, lr: Annotated[float, Float(1e-4, 1)] = 0.1, epochs: int = 5) -> float:
        '''Trains.'''
        return lr * epochs

    @hookimpl
    def hyperspace_register(register):
        {call}
"""


def function_project(world: World, call: str) -> Project:
    world.project("lab", FUNCTION.format(call=call))
    return open_project("lab", build_manager())


def test_a_plain_function_is_a_scenario_with_a_task_of_its_name(world: World, tmp_path: Path) -> None:
    project = function_project(world, 'register.scenario(train, goal="minimize")')
    task = project.task("train")
    assert task.metric == Metric(name="result", goal="minimize")
    tree = project.complete_scenario(task)
    assert tree == {"className": "train"}
    config = project.complete(tree, {"epochs": 4})
    assert config == {"lr": 0.1, "epochs": 4}
    scenario = project.build_scenario(tree)
    arguments = project.build_arguments(scenario, config, Run(sink=Memory(), seed=1, workdir=tmp_path))
    assert scenario.single_run(**arguments) == pytest.approx(0.4)
    assert family_of(type(scenario)) is Scenario
    assert type(scenario).__doc__ == "Trains."


def test_a_function_may_have_another_name_and_metric(world: World) -> None:
    project = function_project(world, 'register.scenario(train, name="fit", metric="loss")')
    assert project.task("fit").metric == Metric(name="loss")
    assert project.complete_scenario(project.task("fit")) == {"className": "fit"}


@pytest.mark.parametrize(("call", "cause"), [
    ('register.scenario(train, goal="min")', "expected 'maximize' or 'minimize'"),
    ("register.scenario(lambda lr=0.1: lr)", "the function has no name; give one"),
    ("register.scenario(7)", "expected a function or a Scenario class"),
    ('register.scenario(train, name="-x")', "task name '-x': use 1 to 100"),
    ("import json; register.module(json)", r"register\.module\(json\): it defines no component"),
    ("register.module(train)", "expected a module"),
    ('register.tasks("lab_package.nothing")', "there is no such package"),
    ('register.tasks("nowhere.tasks")', "there is no package 'nowhere'"),
    ('register.tasks("lab_package.hyperspace")', "it is a module; name the package of JSON files"),
    ('register.tasks("/nowhere/at/all")', "there is no such folder"),
    ("from hyperspace_core import Scenario; register.component(Scenario, type('Empty', (Scenario,), {}))",
     "scenario Empty has no method single_run"),
])
def test_an_invalid_registration_is_refused(world: World, call: str, cause: str) -> None:
    with pytest.raises((RegistrationError, TaskError), match=cause):
        function_project(world, call)


def test_a_third_party_class_joins_a_family(world: World) -> None:
    world.project("lab", """
        from fractions import Fraction
        from hyperspace_core import Component, Dataset, hookimpl

        class Foreign:
            def __init__(self, size=3): self.size = size

        @hookimpl
        def hyperspace_register(register):
            register.component(Dataset, Foreign, name="Abroad")
    """)
    project = open_project("lab", build_manager())
    assert complete_component(Dataset, "Abroad", project.registry) == {"className": "Abroad", "size": 3}


def test_b48_two_classes_of_one_name_are_both_named(world: World, zoo: Path) -> None:
    world.plugin("rival", """
        from dataclasses import dataclass
        from hyperspace_core import Dataset, hookimpl

        @dataclass
        class Herd(Dataset):
            pass

        @hookimpl
        def hyperspace_register(register):
            register.component(Dataset, Herd)
    """)
    with pytest.raises(RegistrationError) as caught:
        open_project("zoo", build_manager())
    assert "two classes are registered as Dataset 'Herd': rival_plugin:" in str(caught.value)
    assert "(plugin rival)" in str(caught.value)
    assert "zoo_package.components:" in str(caught.value)


# -- plugins that register -----------------------------------------------------------------------------------

SECOND_HALF_FAILS = """
    from dataclasses import dataclass
    from hyperspace_core import Dataset, hookimpl

    @dataclass
    class Extra(Dataset):
        pass

    @hookimpl
    def hyperspace_register(register):
        register.component(Dataset, Extra)
        raise ValueError("half-way")

    @hookimpl
    def hyperspace_train(model):
        return "mine"
"""


def test_a_plugin_adds_components_to_every_project(world: World, zoo: Path) -> None:
    world.plugin("extra", SECOND_HALF_FAILS.replace('raise ValueError("half-way")', "pass"))
    assert "Extra" in names(open_project("zoo", build_manager()))


def test_a_tryfirst_plugin_cannot_take_a_name_of_core(world: World, zoo: Path) -> None:
    world.plugin("thief", """
        from hyperspace_core import Scenario, hookimpl

        class Pipeline(Scenario):
            def single_run(self): return 1.0

        @hookimpl(tryfirst=True)
        def hyperspace_register(register):
            register.component(Scenario, Pipeline)
    """)
    extensions = build_manager()
    project = open_project("zoo", extensions)
    assert project.registry.find(Scenario, "Pipeline").target.__module__ == "hyperspace_core.scenarios"
    assert "Pipeline" in broken(extensions)["thief"]


def test_a_plugin_that_fails_half_way_registers_nothing(world: World, zoo: Path) -> None:
    world.plugin("extra", SECOND_HALF_FAILS)
    extensions = build_manager()
    project = open_project("zoo", extensions)
    assert "Extra" not in names(project)
    assert "Visit" in names(project)
    assert broken(extensions)["extra"].startswith("ValueError: half-way (")
    assert hooks_of(extensions, "extra") == []
    with pytest.raises(UnknownClassError,
                       match=r"plugin 'extra' \(extra-plugin 1\.0\) is left out: ValueError"):
        project.registry.find(Dataset, "Extra")


COMPANION = """
    from dataclasses import dataclass
    from hyperspace_core import Dataset

    @dataclass
    class Aviary(Dataset):
        birds: int = 12
"""


def companion(world: World, text: str, project: str = "zoo") -> None:
    world.install("aviaries", {"hyperspace.components": {project: "aviaries_module"}},
                  {"aviaries_module.py": text})


def test_another_distribution_adds_a_module_of_components(world: World, zoo: Path) -> None:
    companion(world, COMPANION)
    project = open_project("zoo", build_manager())
    assert project.registry.find(Dataset, "Aviary").origin == "aviaries 1.0"


def test_another_distribution_adds_components_by_hook(world: World, zoo: Path) -> None:
    companion(world, COMPANION + """
    from hyperspace_core import hookimpl

    @hookimpl
    def hyperspace_register(register):
        register.component(Dataset, Aviary)

    @hookimpl
    def hyperspace_train(model):
        return model
    """)
    extensions = build_manager()
    assert "Aviary" in names(open_project("zoo", extensions))
    assert extensions.implements("hyperspace_train") == ("aviaries",)
    assert "Aviary" in names(open_project("zoo", extensions))


def test_components_for_another_project_are_not_imported(world: World, zoo: Path) -> None:
    companion(world, "raise RuntimeError", project="lab")
    assert "aviaries" not in broken_after_opening()
    assert "aviaries_module" not in sys.modules


def broken_after_opening(**options: Any) -> dict[str, str]:
    extensions = build_manager(**options)
    project = open_project("zoo", extensions)
    assert "Visit" in names(project)
    return broken(extensions)


@pytest.mark.parametrize(("text", "cause"), [
    ("raise RuntimeError('no birds')", "RuntimeError: no birds"),
    ("x = 1", "RegistrationError: register.module(aviaries_module): it defines no component"),
    ("from hyperspace_core import hookimpl\n@hookimpl\ndef hyperspace_registr(register): ...",
     "it implements hyperspace_registr"),
    (COMPANION + "\n    Aviary.aliases = 7\n",
     "RegistrationError: Aviary.aliases: expected a tuple of names"),
])
def test_broken_components_of_another_distribution_are_left_out(world: World, zoo: Path, text: str,
                                                                cause: str) -> None:
    companion(world, text)
    assert broken_after_opening()["aviaries"].startswith(cause)
    assert "aviaries" not in broken_after_opening(disable=["aviaries"])


# -- hooks of the project itself -----------------------------------------------------------------------------


def test_a_project_s_hooks_are_active_once_it_is_open(world: World) -> None:
    world.project("lab", """
        from hyperspace_core import hookimpl

        @hookimpl
        def hyperspace_register(register): ...

        @hookimpl
        def hyperspace_load_data(dataset):
            return "loaded"
    """)
    extensions = build_manager()
    assert extensions.implements("hyperspace_load_data") == ()
    open_project("lab", extensions)
    assert extensions.implements("hyperspace_load_data") == ("project lab",)
    assert extensions.project is not None
    assert extensions.project.name == "lab"
    assert "lab" not in [plugin.name for plugin in extensions.loaded]
