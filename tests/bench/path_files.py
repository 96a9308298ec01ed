"""Which files of core a run, a metric point and a config go through, by tracing real executions.

A trivial run is submitted and executed by a worker, with a profile function in every process and thread.
A function is on the way of a point or a config if an argument or the returned value is plain data or a
record that holds it; the way of a config ends where user code gets it. On the way of a run is what the worker
executes from its claim to its end, and what its process executes from its job on.

`python tests/bench/path_files.py [--files]`; the script also runs with older versions of core on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tools import show

POINT, CONFIG = "way-of-a-point", "way-of-a-config"
PROJECT = '''
from hyperspace_core import Run, hookimpl

def way(run: Run, text: str = "usual", number: float = 1.0):
    run.log_scalar("-".join(["way", "of", "a", "point"]), 0.5, 1)      # the source does not hold the name
    return 1.0

@hookimpl
def hyperspace_register(register):
    register.scenario(way)
'''
SUBMIT = f'''
from hyperspace_core.study import Study
with Study("waysproject") as study:
    study.submit("way", {{"text": "{CONFIG}"}})
'''
WORKER = '''
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.study import Study
from hyperspace_core.worker.worker import Worker
try:
    from hyperspace_core.worker.state import WorkerOptions
except ImportError:                                # an older version
    from hyperspace_core.worker.options import WorkerOptions
with Study("waysproject") as study:
    report = Worker(study.store, "waysproject", build_manager(), WorkerOptions(drain=True)).run()
    assert [one.result for one in report.ended] == [1.0], report
'''
# imported by every Python process, because its folder is on the path
TRACER = '''
import json, os, sys, threading

WAYS = {marker[::-1]: way for marker, way in json.loads(os.environ["HS_WAYS"]).items()}
CORE = os.environ["HS_CORE"] + os.sep
OUT = os.open(os.environ["HS_OUT"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
ROLE = os.environ.get("HS_ROLE", "")
if any(name.endswith((".fork_server", ".guardian")) for name in sys.orig_argv):
    ROLE = "child"
told = set()
running = [False]                                  # within the way of a run
arrived = [False]                                  # the config has reached user code

def tell(way, code):
    entry = (way, code.co_filename)
    if entry not in told:
        told.add(entry)
        line = json.dumps([ROLE, way, code.co_filename[len(CORE):], code.co_name])
        os.write(OUT, (line + "\\n").encode())

def holds(value, markers, depth=0, within=False):
    """The markers that a value holds: plain data, or a record of such; not a record within a record."""
    if isinstance(value, str):
        return {one for one in markers if one in value}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {one for one in markers if one.encode() in bytes(value)}
    if depth > 9 or isinstance(value, type):
        return set()
    if isinstance(value, dict):
        items = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = list(value)
    else:
        names = getattr(type(value), "__struct_fields__", None) or getattr(
            type(value), "__dataclass_fields__", None)
        items = [getattr(value, name, None) for name in names] if not within and isinstance(
            names, (list, tuple, dict)) else []
        within = True
    found = set()
    for item in items[:500]:
        found |= holds(item, markers, depth + 1, within)
    return found

def profile(frame, event, value):
    code = frame.f_code
    if code.co_name == "way" and code.co_filename.endswith("waysproject.py"):
        arrived[0] = True
    if event not in ("call", "return") or not code.co_filename.startswith(CORE):
        return
    if ROLE == "worker":
        if event == "return" and code.co_name == "claim" and "/stores/" in code.co_filename:
            running[0] = value is not None
        elif event == "call" and code.co_name == "claim" and "/stores/" in code.co_filename:
            running[0] = False
    elif ROLE == "child" and event == "return" and code.co_name in ("decode", "read_job") and (
            code.co_filename.endswith("/job.py")) and value.project == "waysproject":
        running[0] = True
    if running[0] and event == "call":
        tell("run", code)
    for one in list(frame.f_locals.values()) if event == "call" else [value]:
        for marker in holds(one, WAYS):
            if not (WAYS[marker] == "config" and arrived[0]):
                tell(WAYS[marker], code)

if ROLE:
    threading.setprofile(profile)
    sys.setprofile(profile)
'''


def project(folder: Path) -> dict[str, str]:
    """Write the project and the tracer; return the environment of its processes."""
    import hyperspace_core

    (folder / "waysproject.py").write_text(PROJECT)
    (folder / "sitecustomize.py").write_text(TRACER)
    info = folder / "waysproject-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: waysproject\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text("[hyperspace.projects]\nwaysproject = waysproject\n")
    tasks = folder / "tasks"
    tasks.mkdir()
    (tasks / "way.json").write_text('{"scenario": {"className": "way"}}')
    core = Path(hyperspace_core.__file__).parent
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    ways = {POINT[::-1]: "point", CONFIG[::-1]: "config"}      # the environment must not hold the markers
    return {**os.environ, "PYTHONPATH": path, "HYPERSPACE_STORAGE": f"sqlite:///{folder / 'runs.db'}",
            "XDG_DATA_HOME": str(folder), "HS_WAYS": json.dumps(ways), "HS_CORE": str(core),
            "HS_OUT": str(folder / "told")}


def traced() -> list[tuple[str, str, str, str]]:
    """Role of the process, way, file and first function of each file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = project(folder)
        for role, script in (("submit", SUBMIT), ("worker", WORKER)):
            subprocess.run([sys.executable, "-P", "-c", script], env={**env, "HS_ROLE": role}, check=True)
        lines = (folder / "told").read_text(encoding="utf-8").splitlines()
    return [tuple(json.loads(line)) for line in lines]


def files(found: Iterable[tuple[str, str, str, str]], way: str, role: str = "") -> list[str]:
    return sorted({file for where, name, file, _ in found if name == way and role in ("", where)})


def main() -> None:
    found = traced()
    rows = []
    for way, title, roles in (("run", "a claimed run, to its end", ("worker", "child")),
                              ("point", "a metric point", ("child", "worker")),
                              ("config", "a config from submit to the child", ("submit", "worker", "child"))):
        parts = ", ".join(f"{role} {len(files(found, way, role))}" for role in roles)
        rows.append((title, f"{len(files(found, way)):4} files   ({parts})"))
    show("files of core on three ways", rows)
    if "--files" in sys.argv[1:]:
        for way in ("run", "point", "config"):
            print(f"\n{way}")
            for file in files(found, way):
                where = {role: function for role, name, at, function in found if (name, at) == (way, file)}
                print(f"  {file:<50} " + "  ".join(f"{role}: {name}" for role, name in where.items()))


if __name__ == "__main__":
    main()
