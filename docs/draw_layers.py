"""Draw the layers of the package and their imports into docs/_static/layers.svg.

Type `python docs/draw_layers.py`. The layers are those of the import-linter contract in pyproject.toml; boxes
and arrows come from the import graph. A box is a package or a module directly below `hyperspace_core`, or a
plugin. An arrow points from the importing box to the imported one, the number beside it counts the imports.
It is left out where a longer chain of arrows leads there, too.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import grimp

ROOT = Path(__file__).parents[1]
CORE = "hyperspace_core"
PICTURE = ROOT / "docs" / "_static" / "layers.svg"
WIDTH, MARGIN, TITLE = 1080, 16, 100          # of the picture; around it; for the names of layers at the left
BOX, GAP, ROW = 46, 6, 84                    # height of a box, space between two, distance of two rows
MOST = 7                                      # boxes in a row
COLOURS = ("#eef3fb", "#fbf6ea")              # of the layers, in turn

Edges = Mapping[str, Mapping[str, int]]       # importing box → imported box → number of imports


@dataclass(frozen=True)
class Layer:
    """A band of the picture: its title and the boxes in it."""

    title: str
    boxes: tuple[str, ...]


def layers_of_contract() -> list[Layer]:
    """From top to bottom, as pyproject.toml lists them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers" and "containers" not in one)
    boxes = [tuple(name.strip(" ()").removeprefix(f"{CORE}.") for name in layer.replace("|", ":").split(":"))
             for layer in layers]
    return [Layer(f"layer {len(boxes) - number}", names) for number, names in enumerate(boxes)]


def plugins() -> dict[str, Path]:
    """Import name and source folder of each plugin."""
    return {init.parent.name: init.parents[1] for init in sorted(ROOT.glob("plugins/*/src/*/__init__.py"))}


def box_of(module: str) -> str:
    """A plugin as a whole; in core the first name below the root, and the root by its own name."""
    first, _, rest = module.partition(".")
    return first if first != CORE else rest.partition(".")[0] or CORE


def imports() -> tuple[dict[str, Counter[str]], dict[str, list[str]]]:
    """The imports between boxes with their numbers, and the modules of each box."""
    extra = plugins()
    sys.path[:0] = [str(folder) for folder in extra.values()]
    graph = grimp.build_graph(CORE, *extra, exclude_type_checking_imports=True, cache_dir=None)
    edges: dict[str, Counter[str]] = defaultdict(Counter)
    modules: dict[str, list[str]] = defaultdict(list)
    for module in sorted(graph.modules):
        modules[box_of(module)].append(module)
        for imported in graph.find_modules_directly_imported_by(module):
            if box_of(imported) != box_of(module):
                edges[box_of(module)][box_of(imported)] += 1
    return edges, modules


def reachable(edges: Edges, start: str, without: str = "") -> set[str]:
    """What can be reached from a box; `without` its own arrow to that box."""
    seen: set[str] = set()
    waiting = [box for box in edges.get(start, ()) if box != without]
    while waiting:
        box = waiting.pop()
        if box not in seen:
            seen.add(box)
            waiting.extend(edges.get(box, ()))
    return seen


def without_detours(edges: Edges) -> list[tuple[str, str]]:
    """The arrows to draw: those that no longer way replaces."""
    return [(box, other) for box in sorted(edges) for other in sorted(edges[box])
            if other not in reachable(edges, box, without=other)]


def rows(layer: Layer, edges: Edges) -> list[list[str]]:
    """The boxes of a layer in rows, so that those of one layer import downwards, too."""
    depth: dict[str, int] = {}

    def depth_of(box: str, above: frozenset[str] = frozenset()) -> int:
        if box not in depth:
            below = [other for other in edges.get(box, ())
                     if other in layer.boxes and other not in above | {box}]
            depth[box] = 1 + max((depth_of(other, above | {box}) for other in below), default=-1)
        return depth[box]

    levels: dict[int, list[str]] = defaultdict(list)
    for box in layer.boxes:
        levels[-depth_of(box)].append(box)
    return [part for _, level in sorted(levels.items()) for part in parts(level)]


def parts(level: Sequence[str]) -> list[list[str]]:
    count = -(-len(level) // MOST)
    return [list(level[number::count]) for number in range(count)]


def ordered(all_rows: list[list[str]], arrows: Iterable[tuple[str, str]]) -> None:
    """Move boxes within their rows to where their neighbours are, so that fewer arrows cross."""
    neighbours: dict[str, list[str]] = defaultdict(list)
    for one, other in arrows:
        neighbours[one].append(other)
        neighbours[other].append(one)
    for sweep in range(12):
        place = {box: (number + 0.5) / len(row) for row in all_rows for number, box in enumerate(row)}
        for row in all_rows if sweep % 2 else reversed(all_rows):
            row.sort(key=lambda box: (sum(place[near] for near in neighbours[box]) / len(neighbours[box])
                                      if neighbours[box] else place[box]))
            place |= {box: (number + 0.5) / len(row) for number, box in enumerate(row)}


def size_of(box: str, modules: Sequence[str]) -> str:
    """How much is in it, as its second line."""
    folder = plugins().get(box)
    base = folder if folder else ROOT
    lines = 0
    for module in modules:
        path = base.joinpath(*module.split("."))
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        lines += len(file.read_text(encoding="utf-8").splitlines())
    count = f"{len(modules)} modules, " if len(modules) > 1 else ""
    return f"{count}{lines:,} lines"


def drawn() -> str:
    """The picture."""
    edges, modules = imports()
    named = layers_of_contract()
    extra = [box for box in plugins() if box in modules]
    elsewhere = [box for box in modules if box not in extra and not any(box in layer.boxes for layer in named)
                 and box != CORE]
    bands = [Layer("plugins", tuple(extra)), *named]
    if elsewhere:
        bands.insert(1, Layer("in no layer", tuple(elsewhere)))
    bands = [Layer(band.title, tuple(box for box in band.boxes if box in modules)) for band in bands]
    shown = {box for band in bands for box in band.boxes}
    edges = {box: Counter({other: count for other, count in edges[box].items() if other in shown})
             for box in list(edges) if box in shown}
    arrows = without_detours(edges)

    in_rows = [rows(band, edges) for band in bands]
    all_rows = [row for band in in_rows for row in band]
    ordered(all_rows, arrows)
    centre: dict[str, tuple[float, float]] = {}
    wide: dict[str, float] = {}
    shapes: list[str] = []
    y = float(MARGIN)
    for number, (band, band_rows) in enumerate(zip(bands, in_rows, strict=True)):
        height = len(band_rows) * ROW
        shapes.append(f'<rect x="{MARGIN}" y="{y:.0f}" width="{WIDTH - 2 * MARGIN}" height="{height}" '
                      f'fill="{COLOURS[number % 2]}"/>')
        shapes.append(f'<text class="layer" x="{MARGIN + 12}" y="{y + ROW / 2 + 5:.0f}">'
                      f"{escape(band.title)}</text>")
        for row in band_rows:
            share = (WIDTH - 2 * MARGIN - TITLE) / len(row)
            for place, box in enumerate(row):
                wide[box] = min(share - GAP, 150)
                centre[box] = (MARGIN + TITLE + share * (place + 0.5), y + ROW / 2)
            y += ROW
    leaving, reaching = ports(arrows, centre, wide)
    lines = [arrow((leaving[pair], centre[pair[0]][1]), (reaching[pair], centre[pair[1]][1]),
                   edges[pair[0]][pair[1]]) for pair in arrows]
    boxes = [drawn_box(box, size_of(box, modules[box]), centre[box], wide[box]) for box in centre]
    return "\n".join([*head(y + MARGIN), *shapes, *lines, *boxes, "</svg>", ""])


def head(height: float) -> list[str]:
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
        f"<title>The layers of {CORE}: each box imports only from layers below it</title>",
        "<style>",
        "text { font: 13px sans-serif; fill: #1f2933; }",
        ".layer { fill: #7b8794; }",
        ".size { font-size: 10.5px; fill: #52606d; }",
        ".count { font-size: 9px; fill: #52606d; }",
        ".arrow { fill: none; stroke: #7b8794; }",
        "</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9"',
        'markerUnits="userSpaceOnUse" orient="auto">',
        '<path d="M0 0 10 5 0 10z" fill="#7b8794"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>',
    ]


def ports(arrows: Sequence[tuple[str, str]], centre: Mapping[str, tuple[float, float]],
          wide: Mapping[str, float]) -> tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]]:
    """Where along its boxes each arrow leaves and arrives, so that arrows do not lie on each other."""
    found: tuple[dict[tuple[str, str], float], dict[tuple[str, str], float]] = ({}, {})
    for end in (0, 1):
        at_box: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for pair in arrows:
            at_box[pair[end]].append(pair)
        for box, pairs in at_box.items():
            pairs.sort(key=lambda pair: centre[pair[1 - end]][0])
            step = min(20.0, 0.8 * wide[box] / len(pairs))
            for number, pair in enumerate(pairs):
                found[end][pair] = centre[box][0] + step * (number - (len(pairs) - 1) / 2)
    return found


def arrow(start: tuple[float, float], end: tuple[float, float], count: int) -> str:
    """A curve from the lower edge of one box to the upper edge of another, the wider the more imports."""
    (x1, y1), (x2, y2) = start, end
    down = y2 > y1
    y1, y2 = (y1 + BOX / 2, y2 - BOX / 2) if down else (y1 - BOX / 2, y2 + BOX / 2)
    bend = (y2 - y1) / 2
    width = 1 + min(count, 40) / 14
    return (f'<path class="arrow" stroke-width="{width:.1f}" marker-end="url(#tip)" '
            f'd="M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}">'
            f"<title>{count} imports</title></path>"
            f'<text class="count" x="{x1 + 2:.0f}" y="{y1 + (11 if down else -4):.0f}">{count}</text>')


def drawn_box(name: str, size: str, centre: tuple[float, float], width: float) -> str:
    x, y = centre
    return (f'<g text-anchor="middle"><rect x="{x - width / 2:.0f}" y="{y - BOX / 2:.0f}" '
            f'width="{width:.0f}" height="{BOX}" rx="6" fill="#fff" stroke="#52606d"/>'
            f'<text class="box" x="{x:.0f}" y="{y - 3:.0f}">{escape(name)}</text>'
            f'<text class="size" x="{x:.0f}" y="{y + 14:.0f}">{escape(size)}</text></g>')


if __name__ == "__main__":
    PICTURE.write_text(drawn(), encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}")
