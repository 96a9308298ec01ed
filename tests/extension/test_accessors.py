"""Plugins add attributes to a study and to its results by `hyperspace_study`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.extension import features
from hyperspace_core.extension.features import FEATURES, install_command
from hyperspace_core.study import Study
from support.world import World, broken

PROJECT = """
    from hyperspace_core import hookimpl

    def train(rate: float = 0.1):
        return rate

    @hookimpl
    def hyperspace_register(register):
        register.scenario(train)
"""
HOOK = """
    from hyperspace_core import hookimpl

    @hookimpl
    def hyperspace_study(register):
"""
REPORT = HOOK + """
        register.accessor("title", "reporting:title")
        register.accessor("report", "reporting:Report")
        register.results_accessor("amount", "reporting:amount")
        register.results_accessor("report", "reporting:Report")
"""
REPORTING = """
    class Report:
        built = 0

        def __init__(self, owner):
            Report.built += 1
            self.owner = owner

    def title(study, mark="!"):
        '''Give the name of the study.'''
        return study.name + mark

    def amount(results):
        return len(results)
"""


@pytest.fixture
def store(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/runs.db"


@pytest.fixture
def reporting(world: World) -> World:
    world.project("lab", PROJECT)
    world.install("report-plugin", {"hyperspace.plugins": {"report": "report_plugin"}},
                  {"report_plugin.py": REPORT, "reporting.py": REPORTING})
    return world


def test_nothing_is_imported_before_the_first_use(reporting: World, store: str) -> None:
    with Study("lab", store) as study:
        assert "title" in dir(study)
        assert "reporting" not in sys.modules

        assert study.title() == "lab!"


def test_a_function_is_bound_and_has_its_help(reporting: World, store: str) -> None:
    with Study("lab", store) as study:
        assert study.title(mark="?") == "lab?"
        assert study.title.__doc__ == "Give the name of the study."
        assert study.title.__self__ is study


def test_a_class_is_built_once_for_each_object(reporting: World, store: str) -> None:
    with Study("lab", store) as study, Study("lab", store) as other:
        assert study.report is study.report
        assert study.report.owner is study
        assert other.report is not study.report
        assert type(study.report).built == 2


def test_a_part_of_the_results_has_accessors_of_its_own(reporting: World, store: str) -> None:
    with Study("lab", store) as study:
        study.run("train", {"rate": 0.2})
        study.run("train", {"rate": 0.3})
        results = study.results("train")

        assert "amount" in dir(results)
        assert results.amount() == 2
        assert results[:1].amount() == 1
        assert results.report.owner is results
        assert results[:1].report.owner is not results


def test_an_unknown_name_is_an_attribute_error(reporting: World, store: str) -> None:
    with Study("lab", store) as study:
        with pytest.raises(AttributeError, match="'Study' object has no attribute 'tilte'"):
            study.tilte()
        assert not hasattr(study.results(), "tilte")


@pytest.mark.parametrize(("kind", "name"), [
    *(("study", name) for feature in FEATURES.values() for name in feature.study),
    *(("results", name) for feature in FEATURES.values() for name in feature.results)])
def test_a_missing_plugin_is_one_line_with_its_cure(kind: str, name: str) -> None:
    owner = next(one for one, feature in FEATURES.items() if name in getattr(feature, kind))

    text = features.missing_accessor(kind, name) or ""

    assert text == f"{kind}.{name} is in {owner}: {install_command(owner)}"
    assert "\n" not in text


def test_the_cure_of_an_editable_core_is_a_folder_of_the_clone() -> None:
    words = shlex.split(install_command("hyperspace-mongodb"))

    assert words[:3] == ["pip", "install", "-e"]
    assert (Path(words[3]) / "pyproject.toml").is_file()


def test_the_cure_elsewhere_is_the_name_on_the_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(features.hyperspace_core.errors, "__file__", str(tmp_path / "core" / "errors.py"))

    assert install_command("hyperspace-mongodb") == "pip install hyperspace-mongodb"


@pytest.mark.parametrize(("line", "cause"), [
    ('register.accessor("submit", "x:y")', "core has study.submit"),
    ('register.results_accessor("best", "x:y")', "core has results.best"),
    ('register.accessor("title", "no colon")', "expected a public name"),
    ('register.accessor("_hidden", "x:y")', "expected a public name"),
    ('raise ValueError("broken")', "ValueError: broken"),
])
def test_a_plugin_that_fails_is_reported_and_adds_nothing(reporting: World, store: str, line: str,
                                                          cause: str) -> None:
    reporting.plugin("zealous", HOOK + f"""
        register.accessor("zeal", "x:y")
        {line}
""")
    with Study("lab", store) as study:
        assert study.title() == "lab!"
        assert not hasattr(study, "zeal")
        assert cause in broken(study.extensions)["zealous"]


def test_a_name_that_two_plugins_add_names_both(reporting: World, store: str) -> None:
    reporting.plugin("zealous", HOOK + '        register.accessor("title", "x:y")')

    with Study("lab", store) as study:
        assert study.title() == "lab!"
        assert "'report' and 'zealous'" in broken(study.extensions)["zealous"]


def test_an_accessor_that_fails_to_import_names_plugin_and_cause(world: World, store: str) -> None:
    world.project("lab", PROJECT)
    world.plugin("ghost", HOOK + '        register.accessor("ghost", "not_there:x")')

    with Study("lab", store) as study, pytest.raises(HyperspaceError, match="accessor 'ghost' of plugin"):
        study.ghost()


def test_a_retired_plugin_is_skipped_with_one_line(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperspace_core.extension.manager import build_manager

    monkeypatch.setitem(features.RETIRED, "old-plugin", "new-plugin")  # type: ignore[index]
    world.plugin("old", "raise RuntimeError('imported')", distribution="old-plugin")

    extensions = build_manager()

    line, = extensions.retired
    assert line == (
        "plugin 'old' (old-plugin 1.0) is skipped, new-plugin replaces it: pip uninstall old-plugin")
    assert "old" not in broken(extensions)
    extensions.require_whole()
