"""A small project for the command line: two classes to choose from, lists, two tasks."""

from __future__ import annotations

PROJECT = "growing"

PLUGIN = '''
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from growing import things
    register.module(things)
    register.tasks("growing.tasks")
'''

THINGS = '''
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from hyperspace_core.components import Component, Scenario
from hyperspace_core.run import Run
from hyperspace_core.ranges import Choice, Int


class Model(Component):
    """What is fitted."""


@dataclass
class Tree(Model):
    """Grows.

    depth: how far it may go
    """

    aliases: ClassVar[tuple[str, ...]] = ("Bush",)

    depth: Annotated[int, Int(1, 9)] = 3
    split: Annotated[str, Choice("best", "random")] = "best"


@dataclass
class Line(Model):
    """Straight on."""

    slope: float = 1.0


@dataclass
class Grow(Scenario):
    """Pretends to fit.

    Nothing is fitted.
    """

    rows: int = 10

    def single_run(self, run: Run, model: Model = Tree(), noise: float = 0.0,
                   layers: list[int] = [1, 2]) -> dict[str, float]:
        print(f"{type(model).__name__} with {layers}")
        run.progress(1, 2, "halfway")
        run.log_scalar("loss", 0.5, 1)
        if noise < 0:
            raise ValueError("noise below zero")
        return {"score": getattr(model, "depth", 0) + noise + run.seed / 100, "rows": float(self.rows)}
'''

FIRST = """
{"scenario": {"className": "Grow", "rows": 20}, "metric": {"name": "score"}, "seed": 5}
"""
SECOND = """
{"scenario": "Grow", "metric": {"name": "score", "goal": "minimize"}}
"""

FILES = {"hyperspace.py": PLUGIN, "things.py": THINGS, "tasks/__init__.py": "", "tasks/first.json": FIRST,
         "tasks/second.json": SECOND}
