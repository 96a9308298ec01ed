"""Run parts in parallel, each in a process forked from the process of the run."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol

from hyperspace_core.execution import processes
from hyperspace_core.execution.failure import one_line, traceback_text
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.run import Run
from hyperspace_core.scenarios.parts import Numbers, Part, PartError, PartSink, conduct
from hyperspace_core.sink import Absent, Section

END_S = 5.0                    # from terminating a process until it is killed


class Finished(Protocol):
    """Callback for a finished part."""

    def __call__(self, part: Part, numbers: Numbers, sink: PartSink, seconds: float, /) -> None: ...


class PipeSink:
    """The sink in the process of a part: sends all entries to the process of the run."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def point(self, point: Point) -> None:
        self._pipe.send(("point", point))

    def info(self, key: str, value: Any) -> None:
        self._pipe.send(("info", key, value))

    def progress(self, progress: Progress) -> None:
        self._pipe.send(("progress", progress))

    def artifact(self, name: str, path: Path) -> None:
        self._pipe.send(("artifact", name, path))

    def section(self, section: Section | Absent) -> None:
        self._pipe.send(("section", section))


@dataclass(kw_only=True)
class _Child:
    """A part that is running."""

    part: Part
    process: BaseProcess
    sink: PartSink
    began: float
    numbers: Numbers | None = None
    failure: str | None = None


def side_by_side(run: Run, parts: Sequence[Part], hyper_parameters: Mapping[str, Any], *, slots: int,
                 sink_of: Callable[[Part], PartSink], finished: Finished) -> None:
    """Run the parts, `slots` at a time. Raises `PartError` for the first error, when
    the running parts have finished; no part is started after an error.
    """
    waiting, running = deque(parts), dict[Connection, _Child]()
    failed: PartError | None = None
    try:
        while running or (waiting and failed is None):
            while waiting and len(running) < slots and failed is None:
                pipe, child = _begun(run, waiting.popleft(), hyper_parameters, sink_of)
                running[pipe] = child
            wait([*running, *(child.process.sentinel for child in running.values())])
            for pipe, child in list(running.items()):
                if _goes_on(pipe, child):
                    continue
                _end({pipe: running.pop(pipe)})
                failed = failed or _failure(child)
                if child.numbers is not None:
                    finished(child.part, child.numbers, child.sink, time.monotonic() - child.began)
    finally:
        _end(running)
    if failed is not None:
        raise failed


def _begun(run: Run, part: Part, hyper_parameters: Mapping[str, Any],
           sink_of: Callable[[Part], PartSink]) -> tuple[Connection, _Child]:
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe(duplex=False)
    work = partial(conduct, run, part, hyper_parameters, PipeSink(theirs))
    process = context.Process(target=_in_the_child, name=part.name, args=(os.getpid(), mine, theirs, work))
    with warnings.catch_warnings():
        # native threads of BLAS handle a fork themselves
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    return mine, _Child(part=part, process=process, sink=sink_of(part), began=time.monotonic())


def _in_the_child(parent: int, unused: Connection, pipe: Connection, work: Callable[[], Numbers]) -> None:
    processes.die_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)       # the process of the run handles it
    unused.close()
    try:
        numbers = work()
    except BaseException as error:                     # noqa: BLE001 - only text crosses a process border
        pipe.send(("failed", one_line(error), traceback_text(error)))
    else:
        pipe.send(("numbers", numbers))


def _goes_on(pipe: Connection, child: _Child) -> bool:
    """Receive the messages of a part; False if it has ended."""
    gone = child.process.exitcode is not None          # read first: earlier messages are still in the pipe
    try:
        while pipe.poll():
            kind, *what = pipe.recv()
            if kind == "numbers":
                child.numbers = what[0]
                return False
            if kind == "failed":
                child.failure = f"{what[0]}\n{what[1]}"
                return False
            getattr(child.sink, kind)(*what)
    except EOFError:
        return False
    return not gone


def _failure(child: _Child) -> PartError | None:
    if child.numbers is not None:
        return None
    if child.failure is None:
        code = child.process.exitcode
        how = f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
        return PartError(f"part {child.part.name}: its process was ended {how}")
    said, _, trace = child.failure.partition("\n")
    error = PartError(f"part {child.part.name}: {said}")
    error.add_note(trace)
    return error


def _end(running: Mapping[Connection, _Child]) -> None:
    """End the processes of these parts; terminate those that are still running."""
    for child in running.values():
        if child.numbers is None and child.failure is None:
            child.process.terminate()
    for pipe, child in running.items():
        child.process.join(END_S)
        if child.process.exitcode is None:
            child.process.kill()
            child.process.join()
        with contextlib.suppress(OSError):
            pipe.close()
