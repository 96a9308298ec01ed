"""Golden data of an exported run: does what is served still give what the run gave?"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperspace_core.errors import ExitCode, HyperspaceError, NotFound, UsageError, did_you_mean
from hyperspace_core.production.comparing import first_difference
from hyperspace_core.production.folder import Exported, read_folder
from hyperspace_core.records.golden import assembled, label


class GoldenDiffers(HyperspaceError):
    """What is served does not give what the run gave; the text names the first output that differs."""

    exit_code = ExitCode.FAILED


def golden(folder: str | Path, name: str = "default") -> tuple[Any, Any]:
    """The inputs and the outputs that the run kept with `run.log_golden`; arrays are numpy's.

    Raises `NotFound` where it kept none of that name, `HyperspaceError` for files that cannot be read.
    """
    exported = read_folder(folder)
    known = exported.manifest["golden"]
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "its scenario logs none with run.log_golden(...)"
        raise NotFound(f"{exported.folder}: no golden data {name!r} was exported"
                       f"{did_you_mean(name, known) or f'; {has}'}")
    return _side(exported, name, "inputs"), _side(exported, name, "outputs")


def check_golden(folder: str | Path, function: Callable[[Any], Any], name: str = "default",
                 tolerance: float = 0.0) -> None:
    """Call `function` with the golden inputs and compare what it gives with the golden outputs.

    `tolerance`: how far numbers may lie apart, absolutely or as a share of the larger one. Raises
    `GoldenDiffers` with the first output that differs, in one line; and what `golden` and `function` raise.
    """
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"check_golden: tolerance must be a number >= 0, got {tolerance!r}")
    inputs, outputs = golden(folder, name)
    differs = first_difference(outputs, function(inputs), tolerance, "outputs")
    if differs:
        within = f" within {tolerance:g}" if tolerance else ""
        raise GoldenDiffers(f"{folder}: golden data {name!r} is not met{within}: {differs}")


def _side(exported: Exported, name: str, side: str) -> Any:
    try:
        return assembled(side, lambda file: exported.path(label(name, file)).read_bytes())
    except (ValueError, EOFError, OSError, ImportError) as error:
        raise HyperspaceError(f"{exported.folder}: the {side} of golden data {name!r} cannot be read "
                              f"({error})") from None
