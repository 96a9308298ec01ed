"""Parts of all plots: plotly, the layout, and the file that a plot is written to."""

from __future__ import annotations

import html
import os
import tempfile
from pathlib import Path
from typing import Any

from hyperspace_core.errors import HyperspaceError, UsageError
from hyperspace_core.records import Metric

MISSING_PLOTLY = "a plot needs plotly, which is not installed: pip install plotly"
COLOURS = ("#4361ee", "#d1495b", "#2a9d8f", "#f4a261", "#6d597a", "#8d99ae")

Figure = Any                   # plotly.graph_objects.Figure


def plotly() -> Any:
    """Import plotly's graph objects. Raises `HyperspaceError` if it is not installed."""
    try:
        import plotly.graph_objects
    except ImportError as error:
        raise HyperspaceError(MISSING_PLOTLY) from error
    return plotly.graph_objects


def lay_out(figure: Figure, title: str, x: str, y: str, *, legend: str = "", height: int = 520,
            top: int = 70) -> Figure:
    """Set title, axis titles and size of a figure; returns the figure."""
    figure.update_layout(
        title={"text": title}, template="plotly_white", width=960, height=height,
        margin={"l": 80, "r": 40, "t": top, "b": 70}, legend={"title": {"text": legend}}, showlegend=True)
    figure.update_xaxes(title={"text": x})
    figure.update_yaxes(title={"text": y})
    return figure


def label(text: str) -> str:
    """Escape stored text, so that plotly does not read tags in it."""
    return html.escape(text, quote=False)


def metric_label(metric: Metric) -> str:
    """The title of an axis of results: "loss (lower is better)"."""
    return f"{label(metric.name)} ({'lower' if metric.goal == 'minimize' else 'higher'} is better)"


# -- Write a plot as a file: a self-contained HTML page, or an image ----

PAGES = (".html",)
IMAGES = (".png", ".svg", ".pdf")
SCALE = 2                      # pixels per point of an image


def check_target(path: Path) -> Path:
    """Check suffix and folder of the path before drawing. Raises `UsageError`."""
    if path.suffix.lower() not in (*PAGES, *IMAGES):
        raise UsageError(f"{path}: expected a file that ends in {', '.join((*PAGES, *IMAGES))}")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{path}: the folder {path.absolute().parent} does not exist; create it first")
    return path


def write_picture(figure: Any, path: Path) -> Path:
    """Write a plotly figure in the format of the suffix, atomically.

    Raises `UsageError`, and `HyperspaceError` if an image needs a package that is not installed.
    """
    kind = check_target(path).suffix.lower().removeprefix(".")
    content = (figure.to_html(include_plotlyjs=True, full_html=True).encode() if kind == "html"
               else _image(figure, kind))
    handle, made = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.absolute().parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        mask = os.umask(0)
        os.umask(mask)
        Path(made).chmod(0o666 & ~mask)        # a temporary file is private
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
    return path


def _image(figure: Any, kind: str) -> bytes:
    try:
        image: bytes = figure.to_image(format=kind, scale=SCALE if kind == "png" else 1)
    except Exception as error:
        first = str(error).strip().splitlines()[:1]
        raise HyperspaceError(
            f"an image needs kaleido and a Chrome or Chromium: `pip install kaleido` and "
            f"`plotly_get_chrome`, or write a page (.html); {type(error).__name__}: "
            f"{first[0] if first else 'no reason given'}") from error
    return image
