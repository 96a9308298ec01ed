"""A project with two learners, and a notebook that executes cells."""

from __future__ import annotations

import linecache
import textwrap
import types
from typing import Any

NAME = "typed_in_cells"
FILES = {
    "hyperspace.py": """
        from hyperspace_core.markers import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from greenhouse import parts
            register.module(parts)
            register.tasks("greenhouse.tasks")
        """,
    "parts.py": '''
        """Learners, and the trial that they are put to."""

        from dataclasses import dataclass

        from hyperspace_core.components import Component, Scenario
        from hyperspace_core.run import Run


        class Learner(Component):
            """Learns."""

            def size(self, seed: int) -> float:
                raise NotImplementedError


        @dataclass
        class Forest(Learner):
            """Many trees."""

            trees: int = 100

            def size(self, seed: int) -> float:
                return self.trees


        @dataclass
        class Trial(Scenario):
            """Asks a learner for its size."""

            def single_run(self, run: Run, learner: Learner = Forest()) -> dict[str, float]:
                size = learner.size(run.seed)
                run.log_scalar("size", size, 0)
                return {"size": size}
        ''',
    "spare.py": '"""A module that nothing registers."""\n',
    "tasks/__init__.py": "",
    "tasks/trial.json": """
        {"scenario": {"className": "Trial"}, "metric": {"name": "size"}, "seed": 7}
        """,
}
# a cell
GROVE = """
    import math
    from dataclasses import dataclass
    from greenhouse.parts import Learner

    FACTOR = 3

    def rounded(number):
        return math.floor(number)

    @study.register
    @dataclass
    class Grove(Learner):
        "Trees by the square."
        side: float = 2.5

        def size(self, seed: int) -> float:
            return FACTOR * rounded(self.side ** 2)
    """


class Notebook:
    """A module without a file; its cells are in the line cache."""

    def __init__(self) -> None:
        self.module = types.ModuleType(NAME)
        self.count = 0

    def cell(self, text: str) -> None:
        self.count += 1
        name, text = f"<{NAME}-{self.count}>", textwrap.dedent(text)
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec", dont_inherit=True), vars(self.module))

    def __getitem__(self, name: str) -> Any:
        return getattr(self.module, name)
