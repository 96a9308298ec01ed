"""Print the curves of `bench.py` as Markdown tables of medians and quartiles."""

from __future__ import annotations

import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path

POINTS = {"cold": (25, 50, 100), "warm": (10, 33), "added": (50, 60, 75), "parallel": (50, 100)}


def at(curves: list[list[float]], run: int) -> str:
    low, middle, high = statistics.quantiles((one[run - 1] for one in curves), n=4, method="inclusive")
    return f"{middle:.4f} [{low:.4f} {high:.4f}]"


def main() -> None:
    found: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        found[entry["mode"], entry["problem"], entry["system"]].append(entry["regret"])
    for mode, points in POINTS.items():
        print(f"| {mode} | by |" + "".join(f" {point} runs |" for point in points))
        print("| --- | --- |" + " --- |" * len(points))
        for (of, problem, system), curves in found.items():
            if of == mode:
                print(f"| {problem} | {system} | " + " | ".join(at(curves, point) for point in points) + " |")
        print()


if __name__ == "__main__":
    main()
