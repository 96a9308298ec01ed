"""The process that executes one run: a fork, or a fresh interpreter."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, cast

from hyperspace_core.execution import process_io, processes
from hyperspace_core.execution.answers import Answers
from hyperspace_core.execution.channel import ChannelSink
from hyperspace_core.execution.code import Opening, open_here
from hyperspace_core.execution.executor import execute
from hyperspace_core.execution.failure import failure
from hyperspace_core.execution.job import Job, job_file, read_job
from hyperspace_core.execution.process_io import Interruption
from hyperspace_core.execution.protocol import Ended
from hyperspace_core.records.states import Outcome
from hyperspace_core.run import Run, Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project

# -- Warm up a preforked process by an internal run, before there is a job --

def warm_up() -> None:
    """Execute a small internal run, without user code and plugins."""
    job = Job(run=0, uid="", attempt=0, project="", task="", scenario={"className": "Rehearsal"},
              config={"value": 1.0}, submitted={}, metric_name="result", metric_goal="maximize", seed=0,
              validated=True, tasks_dir=None, no_plugins=(), workdir=tempfile.gettempdir())
    project = SimpleNamespace(
        distribution="", complete=lambda scenario, config: config,
        build_scenario=lambda tree: SimpleNamespace(),
        build_arguments=lambda scenario, config, run: config)
    section = Section("rehearsal", {"text": "", "number": 1})
    extensions = SimpleNamespace(
        hook=SimpleNamespace(hyperspace_seed=lambda seed: None, hyperspace_execute=_log_one_of_each),
        each=lambda name, **arguments: [("rehearsal", section)] if name == "hyperspace_capture" else [],
        observers=lambda name, **arguments: None)
    with job_file(job) as file:
        job = read_job(os.dup(file.fileno()))
    reader, writer = os.pipe()
    try:
        sink = ChannelSink(writer)
        execute(job, sink, cast("Extensions", extensions), cast("Project", project), on_run=lambda run: None)
        sink.close()
    finally:
        os.close(reader)


def _log_one_of_each(run: Run, scenario: Any) -> Any:
    run.log_scalar("value", 1.0, 0)
    run.info["value"] = [1, 2.0, "three"]
    run.progress(1, 2)
    return {"result": 1.0}


CLEAN_UP_S = 5.0               # for exit handlers of user code, after the outcome was sent


def prepare_fork() -> None:
    """Prepare a forked process, before there is a job."""
    # handlers from before the fork might remove folders of the fork server
    atexit._clear()
    process_io.show_at_once()
    warm_up()


def run_and_exit(channel: int, answers: int, job: int, opened: Opening | None) -> NoReturn:
    """Execute the job in a file and end this process; never returns. All numbers are descriptors."""
    code = 1
    try:
        sink = ChannelSink(channel)
        _executed(read_job(job), sink, Answers(answers, sink), opened)
        process_io.flush()
        sink.close()
        _clean_up()
        code = 0
    except BaseException:                          # noqa: BLE001 - an internal error: exit code 1
        sys.excepthook(*sys.exc_info())
    finally:
        process_io.flush()
        os._exit(code)


def _executed(job: Job, sink: ChannelSink, answers: Answers, opened: Opening | None) -> None:
    interruption = Interruption()
    _obey(interruption.ask)
    try:
        opening = opened or open_here(job.project, tasks_dir=job.tasks_dir, no_plugins=job.no_plugins)
    except BaseException as error:                 # noqa: BLE001 - an import of user code may raise anything
        sink.emit(Ended(replace(failure(error), outcome=Outcome.FAILED), heard=False))
        return
    started: list[Run] = []
    folder = _enter(job.workdir)
    execute(job, sink, opening.extensions, opening.project, on_run=started.append,
            interruption=interruption, ask=answers.ask, folder=folder)
    for run in started:
        _tell_what_is_removed(run)


def _enter(workdir: str) -> Path | None:
    """Make the run's directory the working directory; gives the one before, None where it is gone.

    Runs side by side then never write the same relative path. `PYTHONPATH` stays valid for Pythons that user
    code starts.
    """
    try:
        before = Path.cwd()
    except OSError:
        before = None
    paths = os.environ.get("PYTHONPATH", "")
    if before is not None and paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(str(before / path) for path in paths.split(os.pathsep))
    os.chdir(workdir)
    return before


def _tell_what_is_removed(run: Run) -> None:
    """Print which files of the run's directory are removed with it, and are no artifacts."""
    left = sorted(path.relative_to(run.workdir) for path in run.workdir.rglob("*")
                  if path.is_file() and not path.name.startswith(".") and path not in run.artifact_paths)
    if left:
        names = ", ".join(map(str, left[:3])) + (", …" if len(left) > 3 else "")
        process_io.echo_in_run(f"removed with the run's folder: {names}; run.log_artifact(path) keeps a file")


def _obey(ask: Callable[[], None]) -> None:
    """Let SIGTERM request a stop. It was blocked until now, so that none is lost."""
    here = os.getpid()

    def handler(number: int, frame: FrameType | None) -> None:
        if not processes.passed_on(number, here):
            ask()

    signal.signal(signal.SIGTERM, handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _clean_up() -> None:
    """End as an interpreter does, for a limited time; the outcome is sent.

    First `threading` calls its exit hooks, which end pools of processes and threads, and joins the threads
    that are no daemons; then the exit handlers of user code run.
    """
    end = threading.Timer(CLEAN_UP_S, os._exit, args=(0,))
    end.daemon = True
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end.start()
    for finish in (threading._shutdown, atexit._run_exitfuncs):     # type: ignore[attr-defined]
        with contextlib.suppress(BaseException):
            finish()


def main() -> NoReturn:
    """Entry point; its arguments are descriptors: channel, answers, job."""
    channel, answers, job = (int(argument) for argument in sys.argv[1:4])
    sys.argv[1:] = []
    for descriptor in (channel, answers):
        os.set_inheritable(descriptor, False)
    process_io.show_at_once()
    run_and_exit(channel, answers, job, None)


if __name__ == "__main__":
    main()
