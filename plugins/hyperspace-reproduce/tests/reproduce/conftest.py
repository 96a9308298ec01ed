from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.extension.manager import find
from hyperspace_core.markers import PLUGINS_GROUP
from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder, forget

PROJECT = "tampered"
NO_PLUGINS = [name for name in ("stage_timer",) if any(found.name == name for found in find(PLUGINS_GROUP))]

FILES = {
    "hyperspace.py": """
        from hyperspace_core import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from tampered import components
            register.module(components)
            register.tasks("tampered.tasks")
        """,
    "components.py": """
        import os
        import random
        from dataclasses import dataclass
        from pathlib import Path

        import fakelib
        from hyperspace_core.components import Component, Dataset, Scenario
        from hyperspace_core.run import Run
        from tampered.helper import scaled

        class Model(Component):
            def predict(self, x):
                raise NotImplementedError

        @dataclass
        class Linear(Model):
            gain: float = 2.0

            def predict(self, x):
                return scaled(x) * self.gain

        @dataclass
        class Square(Model):
            def predict(self, x):
                return x * x

        @dataclass
        class Numbers(Dataset):
            version: int = 1

            def load(self):
                return [float(word) for word in Path(os.environ["TAMPERED_DATA"]).read_text().split()]

        @dataclass
        class Mean(Scenario):
            dataset: Dataset

            def single_run(self, run: Run, model: Model, noise: float = 0.1) -> dict[str, float]:
                total = 0.0
                for step, x in enumerate(run.stages.load_data(self.dataset)):
                    total += model.predict(x) + random.gauss(0, noise) + fakelib.OFFSET
                    run.log_scalar("total", total, step)
                return {"score": total}
        """,
    "helper.py": "FACTOR = 3.0\n\ndef scaled(x):\n    return FACTOR * x\n",
    "tasks/mean.json": '{"scenario": {"className": "Mean", "dataset": {"className": "Numbers"}}, '
                       '"metric": {"name": "score"}, "seed": 7}',
}


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """An installed package that the project uses: install a version of it."""
    folder = tmp_path / "site-packages"
    folder.mkdir()

    def install(version: str, offset: float) -> None:
        for old in folder.glob("fakelib-*"):
            (old / "METADATA").unlink()
            old.rmdir()
        info = folder / f"fakelib-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: fakelib\nVersion: {version}\n")
        (folder / "fakelib.py").write_text(f"OFFSET = {offset}\n")
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)    # one second is too short to be seen
        forget("fakelib")

    install("1.0", 0.0)
    monkeypatch.syspath_prepend(str(folder))
    before = os.environ.get("PYTHONPATH")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(folder), before])))
    yield install
    forget("fakelib")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "numbers.txt"
    path.write_text("1 2 3 4")
    monkeypatch.setenv("TAMPERED_DATA", str(path))
    return path


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder], tmp_path: Path,
            monkeypatch: pytest.MonkeyPatch, library: Any, data: Path) -> ProjectFolder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return hyperspace_project(FILES, name=PROJECT)


@pytest.fixture
def study(project: ProjectFolder, tmp_path: Path) -> Iterator[Callable[[], Study]]:
    """The project with its current code, on one store."""
    with ExitStack() as opened:
        def one() -> Study:
            forget(project.package.name)
            url = f"sqlite:///{tmp_path}/runs.db"
            return opened.enter_context(Study(PROJECT, url, no_plugins=NO_PLUGINS))

        yield one
