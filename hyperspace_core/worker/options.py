"""The options of a worker."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from hyperspace_core.errors import UsageError, did_you_mean

Isolation = Literal["warm", "spawn", "inline"]
Code = Literal["pinned", "current"]
MAX_SLOTS = 1024


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The options of a worker. Raises `UsageError` for invalid values."""

    slots: int = 1                         # runs at a time
    isolation: Isolation = "warm"
    code: Code = "pinned"                  # runs execute the pinned code, or the installed code
    drain: bool = False                    # stop when no run is left that this worker can take
    max_runs: int | None = None            # stop after this number of runs
    poll_s: float | None = None            # longest time between two queue checks
    tasks_dir: Path | None = None          # a folder with more task files
    grace_s: float = 30.0                  # from a stop request until the kill
    echo: bool = False                     # print the output of runs at once
    no_plugins: tuple[str, ...] = ()       # installed plugins to leave out
    base: Path | None = None               # a folder with code instead of the installed code
    python: Path | None = None             # the interpreter that executes runs; None: this one

    def __post_init__(self) -> None:
        _at_least_one("--slots", self.slots)
        if self.slots > MAX_SLOTS:
            raise UsageError(f"--slots: at most {MAX_SLOTS}, got {self.slots}")
        if self.max_runs is not None:
            _at_least_one("--max-runs", self.max_runs)
        known = get_args(Isolation)
        if self.isolation not in known:
            raise UsageError(f"--isolation: expected one of {', '.join(known)}, got {self.isolation!r}"
                             + did_you_mean(str(self.isolation), known))
        if self.code not in get_args(Code):
            raise UsageError(f"--code: expected one of {', '.join(get_args(Code))}, got {self.code!r}")
        if self.isolation == "inline" and self.slots > 1:
            raise UsageError(f"--slots {self.slots} and --isolation inline contradict each other: "
                             "inline executes in the worker's own process, one run at a time")
        if self.poll_s is not None and not self.poll_s > 0:
            raise UsageError(f"--poll: expected seconds > 0, got {self.poll_s:g}")
        if not self.grace_s >= 0:
            raise UsageError(f"--grace: expected seconds >= 0, got {self.grace_s:g}")


def _at_least_one(option: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{option}: expected a whole number >= 1, got {value!r}")
