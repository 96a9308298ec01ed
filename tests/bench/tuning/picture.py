"""Plot the curves of `bench.py`: rows are modes, columns are problems.

`python picture.py curves.json regret.svg`. The axis of the regret is logarithmic, down to 1e-4.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

MODES = ("cold", "warm", "added", "parallel")
COLOURS = {"GP": "#1f5fbf", "TPE": "#7a7a7a", "Optuna": "#d9731a", "Optuna, grouped": "#2e8b57"}
WIDTH, HEIGHT, LEFT, TOP, GAP = 165, 120, 60, 44, 14
FLOOR = 1e-4

Curves = list[list[float]]


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    found: dict[tuple[str, str], dict[str, Curves]] = defaultdict(lambda: defaultdict(list))
    for line in source.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        found[entry["mode"], entry["problem"]][entry["system"]].append(entry["regret"])
    problems = list(dict.fromkeys(problem for _, problem in found))
    across = [LEFT + column * (WIDTH + GAP) for column in range(len(problems))]
    down = [TOP + row * (HEIGHT + GAP) for row in range(len(MODES))]
    shapes = [shape for y, mode in zip(down, MODES, strict=True)
              for x, problem in zip(across, problems, strict=True)
              for shape in panel(found[mode, problem], x, y)]
    titles = [text(x + WIDTH / 2, TOP - 8, problem, "middle")
              for x, problem in zip(across, problems, strict=True)]
    titles += [text(8, y + HEIGHT / 2, mode) for y, mode in zip(down, MODES, strict=True)]
    for x, (name, colour) in zip(range(LEFT, wide(problems), 150), COLOURS.items(), strict=False):
        titles += [f'<rect x="{x}" y="8" width="18" height="4" fill="{colour}"/>', text(x + 24, 14, name)]
    size = wide(problems), TOP + len(MODES) * (HEIGHT + GAP)
    target.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" '
                      f'font-family="sans-serif" font-size="11"><rect width="{size[0]}" height="{size[1]}" '
                      f'fill="white"/>{"".join([*shapes, *titles])}</svg>\n', encoding="utf-8")


def wide(problems: Sequence[str]) -> int:
    return LEFT + len(problems) * (WIDTH + GAP)


def panel(systems: dict[str, Curves], left: float, top: float) -> Iterable[str]:
    """Draw one problem in one mode: limits, and a band and a line for each system."""
    bands = {name: list(zip(*(statistics.quantiles(column, n=4, method="inclusive")
                              for column in zip(*curves, strict=True)), strict=True))
             for name, curves in systems.items()}
    values = [max(FLOOR, value) for band in bands.values() for curve in band for value in curve]
    low, high = math.log10(min(values)), math.log10(max(values))
    count = max(len(band[0]) for band in bands.values())

    def points(curve: Sequence[float]) -> str:
        return " ".join(f"{left + WIDTH * run / (count - 1):.1f},"
                        f"{top + HEIGHT * (high - math.log10(max(FLOOR, value))) / (high - low):.1f}"
                        for run, value in enumerate(curve))

    yield f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#bbb"/>'
    for name in (known for known in COLOURS if known in bands):
        lower, middle, upper = bands[name]
        around = f"{points(lower)} {' '.join(reversed(points(upper).split()))}"
        yield f'<polygon points="{around}" fill="{COLOURS[name]}" opacity="0.13"/>'
        yield f'<polyline points="{points(middle)}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.4"/>'
    yield text(left + 3, top + 11, f"{10 ** high:.2g}", colour="#666")
    yield text(left + 3, top + HEIGHT - 4, f"{10 ** low:.2g}", colour="#666")
    yield text(left + WIDTH - 3, top + HEIGHT - 4, f"run {count}", "end", colour="#666")


def text(x: float, y: float, words: str, anchor: str = "start", colour: str = "#222") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{colour}">{words}</text>'


if __name__ == "__main__":
    main()
