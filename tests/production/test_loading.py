"""Components and artifacts out of an export, in programs that have no store."""

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
from hyperspace_core.testing.project import ProjectFolder, forget

ROOT = Path(__file__).parents[2]
# neither these nor the machinery of experiments has any business in a service
EXPERIMENTS = {"click", "git", "pymongo", "pandas", "rich", "sqlite3", "psutil", "platformdirs", "optuna"}
MACHINERY = tuple(f"hyperspace_core.{name}" for name in (
    "cli", "stores.sqlite", "study", "queue", "worker", "execution", "storage"))
IMPORTED = ("pluggy", "importlib-metadata", "msgspec")        # by core, where a component is loaded

Edit = Callable[[Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def edit(model: Path) -> Edit:
    """Change what stands in the export's file."""
    def edited(change: Callable[[dict[str, Any]], object]) -> None:
        told = json.loads((model / "hyperspace.json").read_text())
        change(told)
        (model / "hyperspace.json").write_text(json.dumps(told))

    return edited


def rewrite(project: ProjectFolder, old: str, new: str) -> None:
    """The project's code has moved on, and is imported anew."""
    text = (project.package / "parts.py").read_text()
    assert old in text
    project.write("parts.py", text.replace(old, new))
    forget("studio")


def test_the_component_comes_back_as_the_run_built_it(model: Path) -> None:
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


def test_a_lazy_one_is_the_factory(model: Path) -> None:
    from studio.parts import Pool

    pool = load_component(model, "pool")

    assert isinstance(pool, Lazy)
    assert pool(width=3) == Pool(width=3, kind="max")


def test_without_a_name_it_is_the_one_that_has_no_default(model: Path) -> None:
    from studio.parts import Sum

    assert load_component(model).factor == Sum(factor=2.5).factor


def test_without_a_name_it_is_the_one_that_was_marked(study: Study, run: int, tmp_path: Path) -> None:
    folder = study.export(run, tmp_path / "marked", component="spare")

    assert load_component(folder).factor == 0.0


def test_where_several_could_be_meant_they_are_listed(study: Study, tmp_path: Path) -> None:
    folder = study.export(study.run("bare", echo=False).id, tmp_path / "bare")

    with pytest.raises(UsageError, match=r"component is meant\? Name one of reader, spare, scenario, or"):
        load_component(folder)


@pytest.mark.parametrize(("name", "says"), [
    ("raeder", "`raeder`: Sheet.single_run has no such parameter; did you mean 'reader'?"),
    ("reader.fcator", "`reader.fcator`: Sum has no such parameter; did you mean 'factor'?"),
    ("reader.layers.7", "`reader.layers.7`: there is no such part in list[Layer]; it has 0, 1"),
    ("reader.layers.-1", "`reader.layers.-1`: there is no such part in list[Layer]; it has 0, 1"),
    ("reader.named.first", "`reader.named.first`: there is no such part in dict[str, Layer]; it has last"),
    ("reader.head.units", "`reader.head.units`: there is no such part in Layer | None"),
    ("reader.factor.x", "`reader.factor.x`: there is no such part in float"),
    ("scenario.data", "`scenario.data`: Sheet has no such parameter; did you mean 'dataset'?"),
    ("reader.__class__", "`reader.__class__`: Sum has no such parameter"),
])
def test_a_path_that_leads_nowhere_is_named(model: Path, name: str, says: str) -> None:
    with pytest.raises(NotFound) as caught:
        load_component(model, name)

    assert str(caught.value).startswith(f"{model}: {says}")
    assert "\n" not in str(caught.value)


def test_a_project_of_one_function_has_its_scenario(tmp_path: Path) -> None:
    with Study("diabetes", f"sqlite:///{tmp_path}/runs.db") as study:
        task = next(iter(study.project.tasks))
        folder = study.export(study.run(task, echo=False).id, tmp_path / "model")

    assert callable(load_component(folder, "scenario").single_run)
    with pytest.raises(UsageError, match=r"which component is meant\? Name one of scenario, or"):
        load_component(folder)


def test_several_threads_may_load_at_once(model: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: load_component(model, "reader").factor, range(16)))

    assert found == [2.5] * 16


# -- the code has moved on -----------------------------------------------------------------------------------

def test_a_renamed_class_is_found_by_its_alias(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "class Sum(Reader):", 'class Total(Reader):\n    aliases: ClassVar = ("Sum",)')
    rewrite(project, "Sum(", "Total(")

    assert type(load_component(model, "reader")).__name__ == "Total"


def test_a_new_parameter_has_its_default(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "units: int = 8", "units: int = 8\n    bias: bool = True")

    assert load_component(model, "reader").layers[0].bias is True


def test_what_the_project_says_of_its_past_is_heeded(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "    factor: float", "    scale: float")
    rewrite(project, "Sum(factor=0.0)", "Sum(scale=0.0)")
    project.write("hyperspace.py", """
        from hyperspace_core.config.steps import rename
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from studio import parts
            register.module(parts)
            register.migration("scale", rename("factor", "scale", of="Sum"))
        """)

    assert load_component(model, "reader").scale == 2.5


def test_a_class_that_is_gone_is_said_with_the_cure(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "class Dropout(Layer)", "class Drop(Layer)")
    rewrite(project, "Dropout()", "Drop()")

    with pytest.raises(UnknownClassError) as caught:
        load_component(model, "reader")

    assert str(caught.value).startswith(f"{model}: `reader.layers.1.className`: no layer 'Dropout'. Known: ")
    assert "install what it was exported with, or keep old names as `aliases`" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert load_component(model, "scenario.dataset") is not None


def test_a_parameter_that_no_longer_fits_is_said_with_the_cure(project: ProjectFolder, model: Path) -> None:
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


def test_what_a_constructor_raises_is_raised_with_the_place(project: ProjectFolder, model: Path) -> None:
    rewrite(project, "def read(self, numbers):\n        return", "def __post_init__(self):\n"
            "        1 / (self.factor - 2.5)\n\n    def read(self, numbers):\n        return")

    with pytest.raises(ZeroDivisionError) as caught:
        load_component(model, "reader")
    assert caught.value.__notes__ == [f"while `reader` of {model} was built"]


def test_a_project_that_is_not_installed_is_named_with_its_distribution(edit: Edit, model: Path) -> None:
    edit(lambda told: told.update(project="stduio"))

    with pytest.raises(ProjectError, match=r"no project 'stduio' is installed.*with studio 1.0: install"):
        load_component(model)


# -- a folder that is not what it should be ------------------------------------------------------------------

def test_a_folder_without_an_export_is_said(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotFound, match="holds no exported run"):
            load_component(folder)


WHOLE = {"format": 1, "project": "studio", "run": 1, "scenario": {}, "config": {}, "migrated": [],
         "component": None, "versions": {"project": {}}, "artifacts": [], "golden": []}


@pytest.mark.parametrize(("text", "says"), [
    ("{", "is no JSON"), ("[]", "is not of an exported run"), ("{}", "is not of an exported run"),
    ('{"format": 99}', "of format 99, which a newer hyperspace-core wrote"),
    ('{"format": 1}', "`project` is missing or of another type"),
    (json.dumps(WHOLE | {"artifacts": [{"name": "a"}]}), "`artifacts` is missing or of another type"),
    (json.dumps(WHOLE | {"component": 3}), "`component` is missing or of another type"),
    (json.dumps(WHOLE | {"versions": {"project": "x"}}), "`versions.project` is missing or of another type"),
    ("[" * 100_000, "is no JSON"),
    ("\0", "is no JSON"),
])
def test_a_file_that_is_none_of_ours_is_said(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "hyperspace.json").write_text(text)

    with pytest.raises(HyperspaceError, match=says) as caught:
        load_component(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["os.system", "builtins.eval", "subprocess.Popen", "a.b.C", "__class__"])
def test_a_class_is_looked_up_and_never_imported(edit: Edit, model: Path, name: str) -> None:
    edit(lambda told: told["config"]["reader"].update(className=name))
    load_component(model, "scenario")
    before = set(sys.modules)

    with pytest.raises(UnknownClassError, match="no reader"):
        load_component(model, "reader")
    # the catalogue of the project, opened anew, and nothing that the file names
    assert {module for module in set(sys.modules) - before if not module.startswith("studio")} == set()


def test_an_artifact_is_found_by_its_name(model: Path) -> None:
    assert load_artifact(model, "weights.bin").read_bytes() == b"weights"
    assert load_artifact(str(model), "plots/curve.png") == model / "artifacts/plots/curve.png"


def test_an_artifact_that_was_changed_or_lost_is_not_given_out(model: Path) -> None:
    (model / "artifacts/weights.bin").write_bytes(b"Weights")
    (model / "artifacts/plots/curve.png").unlink()

    with pytest.raises(HyperspaceError, match="is not what was exported, by its SHA-256"):
        load_artifact(model, "weights.bin")
    with pytest.raises(HyperspaceError, match="cannot be read"):
        load_artifact(model, "plots/curve.png")
    with pytest.raises(NotFound, match=r"no artifact 'weight.bin' was exported; did you mean 'weights.bin'"):
        load_artifact(model, "weight.bin")


@pytest.mark.parametrize("file", ["../secret", "/etc/passwd", "artifacts/link", "..\\secret", "C:secret"])
def test_an_artifact_elsewhere_is_not_given_out(edit: Edit, model: Path, file: str) -> None:
    (model.parent / "secret").write_bytes(b"weights")
    (model / "artifacts/link").symlink_to(model.parent / "secret")
    edit(lambda told: [one.update(file=file) for one in told["artifacts"] if one["name"] == "weights.bin"])

    with pytest.raises(HyperspaceError, match=r"no plain path below a folder|leads out of the export"):
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
    """The modules that a service has loaded."""
    done = subprocess.run([python, "-P", "-c", SERVICE, model], env=environment, text=True,
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    answer, modules = done.stdout.splitlines()
    assert answer == "15.0"
    return set(modules.split())


def test_a_service_loads_nothing_of_the_experiments(project: ProjectFolder, model: Path) -> None:
    loaded = served(sys.executable, model, project.env())

    assert "studio.parts" in loaded
    assert not loaded & EXPERIMENTS
    assert [name for name in loaded if name.startswith(MACHINERY)] == []


def with_what_they_need(names: Iterable[str]) -> set[str]:
    """These distributions and those that they require, as far as they are installed here."""
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
    """The interpreter of an environment that has the project, core, and three small packages of core's."""
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
    shutil.rmtree(tmp_path / "project")
    listing = "from importlib import metadata; print(*(one.name for one in metadata.distributions()))"
    installed = subprocess.run([production, "-c", listing], env={}, text=True, capture_output=True,
                               check=True).stdout.split()
    assert {name.replace("_", "-") for name in installed} == {
        "hyperspace-core", "studio", *with_what_they_need(IMPORTED)}

    loaded = served(production, tmp_path / "elsewhere", {})

    assert "studio.parts" in loaded
    assert not loaded & EXPERIMENTS
