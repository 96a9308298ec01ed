"""The README, the CI script, nox and the packages agree."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from support.places import PACKAGE, PLUGINS, ROOT, bash_blocks, dotted, plugin_files

LONGEST_MODULE = 500
SHORTEST_MODULE = 60           # a shorter one with a single importer is a part of its importer
# shorter, and why
SHORT_ON_PURPOSE = {
    "hyperspace_core/__main__.py": "the entry point of `python -m`",
    "hyperspace_core/migrations.py": "a public module",
    "plugins/hyperspace-mongodb/src/hyperspace_mongodb/testing/__main__.py": "the entry point of `python -m`",
    "plugins/pytest-hyperspace/src/pytest_hyperspace/stores/conformance.py": "the suite that stores subclass",
}


def in_all() -> str:
    """The arguments that `-r plugins/all.txt` stands for."""
    lines = (ROOT / "plugins/all.txt").read_text(encoding="utf-8").splitlines()
    return " ".join(line for line in lines if not line.startswith("#"))


def test_all_txt_begins_with_core_and_has_a_plugin_a_line() -> None:
    assert re.fullmatch(r"-e \.( -e plugins/[\w-]+(\[\w+\])?)+", in_all())
    assert all("-r plugins/all.txt" in command for command in bash_blocks(ROOT / "README.md")[:2])


def test_the_readme_has_its_two_commands_each_in_a_line() -> None:
    demo, tests = bash_blocks(ROOT / "README.md")[:2]

    assert demo.startswith("python -m pip install ") and "hyperspace worker --project digits --drain" in demo
    assert tests.startswith("python -m pip install ") and tests.endswith("&& python -m pytest -n logical")
    assert "\n" not in demo + tests


def test_ci_takes_its_commands_from_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    function = re.search(r"^readme_command\(\) \{.*?^\}", script, re.M | re.S)
    assert function is not None

    for number, command in enumerate(bash_blocks(ROOT / "README.md")[:2], start=1):
        lines = f"{function.group()}\nreadme_command {number}"
        shown = subprocess.run(["bash", "-c", lines], cwd=ROOT, text=True, capture_output=True,
                               check=True).stdout
        assert shown.strip() == command
        assert f"$(readme_command {number})" in script


def test_the_test_command_installs_all_examples_and_plugins() -> None:
    command = bash_blocks(ROOT / "README.md")[1].replace("-r plugins/all.txt", in_all())
    installed = [word.partition("[")[0] for word in shlex.split(command)]
    folders = ("docs/examples", "tests/projects", "plugins")
    packages = [str(path.parent.relative_to(ROOT)) for folder in folders
                for path in (ROOT / folder).glob("*/pyproject.toml")]

    # a plugin takes part in every run: those of tests/projects and the store in memory are installed for
    # their own tests only
    described = [*(ROOT / "tests/projects").glob("*/pyproject.toml"),
                 ROOT / "docs/examples/memory_store/pyproject.toml"]
    for_a_test = {str(path.parent.relative_to(ROOT)) for path in described
                  if "hyperspace.plugins" in path.read_text(encoding="utf-8")}
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))

    assert len(packages) >= 5
    assert [package for package in packages if package not in installed] == sorted(for_a_test)
    assert [package for package in for_a_test if f'"{Path(package).name}"' not in tests] == []


def test_the_tests_of_every_plugin_are_run_and_its_types_checked() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]
    nox = (ROOT / "noxfile.py").read_text(encoding="utf-8")

    assert "plugins" in settings["ini_options"]["testpaths"]
    assert [plugin.name for plugin in PLUGINS if not list((plugin / "tests").glob("test_*.py"))] == []
    assert [plugin.name for plugin in PLUGINS if f'"plugins/{plugin.name}/src"' not in nox] == []


def test_nox_has_the_documented_sessions() -> None:
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")

    assert set(re.findall(r"^@nox\.session(?:\(.*\))?\ndef (\w+)", text, re.M)) == {
        "tests", "demo", "lint", "types", "docs", "bench", "bench_tuning", "omniboard", "notebooks",
        "libraries", "turbines", "reviews",
    }


def test_no_module_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
               for path in [*PACKAGE.rglob("*.py"), *plugin_files()]}

    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_is_too_short() -> None:
    sources = {dotted(path): path for path in [*PACKAGE.rglob("*.py"), *plugin_files()]}
    importers: dict[str, set[str]] = {name: set() for name in sources}
    for importer, path in sources.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                    if name in importers and name != importer:
                        importers[name].add(importer)

    short = {str(path.relative_to(ROOT)) for name, path in sources.items()
             if len(path.read_text(encoding="utf-8").splitlines()) < SHORTEST_MODULE
             and len(importers[name]) <= 1 and path.name not in ("__init__.py", "plugin.py")
             and path.parent.name != "commands"}
    assert short - SHORT_ON_PURPOSE.keys() == set()


def test_no_todo_is_left() -> None:
    word = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|raise NotImplementedError(\(\))?$", re.M)
    found = [path for path in [*PACKAGE.rglob("*.py"), *plugin_files()]
             if word.search(path.read_text(encoding="utf-8"))]

    assert found == []


def test_the_version_is_in_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and source distribution, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True,
                   capture_output=True)
    return folder


def files_of_package() -> set[str]:
    """Leaves out caches of Python and of tools."""
    return {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*") if path.is_file()
            and not any(part.startswith((".", "__pycache__")) for part in path.relative_to(PACKAGE).parts)}


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())

    inside = {name for name in names if ".dist-info/" not in name}
    assert inside == files_of_package()
    assert "hyperspace_core/py.typed" in inside
    assert "hyperspace_core/cli/template/pyproject.toml.txt" in inside
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_source_distribution_is_what_the_wheel_is_built_from(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    beside = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names - files_of_package() <= beside
    assert files_of_package() <= names
