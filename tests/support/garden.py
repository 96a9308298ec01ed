"""A project whose code, data, task and hooks change between openings."""

from __future__ import annotations

import textwrap

PROJECT = "garden"

PLUGIN = """
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from garden import parts
    register.module(parts)
    register.tasks("garden.tasks")
"""

PARTS = '''
from dataclasses import dataclass
from pathlib import Path

from hyperspace_core.components import Component, Dataset, Scenario
from hyperspace_core.run import Run

from garden.helpers import grown


class Classifier(Component):
    "Scores rows."


@dataclass
class Forest(Classifier):
    "Many trees."
    trees: int = 10

    def score(self, rows):
        return grown(self.trees) + len(rows)


@dataclass
class Support(Classifier):
    "Few vectors."
    C: float = 1.0

    def score(self, rows):
        return self.C


@dataclass
class Digits(Dataset):
    "Rows of a file."
    version: int = 1

    def load(self):
        return (Path(__file__).parent / "rows.txt").read_text().split()


@dataclass
class Holdout(Scenario):
    "Loads and scores."
    dataset: Dataset
    share: float = 0.25

    def single_run(self, run: Run, classifier: Classifier = Forest()) -> dict[str, float]:
        rows = run.stages.load_data(self.dataset)
        return {"score": classifier.score(rows) + run.seed / 100, "loss": 1.0}
'''

HELPERS = """
def grown(trees):
    return trees / 100
"""

TASK = """
{"scenario": {"className": "Holdout", "dataset": {"className": "Digits", "version": 1}},
 "metric": {"name": "score"}, "seed": 0}
"""

FILES = {"hyperspace.py": PLUGIN, "parts.py": PARTS, "helpers.py": HELPERS, "rows.txt": "1 2 3",
         "tasks/__init__.py": "", "tasks/holdout.json": TASK}


def changed(name: str, old: str, new: str) -> dict[str, str]:
    """A file of the project with one change."""
    text = FILES[name]
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
    return {name: text.replace(old, new)}


def with_hook(body: str) -> dict[str, str]:
    """The project with its own stage hook."""
    hook = ("\n@hookimpl\ndef hyperspace_load_data(run, dataset):\n" + textwrap.indent(body, "    ") + "\n")
    return {"hyperspace.py": PLUGIN + hook}


def declaring(*lines: str) -> dict[str, str]:
    """The project with additional registrations."""
    return {"hyperspace.py": PLUGIN + "".join(f"    {line}\n" for line in lines)}
