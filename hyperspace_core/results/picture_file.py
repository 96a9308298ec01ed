"""Write a plot as a file: a self-contained HTML page, or an image."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hyperspace_core.errors import HyperspaceError, UsageError

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
            f"an image needs kaleido and a Chrome or Chromium: pip install 'hyperspace-core[plot]' and "
            f"`plotly_get_chrome`, or write a page (.html); {type(error).__name__}: "
            f"{first[0] if first else 'no reason given'}") from error
    return image
