"""Tests of `hyperspace components`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer
from support.growing import THINGS

pytestmark = pytest.mark.usefixtures("growing")
Typed = Callable[..., Answer]


def test_a_parameter_has_type_default_range_and_help(typed: Typed) -> None:
    answer = typed("components", "Tree")

    assert answer.lines[0] == "Model  What is fitted."
    assert "  Tree  (formerly Bush)  Grows." in answer.lines
    place = next(line for line in answer.lines if line.startswith("    growing.things:"))
    assert place.endswith("(project growing)")
    assert answer.columns[-2:] == [
        ["depth", "int", "default 3", "1 to 9", "how far it may go"],
        ["split", "str", "default best", "one of best, random"],
    ]


@pytest.mark.parametrize(("name", "classes"), [
    ("Model", ["Line", "Tree"]), ("model", ["Line", "Tree"]), ("tree", ["Tree"]), ("Bush", ["Tree"]),
])
def test_a_family_a_class_or_an_alias_filters_the_list(typed: Typed, name: str, classes: list[str]) -> None:
    assert [one["name"] for one in typed("components", name, "--json").json] == classes


def test_a_scenario_lists_task_and_hyper_parameters_apart(typed: Typed) -> None:
    scenario, = typed("components", "Grow", "--json").json

    assert [parameter["name"] for parameter in scenario["parameters"]] == ["rows"]
    assert [parameter["name"] for parameter in scenario["hyper_parameters"]] == ["model", "noise", "layers"]
    assert "    hyper-parameters:" in typed("components", "Grow").lines


def test_all_families_are_listed_including_core_s(typed: Typed) -> None:
    families = {one["family"] for one in typed("components", "--json").json}

    assert families == {"Model", "Scenario", "Preprocessor", "Pruner", "Trainer", "Tuner"}
    assert {line.split("  ")[0] for line in typed("components").lines if line[:1].isalpha()} == families


def test_families_of_the_same_name_are_listed_separately(typed: Typed, growing: ProjectFolder) -> None:
    growing.write("things.py", THINGS + '''
class Trainer(Component):
    """Teaches."""


@dataclass
class Coach(Trainer):
    """Shouts."""
''')

    lines = typed("components", "Trainer").lines

    own, core = lines.index("Trainer  (growing.things)  Teaches."), lines.index(
        "Trainer  (hyperspace_core.components)  Fits a model to data.")
    assert (lines[own + 2], lines[core + 2].split()[0]) == ("  Coach  Shouts.", "Fit")


def test_an_unknown_name_is_refused(typed: Typed) -> None:
    assert typed("components", "Tee", expect=5).err == (
        "error: no family or class 'Tee'; did you mean 'Tree'?\n")


def test_json_has_the_range_of_a_parameter(typed: Typed) -> None:
    tree, = typed("components", "Tree", "--json").json

    assert [parameter["range"] for parameter in tree["parameters"]] == [
        {"low": 1, "high": 9, "log": False, "step": 1}, {"values": ["best", "random"]}]


def test_a_broken_project_is_one_line(typed: Typed, growing: ProjectFolder) -> None:
    growing.write("things.py", "import nowhere_to_be_found")

    line = typed("components", expect=3).err

    assert line.count("\n") == 1
    assert "project 'growing' (growing 1.0) cannot be opened" in line
    assert "nowhere_to_be_found" in line


def test_a_wrapping_scenario_refers_to_the_wrapped_parameters(typed: Typed) -> None:
    assert "hyper-parameters: those of its `scenario`" in typed("components", "Repeated").out
