"""Shared helpers of the benchmarks: an empty project, and a table."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TRIVIAL = '''
import time
from hyperspace_core import Run, hookimpl

def nothing(number: int = 0):
    return number

def logging(run: Run, points: int = 20000):
    """Seconds a call in the thread of user code, compared with a bare list and a bare queue."""
    import queue, statistics
    log, clock, box, pipe = run.log_scalar, time.perf_counter, [], queue.SimpleQueue()
    calls = {"log_scalar": lambda i: log("loss", 0.5, i), "append": lambda i: box.append(("loss", 0.5, i)),
             "put": lambda i: pipe.put(("loss", 0.5, i))}
    found = {}
    for name, call in calls.items():
        times = []
        for i in range(points):
            began = clock()
            call(i)
            times.append(clock() - began)
        times.sort()
        found |= {name + "_p50": times[points // 2], name + "_p99": times[points * 99 // 100]}
    return found | {"result": 1.0}

@hookimpl
def hyperspace_register(register):
    register.scenario(nothing)
    register.scenario(logging)
'''


def trivial_project(folder: Path) -> dict[str, str]:
    """Write the project `trivial`; return the environment that finds it."""
    (folder / "trivial.py").write_text(TRIVIAL)
    info = folder / "trivial-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: trivial\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[hyperspace.projects]\ntrivial = trivial\n")
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, "HYPERSPACE_STORAGE": f"sqlite:///{folder / 'runs.db'}",
            "XDG_DATA_HOME": str(folder)}


def hyperspace(env: dict[str, str], *arguments: str) -> None:
    """Run one command of the trivial project."""
    command = [sys.executable, "-P", "-m", "hyperspace_core", *arguments, "--project", "trivial"]
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)


def show(title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Print a heading and aligned lines."""
    print(f"\n{title}  [Python {platform.python_version()}, {os.cpu_count()} cores]")
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
    sys.stdout.flush()
