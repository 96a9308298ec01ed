"""The picture of the layers shows the packages and plugins that exist."""

from __future__ import annotations

import re

from support.scripts import ROOT, script

DRAW = script("draw_layers")
PICTURE = ROOT / "docs" / "_static" / "layers.svg"


def boxes(picture: str) -> list[str]:
    return sorted(re.findall(r'<text class="box"[^>]*>([^<]*)</text>', picture))


def test_the_picture_has_a_box_for_each_module_and_plugin() -> None:
    core = ROOT / "hyperspace_core"
    packages = [path.parent.name for path in core.glob("*/__init__.py")]
    modules = [path.stem for path in core.glob("*.py") if path.stem != "__init__"]
    plugins = [path.parent.name for path in ROOT.glob("plugins/*/src/*/__init__.py")]

    assert boxes(DRAW.drawn()) == sorted(packages + modules + plugins)


def test_the_picture_in_the_repository_has_the_same_boxes() -> None:
    assert boxes(PICTURE.read_text(encoding="utf-8")) == boxes(DRAW.drawn()), \
        "type: python docs/draw_layers.py"


def test_an_arrow_is_left_out_where_a_longer_way_leads_there() -> None:
    edges = {"a": {"b": 1, "c": 2}, "b": {"c": 3}}

    assert DRAW.without_detours(edges) == [("a", "b"), ("b", "c")]


def test_boxes_of_a_layer_import_downwards() -> None:
    layer = DRAW.Layer("one", ("a", "b", "c"))

    assert DRAW.rows(layer, {"a": {"c": 1}, "c": {"b": 1}}) == [["a"], ["c"], ["b"]]
