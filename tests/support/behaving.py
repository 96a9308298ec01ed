"""A project with one scriptable scenario, worker processes, and polling."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_core.records.run import NewRun
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store, new_token

PROJECT = "behaving"
PATIENCE_S = 30.0

PLUGIN = '''
from hyperspace_core.markers import hookimpl

@hookimpl
def hyperspace_register(register):
    from behaving import scenarios
    register.scenario(scenarios.behave)
'''

SCENARIOS = '''
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hyperspace_core.run import Run

VERSION = 1


def behave(run: Run, how: str = "well", folder: str = "", points: int = 0, number: float = 1.0) -> float:
    """Touches `folder/began-ID-ATTEMPT`, then behaves."""
    if folder:
        (Path(folder) / f"began-{run.id}-{run.attempt}").write_text(str(os.getpid()))
    for step in range(points):
        run.log_scalar("loss", 1.0 / (step + 1), step)
    run.info["how"] = how
    if how == "well":
        print("well done")
    elif how == "version":
        return float(VERSION)
    elif how == "raise":
        raise ValueError("as asked")
    elif how == "once":
        if run.attempt == 1:
            raise ValueError("only once")
    elif how == "system-exit":
        sys.exit("bye")
    elif how == "exit-0":
        os._exit(0)
    elif how == "exit-3":
        os._exit(3)
    elif how == "segfault":
        ctypes.string_at(0)
    elif how == "abort":
        os.abort()
    elif how == "kill-me":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "close-streams":
        print("before")
        sys.stdout.close()
        sys.stderr.close()
    elif how == "stop-me":
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(60)
    elif how == "kill-guardian":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    elif how == "c-output":
        libc = ctypes.CDLL(None)
        libc.puts(b"from C")
        os.write(2, b"from the descriptor\\\\n")
    elif how == "artifact":
        run.log_artifact(b"weights", "model.bin")
    elif how == "big-info":
        run.info["big"] = ["x" * 1000] * 3000
    elif how == "environment":
        run.info["environment"] = dict(os.environ)
    elif how == "wait":
        print("waiting")
        run.progress(3, 10, "waiting")
        wait_for(Path(folder) / "go")
    elif how == "wait-politely":
        while not run.should_stop() and not (Path(folder) / "go").exists():
            time.sleep(0.02)
        return 0.25
    elif how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"],
                                 start_new_session=True)
        (Path(folder) / "grandchild").write_text(str(child.pid))
        while True:
            try:
                time.sleep(600)
            except BaseException:
                pass
    elif how == "meet":
        (Path(folder) / f"here-{run.id}").touch()
        while len(list(Path(folder).glob("here-*"))) < 2:
            time.sleep(0.01)
    else:
        raise AssertionError(how)
    return number


def wait_for(path):
    while not path.exists():
        time.sleep(0.02)
'''

FILES = {"hyperspace.py": PLUGIN, "scenarios.py": SCENARIOS, "__init__.py": ""}


def submit(store: Store, how: str = "well", count: int = 1, *, config: dict[str, Any] | None = None,
           validated: bool = False, retries: int = 0, task: str = "behave") -> list[int]:
    """Queue runs as a machine without the project would."""
    tree = {"how": how} | (config or {})
    return store.submit([
        NewRun(uid=new_token(), project=PROJECT, task=task, submitted=tree, validated=validated,
               max_failures=retries, seed=1 if validated else None, config=tree if validated else None,
               scenario={"className": "behave"} if validated else None)
        for _ in range(count)])


def until(met: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Poll until it is true; other processes do not call back."""
    end = time.monotonic() + patience_s
    look = threading.Event()
    while time.monotonic() < end:
        found = met()
        if found:
            return found
        look.wait(0.01)
    raise AssertionError(f"waited {patience_s:g} s for: {what}")


def in_state(store: Store, run: int, *states: State) -> Any:
    def met() -> Any:
        record = store.get(run)
        return record if record.state in states else None

    return until(met, f"run {run} in {states}, is {store.get(run).state}")


def began(folder: Path, run: int, attempt: int = 1) -> int:
    """The pid of an attempt that has begun."""
    path = folder / f"began-{run}-{attempt}"
    return int(until(lambda: path.exists() and path.read_text(), f"attempt {attempt} of run {run} begins"))


def grandchild_of_the_deaf(folder: Path) -> int:
    """The pid of the process that a "deaf" run has started."""
    path = folder / "grandchild"
    return int(until(lambda: path.exists() and path.read_text(), "a grandchild"))


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def opened_for_tests(url: str, heartbeat_s: float = 0.2, project: str = PROJECT) -> Iterator[Store]:
    """The store, with five heartbeats a TTL; ten times faster than usual."""
    with open_store(url, build_manager(), project) as store:
        store.change_settings(project, heartbeat_s=heartbeat_s, ttl_s=5 * heartbeat_s)
        yield store


@contextlib.contextmanager
def worker_processes(url: str, environment: dict[str, str]) -> Iterator[Callable[..., WorkerProcess]]:
    """Starts worker processes, which end with the test."""
    started: list[WorkerProcess] = []

    def start(**options: Any) -> WorkerProcess:
        started.append(WorkerProcess(url, environment, **options))
        return started[-1]

    yield start
    for worker in started:
        worker.end()


class WorkerProcess:
    """A worker process whose events are read by a thread.

    `via` is a command that becomes the one given to it, such as `nsenter …`.
    """

    def __init__(self, url: str, env: dict[str, str], *, via: Sequence[str] = (), **options: Any) -> None:
        script = Path(__file__).with_name("run_worker.py")
        self.process = subprocess.Popen(
            [*via, sys.executable, "-P", str(script), url, PROJECT, json.dumps(options)],
            stdout=subprocess.PIPE, text=True, env=os.environ | env, start_new_session=True)
        self.lines: list[dict[str, Any]] = []
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.name: str = self.wait_for("Ready")["worker"]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(json.loads(line))
        self._queue.put(None)

    def wait_for(self, kind: str, patience_s: float = PATIENCE_S, **values: Any) -> dict[str, Any]:
        """The next line of this kind with these values."""
        end = time.monotonic() + patience_s
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} {values} in {patience_s:g} s; heard {self.lines}") from None
            if line is None:
                raise AssertionError(f"the worker ended without {kind} {values}; heard {self.lines}")
            self.lines.append(line)
            if line["kind"] == kind and all(line.get(key) == value for key, value in values.items()):
                return line

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def report(self) -> dict[str, Any]:
        """Its report; then it has ended by itself."""
        report = self.wait_for("Report")
        assert self.process.wait(PATIENCE_S) == 0
        return report

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_S)
        assert self.process.stdout is not None
        self.process.stdout.close()
