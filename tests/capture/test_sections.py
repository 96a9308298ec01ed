"""The sections on packages, interpreter, machine, plugins and seeds, without secrets (S20)."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hyperspace_core.capture import environment as packages, warm_capture
from hyperspace_core.capture.environment import (
    HIDDEN,
    RECORDED,
    HostCapture,
    PackagesCapture,
    PythonCapture,
    Seeds,
    recorded_variables,
)
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.run import Absent, Memory, Run, Section


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(sink=Memory(), seed=11, workdir=tmp_path)


def captured(run: Run) -> dict[str, Any]:
    extensions = build_manager()
    extensions.hook.hyperspace_seed(seed=run.seed)
    return {name: answer for name, answer in extensions.each("hyperspace_capture", run=run)
            if isinstance(answer, Section | Absent)}


def test_every_section_has_its_name_and_is_json_compatible(run: Run) -> None:
    found = captured(run)
    assert {"data", "git", "packages", "python", "host", "plugins", "seeds"} <= set(found)
    for name, answer in found.items():
        assert answer.name == name
        assert isinstance(answer, Absent) or json.loads(json.dumps(answer.data)) == answer.data


def test_packages_with_versions() -> None:
    section = PackagesCapture().hyperspace_capture()
    assert isinstance(section, Section)
    installed = section.data["installed"]
    assert installed["pluggy"][0].isdigit()
    assert list(installed) == sorted(installed, key=str.casefold)


def test_editable_packages_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_place = '{"url": "file:///x", "dir_info": {"editable": true}}'
    for name, direct in (("in-place", in_place), ("copied", "{}")):
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n\nName: not this\n")
        (info / "direct_url.json").write_text(direct)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    section = PackagesCapture().hyperspace_capture()
    assert section == Section("packages", {"installed": {"copied": "1", "in-place": "1"},
                                           "editable": ["in-place"]})


def test_packages_of_an_environment_without_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path / "empty")])
    assert PackagesCapture().hyperspace_capture() == Absent("packages", "no installed distribution was found")


def test_the_interpreter() -> None:
    data = PythonCapture().hyperspace_capture().data
    assert data["version"] == ".".join(map(str, sys.version_info[:3]))
    assert data["executable"] == sys.executable


def test_the_machine() -> None:
    data = HostCapture().hyperspace_capture().data
    assert data["cpus"] >= data["cpus_usable"] >= 1
    assert data["memory_bytes"] > 2**27
    assert data["name"]
    assert data["cpu"]


@pytest.mark.parametrize("module", [HostCapture(), PackagesCapture(), PythonCapture()])
def test_a_caller_cannot_change_the_cached_section(module: Any) -> None:
    gatherer = module.hyperspace_capture
    section = gatherer()
    for value in section.data.values():
        if isinstance(value, dict | list):
            value.clear()
    section.data["more"] = 1
    assert gatherer() != section


def test_the_plugins_and_their_order(run: Run) -> None:
    data = captured(run)["plugins"].data
    assert data["hyperspace"][0].isdigit()
    assert [plugin["name"] for plugin in data["loaded"]] == [plugin.name for plugin in build_manager().loaded]
    assert (data["project"], data["disabled"], data["broken"]) == (None, [], [])


# -- seeds ---------------------------------------------------------------------------------------------------


def test_random_is_always_seeded(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("numpy", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    seeds = Seeds(build_manager(discover=False))
    seeds.hyperspace_seed(5)
    first = random.random()
    seeds.hyperspace_seed(5)
    assert random.random() == first
    assert seeds.hyperspace_capture(run) == Section("seeds", {"seed": 5, "seeded": ["random"]})
    assert not {"numpy", "torch"} & set(sys.modules)


def test_numpy_is_seeded_where_it_is_imported(run: Run) -> None:
    numpy = pytest.importorskip("numpy")
    seeds = Seeds(build_manager(discover=False))
    seeds.hyperspace_seed(2**32 - 1)
    first = numpy.random.rand(3).tolist()
    seeds.hyperspace_seed(2**32 - 1)
    assert numpy.random.rand(3).tolist() == first
    assert "numpy" in seeds.hyperspace_capture(run).data["seeded"]


def test_torch_is_seeded_where_it_is_imported(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(manual_seed=heard.append))
    seeds = Seeds(build_manager(discover=False))
    seeds.hyperspace_seed(9)
    assert heard == [9]
    assert seeds.hyperspace_capture(run).data["seeded"][-1] == "torch"


# -- environment (S20) ---------------------------------------------------------------------------------------


def test_s20_only_listed_variables_are_recorded() -> None:
    canaries = {f"CANARY_{number}": f"S3cr3t-{number}" for number in range(20)}
    canaries["AWS_SECRET_ACCESS_KEY"] = "S3cr3t"
    found = recorded_variables(canaries | {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "0,1"})
    assert found == {"OMP_NUM_THREADS": "4", "CUDA_VISIBLE_DEVICES": "0,1"}


def test_s20_a_user_adds_variables_by_exact_name() -> None:
    environment = {"HYPERSPACE_CAPTURE_ENV": "MY_MODE, MY_PLACE,,UNSET", "MY_MODE": "fast",
                   "MY_PLACE": "cellar", "MY_X": "1"}
    assert recorded_variables(environment) == {"MY_MODE": "fast", "MY_PLACE": "cellar"}


@pytest.mark.parametrize(("name", "value"), [
    ("MY_API_KEY", "short"), ("DB_PASSWORD", "hunter2"), ("MY_TOKEN", "x"), ("PLACE", "mongodb://me:pw@host/x"),
    ("PLACE", "ghp_abc"), ("PLACE", "AKIAIOSFODNN7EXAMPLE"), ("PLACE", "eyJhbGciOi.eyJzdWIi.x"),
    ("PLACE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"), ("PLACE", "9f86d081884c7d659a2feaa0c55ad015"),
    ("CUDA_VISIBLE_DEVICES", "sk-abcdefgh"),
])
def test_s20_secrets_are_hidden_even_where_requested(name: str, value: str) -> None:
    assert recorded_variables({"HYPERSPACE_CAPTURE_ENV": name, name: value})[name] == HIDDEN


@pytest.mark.parametrize(("name", "value"), [
    ("SLURM_JOB_ID", "123456789"), ("SLURM_JOB_NODELIST", "gpu-node[001-004].cluster.example.org"),
    ("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5,6,7,8,9,10,11,12"), ("CUBLAS_WORKSPACE_CONFIG", ":4096:8"),
    ("MY_FOLDER", "/data/projects2024/imdb_reviews/train1"), ("TOKENIZERS_PARALLELISM", "false"),
])
def test_s20_ordinary_values_stay_readable(name: str, value: str) -> None:
    assert recorded_variables({"HYPERSPACE_CAPTURE_ENV": name, name: value})[name] == value


def test_s20_no_section_contains_a_secret(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        monkeypatch.setenv(f"CANARY_{number}", f"S3cr3t-canary-{number}")
    monkeypatch.setenv("HYPERSPACE_STORAGE", "mongodb://me:S3cr3t-canary@host/db")
    assert "S3cr3t-canary" not in repr(captured(run))
    assert "HYPERSPACE_STORAGE" not in RECORDED


# -- warm-up -------------------------------------------------------------------------------------------------


def test_warm_up_captures_once_and_never_raises(run: Run) -> None:
    class Faulty:
        def prepare(self) -> None:
            raise RuntimeError

    extensions = build_manager(discover=False)
    extensions.builtins.insert(0, Faulty())
    packages._installed.cache_clear()
    project: Any = SimpleNamespace(extensions=extensions)
    warm_capture(project)
    warm_capture(project)
    assert packages._installed.cache_info().misses == 1
