"""Fixtures: a project with nested components, a run, and its export."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core.study import Study
from pytest_hyperspace.project import ProjectFolder

REGISTER = """
    from hyperspace_core.markers import hookimpl

    @hookimpl
    def hyperspace_register(register):
        from studio import parts
        register.module(parts)
        register.tasks("studio.tasks")
    """
PARTS = """
    from dataclasses import dataclass, field
    from typing import ClassVar

    from hyperspace_core import Component, Dataset, Lazy, Run, Scenario


    class Layer(Component):
        "A part of a reader."


    @dataclass
    class Dense(Layer):
        units: int = 8


    @dataclass
    class Dropout(Layer):
        share: float = 0.5


    class Pooling(Component):
        "Takes a width that is known at run time only."


    @dataclass
    class Pool(Pooling):
        width: int
        kind: str = "mean"


    @dataclass
    class Options:
        depth: int = 2
        layer: Layer = field(default_factory=lambda: Dense(units=1))


    class Reader(Component):
        "Turns numbers into a number."

        def read(self, numbers):
            raise NotImplementedError


    @dataclass
    class Sum(Reader):
        factor: float = 1.0
        layers: list[Layer] = field(default_factory=lambda: [Dense(units=4), Dropout()])
        named: dict[str, Layer] = field(default_factory=lambda: {"last": Dense(units=2)})
        head: Layer | None = None
        options: Options = field(default_factory=Options)

        def read(self, numbers):
            return self.factor * sum(numbers)


    @dataclass
    class Counted(Dataset):
        upto: int = 4

        def load(self):
            return list(range(self.upto))


    @dataclass
    class Sheet(Scenario):
        dataset: Dataset = field(default_factory=Counted)

        def single_run(self, run: Run, reader: Reader, pool: Lazy[Pooling] = Lazy(Pool, kind="max"),
                       spare: Reader = Sum(factor=0.0), fail: bool = False) -> dict[str, float]:
            numbers = self.dataset.load()
            total = reader.read(numbers)
            run.log_artifact(b"weights", "weights.bin")
            run.log_artifact(b"picture", "plots/curve.png")
            run.log_golden({"numbers": numbers}, {"total": total, "note": "read"})
            if fail:
                raise ValueError("as asked")
            return {"result": total}


    @dataclass
    class Bare(Scenario):
        def single_run(self, rate: float = 0.1, reader: Reader = Sum(), spare: Reader = Sum()) -> float:
            return rate
    """
FILES = {
    "hyperspace.py": REGISTER, "parts.py": PARTS, "tasks/__init__.py": "",
    "tasks/sheet.json": """{"scenario": {"className": "Sheet"}, "metric": {"name": "result"}, "seed": 3}""",
    "tasks/bare.json": """{"scenario": {"className": "Bare"}, "metric": {"name": "result"}, "seed": 3}""",
}
CONFIG = {"reader": {"className": "Sum", "factor": 2.5}}


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES, name="studio")


@pytest.fixture
def run(study: Study) -> int:
    """A completed run with artifacts and golden data."""
    record = study.run("sheet", CONFIG, echo=False)
    assert record.state == "COMPLETED", record
    return record.id


@pytest.fixture
def model(study: Study, run: int, tmp_path: Path) -> Path:
    """The export of the run."""
    return study.export(run, tmp_path / "model")
