"""Base class of scenarios that run another scenario in parts."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, ClassVar

from hyperspace_core.components import Scenario
from hyperspace_core.records.info import MADE_OF, NOTED
from hyperspace_core.run import Logged, Run, RunInterrupted, Section
from hyperspace_core.scenarios.parts import (
    DATA,
    SPREAD,
    Numbers,
    Part,
    PartError,
    PartSink,
    conduct_part,
    misplaced,
    together,
)


class _Parted(Scenario):
    """Runs the wrapped scenario once for each part, with the same hyper-parameters.

    A finished part is stored in `run.info` at once. A later attempt of the run executes only the missing
    parts if code and config are the same.
    """

    wraps: ClassVar[str | None] = "scenario"
    settings: ClassVar[tuple[str, ...]] = ()
    """Parameters that name a setting of the wrapped scenario."""

    if TYPE_CHECKING:
        scenario: Any
        slots: int

    def parts(self, seed: int) -> Sequence[Part]:
        """The parts in order, with unique names."""
        raise NotImplementedError(f"{type(self).__name__} has no method parts()")

    def single_run(self, run: Run, **hyper_parameters: Any) -> dict[str, float]:
        """Return mean, standard deviation and each part's value of each number."""
        whole = _Whole(run, checked(self.parts(run.seed)))
        try:
            if self.slots > 1 and len(whole.left) > 1 and _may_fork():
                side_by_side(run, whole.left, hyper_parameters, slots=self.slots, sink_of=whole.sink,
                             finished=whole.finished)
            else:
                _one_by_one(run, whole, hyper_parameters)
        finally:
            whole.name_data()
        return together({part.name: whole.notes[part.name]["metrics"] for part in whole.parts})

    @classmethod
    def problems_of(cls, tree: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
        """Yield parameter and message for each invalid value in a section."""
        if tree["slots"] < 1:
            yield "slots", f"expected at least 1 process, found {tree['slots']}"
        for parameter in cls.settings:
            path = tree[parameter]
            wrong = None if path is None else misplaced(tree[str(cls.wraps)], path)
            if wrong is not None:
                yield parameter, wrong


class _Whole:
    """The run and the progress of its parts."""

    def __init__(self, run: Run, parts: Sequence[Part]) -> None:
        self.run, self.parts = run, parts
        self.notes = {part.name: note for part in parts
                      if (note := run.earlier.get(f"{NOTED}{part.name}")) is not None
                      and note.get("seed") == part.seed}
        self.left = [part for part in parts if part.name not in self.notes]
        self._fractions = {part.name: float(part.name in self.notes) for part in parts}
        if self.notes:
            logging.getLogger("hyperspace.run").info("%s of %s parts were finished by an earlier attempt",
                                                     len(self.notes), len(parts))

    def sink(self, part: Part) -> PartSink:
        return PartSink(self.run, part.name, lambda fraction: self._progressed(part, fraction))

    def finished(self, part: Part, numbers: Numbers, sink: PartSink, seconds: float) -> None:
        """Store the numbers of a finished part for later attempts."""
        note = {"metrics": numbers, "seed": part.seed, "seconds": round(seconds, 3),
                "attempt": self.run.attempt, MADE_OF: self.run.inputs_digest()}
        if isinstance(sink.data, Section):
            note[DATA] = sink.data.data
        self.notes[part.name] = note
        self.run.info[f"{NOTED}{part.name}"] = note
        self._progressed(part, 1.0)

    def name_data(self) -> None:
        """Record the data fingerprints of all parts, in order, as those of the run."""
        named = [self.notes[part.name][DATA] for part in self.parts if DATA in self.notes.get(part.name, {})]
        section: dict[str, Any] = {"fingerprints": [one for data in named for one in data["fingerprints"]]}
        if any("versions" in data for data in named):
            section["versions"] = [one for data in named
                                   for one in data.get("versions", [None] * len(data["fingerprints"]))]
        if named:
            self.run.sink.emit(Section(DATA, section))

    def _progressed(self, part: Part, fraction: float) -> None:
        self._fractions[part.name] = fraction
        self.run.progress(sum(self._fractions.values()), len(self.parts), part.name)


def checked(parts: Sequence[Part]) -> Sequence[Part]:
    """Raises `PartError` without parts, and for duplicate or reserved names."""
    names = [part.name for part in parts]
    if not names:
        raise PartError("there are no parts to run")
    taken = [name for name, count in Counter([*names, SPREAD]).items() if count > 1]
    if taken:
        raise PartError(f"part {taken[0]!r}: the name is taken; give each part its own name")
    return parts


def _one_by_one(run: Run, whole: _Whole, hyper_parameters: Mapping[str, Any]) -> None:
    for part in whole.left:
        began, sink = time.monotonic(), whole.sink(part)
        try:
            numbers = conduct_part(run, part, hyper_parameters, sink)
        except Exception as error:
            error.add_note(f"in part {part.name}")
            raise
        if run.stop_requested:              # it may have returned early: another attempt repeats it
            raise RunInterrupted("the run was asked to stop")
        whole.finished(part, numbers, sink, time.monotonic() - began)


def _may_fork() -> bool:
    """Whether this process can be forked; one with threads cannot."""
    from hyperspace_core.execution.code import why_not_to_fork

    why = why_not_to_fork()
    if why is not None:
        logging.getLogger("hyperspace.run").warning("the parts run one after another: this process cannot be "
                                                    "forked (%s)", why)
    return why is None


# -- Run parts in parallel, each in a process forked from the process of the run --

END_S = 5.0                    # from terminating a process until it is killed

Finished = Callable[[Part, Numbers, PartSink, float], None]     # called for a part with what it returned, its
                                                                # sink and the seconds that it took

class PipeSink:
    """The sink in the process of a part: sends all messages to the process of the run."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def emit(self, message: Logged) -> None:
        self._pipe.send(message)


@dataclass(kw_only=True)
class _Child:
    """A part that is running."""

    part: Part
    process: BaseProcess
    sink: PartSink
    began: float
    numbers: Numbers | None = None
    failure: tuple[str, str] | None = None         # one line on the exception, and its traceback


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
    work = partial(conduct_part, run, part, hyper_parameters, PipeSink(theirs))
    process = context.Process(target=_in_the_child, name=part.name, args=(os.getpid(), mine, theirs, work))
    with warnings.catch_warnings():
        # native threads of BLAS handle a fork themselves
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    theirs.close()
    return mine, _Child(part=part, process=process, sink=sink_of(part), began=time.monotonic())


def _in_the_child(parent: int, unused: Connection, pipe: Connection, work: Callable[[], Numbers]) -> None:
    # here, so that a program which only loads a component loads no part of execution
    from hyperspace_core.errors import error_line
    from hyperspace_core.execution import processes
    from hyperspace_core.execution.failure import traceback_text

    processes.die_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)       # the process of the run handles it
    unused.close()
    try:
        numbers = work()
    except BaseException as error:                     # noqa: BLE001 - only text crosses a process border
        pipe.send((error_line(error), traceback_text(error)))
    else:
        pipe.send(numbers)


def _goes_on(pipe: Connection, child: _Child) -> bool:
    """Receive the messages of a part; False if it has ended."""
    gone = child.process.exitcode is not None          # read first: earlier messages are still in the pipe
    try:
        while pipe.poll():
            match pipe.recv():
                case dict() as numbers:
                    child.numbers = numbers
                    return False
                case (line, traceback):
                    child.failure = line, traceback
                    return False
                case message:
                    child.sink.emit(message)
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
    line, traceback = child.failure
    error = PartError(f"part {child.part.name}: {line}")
    error.add_note(traceback)
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
