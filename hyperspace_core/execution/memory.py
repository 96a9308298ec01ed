"""Detect that the kernel killed a process because memory ran out.

A signal 9 alone is no proof, so the kernel's counters are read before and after.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from hyperspace_core.execution.result import in_bytes

GROUPS = Path("/sys/fs/cgroup")


def out_of_memory_kills() -> dict[str, int]:
    """The number of out-of-memory kills in this control group and on the machine."""
    counts = {}
    for place, path, key in [*_group_counters(), ("the machine", Path("/proc/vmstat"), "oom_kill")]:
        with contextlib.suppress(OSError, ValueError):
            counts[place] = _field(path, key)
    return counts


def proof(before: dict[str, int], after: dict[str, int], max_rss_bytes: int | None) -> str | None:
    """One line for people where a counter rose, else None."""
    risen = [place for place, count in after.items() if count > before.get(place, count)]
    if not risen:
        return None
    peak = "" if max_rss_bytes is None else f" (peak RSS {in_bytes(max_rss_bytes)})"
    return f"killed by the kernel: out of memory in {risen[0]}{peak}"


def _group_counters() -> list[tuple[str, Path, str]]:
    """The counter files of this process: of cgroup v2, or of v1's memory controller."""
    found = []
    for line in _lines(Path("/proc/self/cgroup")):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.strip().lstrip("/")
        if number == "0":
            found += [("its control group", root / inside / "memory.events", "oom_kill")
                      for root in (GROUPS, GROUPS / "unified")]
        elif "memory" in controllers.split(","):
            found.append(("its control group", GROUPS / "memory" / inside / "memory.oom_control", "oom_kill"))
    return found


def _field(path: Path, key: str) -> int:
    for line in _lines(path):
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    raise ValueError(f"{path} has no line '{key}'")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
