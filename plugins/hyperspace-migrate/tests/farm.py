"""Stages of a project: its original code, and its code after changes."""

from __future__ import annotations

PROJECT = "farm"

HYPERSPACE = """
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from farm import parts
    register.module(parts)
    register.tasks("farm.tasks")
"""

PARTS = '''
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from hyperspace_core.components import Component, Scenario
from hyperspace_core.ranges import Int


class Learner(Component):
    "Learns."


@dataclass
class Limits:
    depth: int = 3


@dataclass
class Forest(Learner):
    "Many trees."
    trees: Annotated[int, Int(1, 1000)] = 100
    rule: str = "gini"
    limits: Limits = field(default_factory=Limits)


@dataclass
class Line(Learner):
    slope: float = 1.0


@dataclass
class Vote(Learner):
    members: list[Learner] = field(default_factory=lambda: [Forest(trees=5), Line()])


@dataclass
class Trial(Scenario):
    rows: int = 10

    def single_run(self, learner: Learner = Forest(trees=50), rate: float = 0.1) -> dict[str, float]:
        return {"score": self.rows * rate + getattr(learner, "trees", 0)}
'''

TASK = """
{"scenario": {"className": "Trial"}, "metric": {"name": "score"}, "seed": 7}
"""

FILES = {"hyperspace.py": HYPERSPACE, "parts.py": PARTS, "tasks/__init__.py": "", "tasks/trial.json": TASK}


def parts(*changes: tuple[str, str]) -> str:
    """The module of parts with some of its text replaced."""
    text = PARTS
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def declaring(*lines: str) -> str:
    """The entry module with more to register."""
    steps = "    from hyperspace_core.migrations import add, map_values, move, rename, rename_class\n"
    return HYPERSPACE + steps + "".join(f"    {line}\n" for line in lines)


DEPTH = ('    rule: str = "gini"', '    rule: str = "gini"\n    max_depth: int | None = None')
"""Forest has a new parameter."""
