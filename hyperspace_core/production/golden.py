"""Golden data of an exported run: check a service against the run."""

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
    """The outputs differ from the golden data; names the first difference."""

    exit_code = ExitCode.FAILED


def golden(folder: str | Path, name: str = "default") -> tuple[Any, Any]:
    """Read golden inputs and outputs, as stored with `run.log_golden`.

    Arrays are numpy arrays. Raises `NotFound` for an unknown name, `HyperspaceError` for unreadable files.
    """
    exported = read_folder(folder)
    known = exported.manifest["golden"]
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "the scenario logs none with run.log_golden(...)"
        raise NotFound(f"{exported.folder}: no golden data {name!r} was exported"
                       f"{did_you_mean(name, known) or f'; {has}'}")
    return _side(exported, name, "inputs"), _side(exported, name, "outputs")


def check_golden(folder: str | Path, function: Callable[[Any], Any], name: str = "default",
                 tolerance: float = 0.0) -> None:
    """Call `function` with the golden inputs and compare with the outputs.

    `tolerance`: largest allowed difference of numbers, absolute or relative to the larger one. Raises
    `GoldenDiffers` with the first difference in one line, and the exceptions of `golden` and `function`.
    """
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"check_golden: tolerance must be a number >= 0, got {tolerance!r}")
    inputs, outputs = golden(folder, name)
    differs = first_difference(outputs, function(inputs), tolerance, "outputs")
    if differs:
        within = f" within {tolerance:g}" if tolerance else ""
        raise GoldenDiffers(f"{folder}: golden data {name!r} does not match{within}: {differs}")


def _side(exported: Exported, name: str, side: str) -> Any:
    try:
        return assembled(side, lambda file: exported.path(label(name, file)).read_bytes())
    except (ValueError, EOFError, OSError, ImportError) as error:
        raise HyperspaceError(f"{exported.folder}: the {side} of golden data {name!r} cannot be read "
                              f"({error})") from None
