"""Tests of loading components and artifacts of an export without a store."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core import Lazy, load_artifact, load_component
from hyperspace_core.errors import (
    ConfigError,
    HyperspaceError,
    NotFound,
    ProjectError,
    UnknownClassError,
    UsageError,
)
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder, forget

ROOT = Path(__file__).parents[2]
# modules that a service must not import
EXPERIMENTS = {"click", "git", "pymongo", "pandas", "rich", "sqlite3", "psutil", "platformdirs", "optuna"}
MACHINERY = tuple(f"hyperspace_core.{name}" for name in (
    "cli", "stores.sqlite", "study", "queue", "worker", "execution", "storage"))
IMPORTED = ("pluggy", "importlib-metadata", "msgspec")        # by core, where a component is loaded

Edit = Callable[[Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def edit(model: Path) -> Edit:
    """Change the manifest of the export."""
    def edited(change: Callable[[dict[str, Any]], object]) -> None:
        content = json.loads((model / "hyperspace.json").read_text())
        change(content)
        (model / "hyperspace.json").write_text(json.dumps(content))

    return edited


def rewrite(project: ProjectFolder, old: str, new: str) -> None:
    """Edit the project's code and forget the imported modules."""
    text = (project.package / "parts.py").read_text()
    assert old in text
    project.write("parts.py", text.replace(old, new))
    forget("studio")


def test_a_component_is_built_as_in_the_run(model: Path) -> None:
    from studio.parts import Dense, Dropout, Sum

    reader = load_component(model, "reader")

    assert reader == Sum(factor=2.5, layers=[Dense(units=4), Dropout()], named={"last": Dense(units=2)})
    assert reader.read([1, 2]) == 7.5
    assert load_component(model, "reader") is not reader


def test_every_place_of_a_config_has_a_path(model: Path) -> None:
    from studio.parts import Counted, Dense, Dropout, Options, Sheet

    assert load_component(model, "reader.layers.1") == Dropout()
    assert load_component(model, "reader.layers") == [Dense(units=4), Dropout()]
    assert load_component(model, "reader.named.last") == Dense(units=2)
    assert load_component(model, "reader.head") is None
    assert load_component(model, "reader.options") == Options()
    assert load_component(model, "reader.options.layer") == Dense(units=1)
    assert load_component(model, "scenario") == Sheet()
    assert load_component(model, "scenario.dataset") == Counted()
    assert load_component(model, "reader.factor") == 2.5


def test_a_lazy_component_is_a_factory(model: Path) -> None:
    from studio.parts import Pool

    pool = load_component(model, "pool")

    assert isinstance(pool, Lazy)
    assert pool(width=3) == Pool(width=3, kind="max")


def test_the_default_component_is_the_required_one(model: Path) -> None:
    from studio.parts import Sum

    assert load_component(model).factor == Sum(factor=2.5).factor


def test_the_default_component_can_be_set_at_export(study: Study, run: int, tmp_path: Path) -> None:
    folder = study.export(run, tmp_path / "marked", component="spare")

    assert load_component(folder).factor == 0.0


def test_an_ambiguous_default_lists_the_components(study: Study, tmp_path: Path) -> None:
    folder = study.export(study.run("bare", echo=False).id, tmp_path / "bare")

    with pytest.raises(UsageError, match="no default component: name one of reader, spare, scenario, or"):
        load_component(folder)


@pytest.mark.parametrize(("name", "says"), [
    ("raeder", "`raeder`: Sheet.single_run has no such parameter; did you mean 'reader'?"),
    ("reader.fcator", "`reader.fcator`: Sum has no such parameter; did you mean 'factor'?"),
    ("reader.layers.7", "`reader.layers.7`: no such part in list[Layer]; it has 0, 1"),
    ("reader.layers.-1", "`reader.layers.-1`: no such part in list[Layer]; it has 0, 1"),
    ("reader.named.first", "`reader.named.first`: no such part in dict[str, Layer]; it has last"),
    ("reader.head.units", "`reader.head.units`: no such part in Layer | None"),
    ("reader.factor.x", "`reader.factor.x`: no such part in float"),
    ("scenario.data", "`scenario.data`: Sheet has no such parameter; did you mean 'dataset'?"),
    ("reader.__class__", "`reader.__class__`: Sum has no such parameter"),
])
def test_an_unknown_path_is_refused(model: Path, name: str, says: str) -> None:
    with pytest.raises(NotFound) as caught:
        load_component(model, name)

    assert str(caught.value).startswith(f"{model}: {says}")
    assert "\n" not in str(caught.value)


def test_the_scenario_of_a_one_function_project_loads(tmp_path: Path) -> None:
    with Study("diabetes", f"sqlite:///{tmp_path}/runs.db") as study:
        task = next(iter(study.project.tasks))
        folder = study.export(study.run(task, echo=False).id, tmp_path / "model")

    assert callable(load_component(folder, "scenario").single_run)
    with pytest.raises(UsageError, match="no default component: name one of scenario, or"):
        load_component(folder)


def test_several_threads_can_load_at_once(model: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_component(model, "reader").factor, range(16)))

    assert found == [2.5] * 16


# -- changed project code ------------------------------------------------------------------------------------

def test_a_renamed_class_is_found_by_its_alias(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "class Sum(Reader):", 'class Total(Reader):\n    aliases: ClassVar = ("Sum",)')
    rewrite(project, "Sum(", "Total(")

    assert type(load_component(model, "reader")).__name__ == "Total"


def test_a_new_parameter_has_its_default(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "units: int = 8", "units: int = 8\n    bias: bool = True")

    assert load_component(model, "reader").layers[0].bias is True


def test_migrations_of_the_project_are_applied(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "    factor: float", "    scale: float")
    rewrite(project, "Sum(factor=0.0)", "Sum(scale=0.0)")
    project.write("hyperspace.py", """
        from hyperspace_core.migrations import rename
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from studio import parts
            register.module(parts)
            register.migration("scale", rename("factor", "scale", of="Sum"))
        """)

    assert load_component(model, "reader").scale == 2.5


def test_a_removed_class_is_reported_with_the_fix(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "class Dropout(Layer)", "class Drop(Layer)")
    rewrite(project, "Dropout()", "Drop()")

    with pytest.raises(UnknownClassError) as caught:
        load_component(model, "reader")

    assert str(caught.value).startswith(f"{model}: `reader.layers.1.className`: no layer 'Dropout'. Known: ")
    assert "install the version of the export, or keep old names as `aliases`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load_component(model, "scenario.dataset") is not None


def test_a_removed_parameter_is_reported_with_the_fix(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "units: int = 8", "width: int = 8")
    rewrite(project, "Dense(units=", "Dense(width=")

    with pytest.raises(ConfigError) as caught:
        load_component(model, "reader")

    assert str(caught.value).startswith(f"{model}: `reader.layers.0.units`: Dense has no such parameter")
    assert "(and 2 more)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_new_parameter_without_a_default_is_named(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "upto: int = 4", "path: str\n    upto: int = 4")
    rewrite(project, "dataset: Dataset = field(default_factory=Counted)", "dataset: Dataset")

    with pytest.raises(ConfigError, match=r"`scenario.dataset.path`: missing; Counted needs it \(str\)"):
        load_component(model, "scenario.dataset")


def test_an_exception_of_a_constructor_names_the_path(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "def read(self, numbers):\n        return", "def __post_init__(self):\n"
            "        1 / (self.factor - 2.5)\n\n    def read(self, numbers):\n        return")

    with pytest.raises(ZeroDivisionError) as caught:
        load_component(model, "reader")
    assert caught.value.__notes__ == [f"while `reader` of {model} was built"]


def test_a_missing_project_is_named_with_its_distribution(edit: Edit, model: Path) -> None:
    edit(lambda content: content.update(project="stduio"))

    with pytest.raises(ProjectError, match=r"no project 'stduio' is installed.*with studio 1.0: install"):
        load_component(model)


# -- damaged exports -----------------------------------------------------------------------------------------

def test_a_folder_without_an_export_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotFound, match="no exported run in this folder"):
            load_component(folder)


WHOLE = {"format": 1, "project": "studio", "run": 1, "scenario": {}, "config": {}, "migrated": [],
         "component": None, "versions": {"project": {}}, "artifacts": [], "golden": []}


@pytest.mark.parametrize(("text", "says"), [
    ("{", "invalid JSON"), ("[]", "does not describe an exported run"),
    ("{}", "does not describe an exported run"),
    ('{"format": 99}', "has format 99 of a newer hyperspace-core"),
    ('{"format": 1}', "`project` is missing or has the wrong type"),
    (json.dumps(WHOLE | {"artifacts": [{"name": "a"}]}), "`artifacts` is missing or has the wrong type"),
    (json.dumps(WHOLE | {"component": 3}), "`component` is missing or has the wrong type"),
    (json.dumps(WHOLE | {"versions": {"project": "x"}}),
     "`versions.project` is missing or has the wrong type"),
    ("[" * 100_000, "invalid JSON"),
    ("\0", "invalid JSON"),
])
def test_a_foreign_manifest_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "hyperspace.json").write_text(text)

    with pytest.raises(HyperspaceError, match=says) as caught:
        load_component(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen", "a.b.C", "__class__"])
def test_a_class_is_looked_up_and_never_imported(edit: Edit, model: Path, name: str) -> None:
    edit(lambda content: content["config"]["reader"].update(className=name))
    load_component(model, "scenario")
    before = set(sys.modules)

    with pytest.raises(UnknownClassError, match="no reader"):
        load_component(model, "reader")
    # opening the project imports its modules, and none that the file names
    assert {module for module in set(sys.modules) - before if not module.startswith("studio")} == set()


def test_an_artifact_is_found_by_its_name(model: Path) -> None:
    assert load_artifact(model, "weights.bin").read_bytes() == b"weights"
    assert load_artifact(str(model), "plots/curve.png") == model / "artifacts/plots/curve.png"


def test_a_changed_or_missing_artifact_is_refused(model: Path) -> None:
    (model / "artifacts/weights.bin").write_bytes(b"Weights")
    (model / "artifacts/plots/curve.png").unlink()

    with pytest.raises(HyperspaceError, match="was changed after the export"):
        load_artifact(model, "weights.bin")
    with pytest.raises(HyperspaceError, match="cannot be read"):
        load_artifact(model, "plots/curve.png")
    with pytest.raises(NotFound, match=r"no artifact 'weight.bin' was exported; did you mean 'weights.bin'"):
        load_artifact(model, "weight.bin")


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "artifacts/link", "..\\secret", "C:secret"])
def test_an_artifact_outside_the_folder_is_refused(edit: Edit, model: Path, file: str) -> None:
    (model.parent / "secret").write_bytes(b"weights")
    (model / "artifacts/link").symlink_to(model.parent / "secret")
    edit(lambda content: [one.update(file=file) for one in content["artifacts"]
                          if one["name"] == "weights.bin"])

    with pytest.raises(HyperspaceError, match=r"not a plain path below a folder|outside the export folder"):
        load_artifact(model, "weights.bin")


# -- a service -----------------------------------------------------------------------------------------------

SERVICE = """
import sys
from hyperspace_core import check_golden, load_artifact, load_component
reader = load_component(sys.argv[1], "reader")
check_golden(sys.argv[1], lambda given: {"total": reader.read(given["numbers"]), "note": "read"})
assert load_artifact(sys.argv[1], "weights.bin").read_bytes() == b"weights"
print(reader.read([1, 2, 3]))
print(*sorted(sys.modules))
"""


def served(python: str | Path, model: Path, environment: dict[str, str] | None) -> set[str]:
    """Run the service and return its loaded modules."""
    done = subprocess.run([python, "-P", "-c", SERVICE, model], env=environment, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, modules = done.stdout.splitlines()
    assert answer == "15.0"
    return set(modules.split())


def test_a_service_imports_no_experiment_modules(project: ProjectFolder, model: Path) -> None:
    loaded = served(sys.executable, model, project.env())

    assert "studio.parts" in loaded
    assert not loaded & EXPERIMENTS
    assert [name for name in loaded if name.startswith(MACHINERY)] == []


def with_what_they_need(names: Iterable[str]) -> set[str]:
    """These distributions and their installed requirements."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.split(r"[^A-Za-z0-9._-]", waiting.pop())[0]
        with contextlib.suppress(metadata.PackageNotFoundError):
            needs = metadata.requires(name) or ()
            found.add(name.lower().replace("_", "-"))
            waiting += [need for need in needs if "extra ==" not in need]
    return found


@pytest.fixture
def production(project: ProjectFolder, tmp_path: Path) -> Path:
    """The interpreter of an environment with only the project and core."""
    venv.create(tmp_path / "production", with_pip=False, symlinks=True)
    target = next((tmp_path / "production").glob("lib/python*/site-packages"))
    for name in {"hyperspace-core"} | with_what_they_need(IMPORTED):
        distribution = metadata.distribution(name)
        parts = {file.parts[0] for file in distribution.files or () if ".." not in file.parts}
        for part in parts - {"__pycache__"}:
            source = Path(str(distribution.locate_file(part)))
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target / part)
    package = target / "hyperspace_core"
    if not package.exists():               # installed in place
        shutil.copytree(ROOT / "hyperspace_core", package, ignore=shutil.ignore_patterns("__pycache__"))
        for link in target.glob("*hyperspace_core*.pth"):
            link.unlink()
    shutil.copytree(project.root, target, dirs_exist_ok=True)
    return tmp_path / "production/bin/python"


def test_a_service_needs_the_project_and_core_only(production: Path, model: Path, tmp_path: Path) -> None:
    shutil.move(model, tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "studio")
    listing = "from importlib import metadata; print(*(one.name for one in metadata.distributions()))"
    installed = subprocess.run([production, "-c", listing], env={}, text=True, capture_output=True,
                               check=True).stdout.split()
    assert {name.replace("_", "-") for name in installed} == {
        "hyperspace-core", "studio", *with_what_they_need(IMPORTED)}

    loaded = served(production, tmp_path / "elsewhere", {})

    assert "studio.parts" in loaded
    assert not loaded & EXPERIMENTS
