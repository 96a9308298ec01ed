"""A default that no config holds is a part of the code; one that a config holds is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperspace_core.capture.code_fingerprint import component_fingerprints
from support.lab import Lab, lab

TEXT = """
    from dataclasses import dataclass, field
    from typing import Any, Callable
    from hyperspace_core import Component, Run, Scenario, hookimpl

    class Model(Component): ...

    class Base(Model):
        def __init__(self, depth: int = 3): self.depth = depth

    class Called(Base):
        def __init__(self, width: int = 5):
            super().__init__()
            self.width = width

    class SameName(Base):
        def __init__(self, depth: int = 30):
            super().__init__()
            self.own_depth = depth

    class Inherits(Base): ...

    class HandsOn(Base):
        def __init__(self, width: int = 5, **rest):
            super().__init__(**rest)
            self.width = width

    class Mixin:
        def __init__(self, height: int = 4): self.height = height

    class Mixed(Mixin, Model):
        def __init__(self, width: int = 5):
            super().__init__()
            self.width = width

    @dataclass
    class Record(Model):
        size: int = 6
        parts: list[int] = field(default_factory=lambda: [61])

    @dataclass
    class Longer(Record):
        length: int = 7

    class OfRecord(Record):
        def __init__(self, width: int = 5):
            super().__init__()
            self.width = width

    def relu(x): return x * 8

    class Callables(Model):
        def __init__(self, activation: Callable[[float], float] = relu, keyed: Any = object(), n: int = 5):
            self.activation, self.keyed, self.n = activation, keyed, n

    class Placed(Model):
        def __init__(self, scale: float = 9.5, /, n: int = 5, *, odd: Callable[[], int] = lambda: 95):
            self.scale, self.n, self.odd = scale, n, odd

    class First(Scenario):
        def single_run(self, run: Run, x: int = 1, y: int = 2): return float(x + y)

    class Second(First):
        def single_run(self, run: Run, x: int = 1): return super().single_run(run, x)

    class Third(First): ...

    def go(model: Model, k: int = 10, how: Callable[[], int] = lambda: 11): return float(k)

    @hookimpl
    def hyperspace_register(register):
        for one in (Base, Called, SameName, Inherits, HandsOn, Mixed, Record, Longer, OfRecord, Callables,
                    Placed):
            register.component(Model, one)
        for one in (go, Second, Third):
            register.scenario(one)
    """


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab(tmp_path, monkeypatch, {"labwork.py": TEXT}) as one:
        yield one


MODELS = ("Base", "Called", "SameName", "Inherits", "HandsOn", "Mixed", "Record", "Longer", "OfRecord",
          "Callables", "Placed")


def fingerprints(made: Lab) -> dict[str, dict[str, str]]:
    """What the code on disk gives, in a process that imports it anew."""
    project = made.open()
    found = {}
    for model in MODELS:
        config = {"model": {"className": model}, "k": 10}
        described = component_fingerprints(project, {"className": "go"}, project.complete(
            {"className": "go"}, config))
        found[model], found["go"] = described["model"], described["scenario"]
    for scenario in ("Second", "Third"):
        tree = {"className": scenario}
        found[scenario] = component_fingerprints(project, tree, project.complete(tree, {}))["scenario"]
    return found


@pytest.mark.parametrize(("old", "new", "changed"), [
    ("depth: int = 3)", "depth: int = 33)", {"Called", "SameName"}),
    ("depth: int = 30)", "depth: int = 31)", set()),
    ("height: int = 4", "height: int = 44", {"Mixed"}),
    ("size: int = 6", "size: int = 66", {"OfRecord"}),
    ("lambda: [61]", "lambda: [62]", {"OfRecord"}),
    ("length: int = 7", "length: int = 77", set()),
    ("x * 8", "x * 88", {"Callables"}),
    ("] = relu", "] = abs", {"Callables"}),
    ("object()", "Exception()", {"Callables"}),
    ("scale: float = 9.5", "scale: float = 9.6", {"Placed"}),
    ("lambda: 95", "lambda: 96", {"Placed"}),
    ("/, n: int = 5", "/, n: int = 6", set()),
    ("y: int = 2", "y: int = 22", {"Second"}),
    ("k: int = 10", "k: int = 100", set()),
    ("lambda: 11", "lambda: 12", {"go"}),
])
def test_a_default_counts_where_no_config_holds_it(made: Lab, old: str, new: str, changed: set[str]) -> None:
    before = fingerprints(made)

    made.edit("labwork.py", old, new)
    sys.modules.pop("labwork")
    after = fingerprints(made)

    assert {name for name in before if before[name]["fingerprint"] != after[name]["fingerprint"]} == changed


def test_the_section_lists_the_defaults_that_no_config_holds(made: Lab) -> None:
    found = fingerprints(made)

    assert found["Called"]["defaults"] == "Base.depth = 3"
    assert found["Mixed"]["defaults"] == "Mixin.height = 4"
    assert found["Second"]["defaults"] == "First.x = 1, First.y = 2"
    assert found["go"]["defaults"].startswith("go.how = ")
    assert found["Placed"]["defaults"].startswith("Placed.scale = 9.5, Placed.odd = ")
    assert [name for name in found if "defaults" not in found[name]] == [
        "Base", "Inherits", "HandsOn", "Record", "Longer", "Third"]
