"""The live run that user code logs to: in a worker, notebook, script or test.

Every project's components import this module, so rarely needed modules are imported inside functions.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import itertools
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol, Self

from hyperspace_core.config.tree import shown
from hyperspace_core.errors import HyperspaceError, ValueNotStorable
from hyperspace_core.records import logged
from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import MAX_INT, MAX_NAME, ArtifactStaged, InfoSet, Points, ProgressSet
from hyperspace_core.records.run import Goal

# -- The receivers of what a live run logs, and the sections of its provenance --

@dataclass(frozen=True)
class Section:
    """A named part of a run's provenance. `data` is JSON-able."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Absent:
    """A part that could not be captured, with the reason."""

    name: str
    reason: str


Logged = Points | InfoSet | ProgressSet | ArtifactStaged | Section | Absent


class Sink(Protocol):
    """Receiver of what a run logs; must not block long or raise store errors."""

    def emit(self, message: Logged) -> None: ...


class RunWatcher:
    """Follows a live run in its process, see `hyperspace_watch_run`; override what is needed.

    Its methods are called in the threads of the run. An error in one of them is printed once, and the run
    goes on without its watcher.
    """

    def on_scalar(self, name: str, step: int | None, value: float) -> None:
        """Called after each `run.log_scalar`; may call `run.request_stop(reason)`."""

    def on_should_stop(self) -> None:
        """Called by `run.should_stop()` until a stop is requested, to decide only then."""

    def completed(self, returned: Any) -> Any:
        """The result that counts, of the returned one; a `HyperspaceError` fails the run."""
        return returned


@dataclass
class Memory:
    """Keeps everything in memory: for scripts, tests and notebooks without a store."""

    points: list[logged.Point] = field(default_factory=list)
    infos: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    sections: list[Section | Absent] = field(default_factory=list)
    last_progress: logged.Progress | None = None

    def emit(self, message: Logged) -> None:
        match message:
            case Points(points=points):
                self.points += map(logged.point_of, points)
            case InfoSet(key=key, value=value):
                self.infos[key] = value
            case ProgressSet(progress=progress):
                self.last_progress = progress
            case ArtifactStaged(name=name, path=path):
                self.artifacts[name] = Path(path)
            case Section() | Absent():
                self.sections.append(message)


class RunInterrupted(BaseException):
    """Raised in user code that must stop; `except Exception` does not catch it."""


class Stages:
    """The five stages of a pipeline without hooks: each calls the component's method.

    In a child process, core replaces this by the stages with hooks (`hyperspace_core.stages`).
    """

    def load_data(self, dataset: Any) -> Any:
        return dataset.load()

    def preprocess(self, preprocessor: Any, data: Any) -> Any:
        return preprocessor.apply(data)

    def build_model(self, model: Any, data: Any) -> Any:
        return model.build(data)

    def train(self, trainer: Any, model: Any, data: Any) -> Any:
        return trainer.train(model, data)

    def score(self, scorer: Any, model: Any, data: Any) -> dict[str, float]:
        result: dict[str, float] = scorer.score(model, data)
        return result

    def begin_part(self, run: Run) -> Stages:
        """The stages for a part of the run that is about to begin, itself a live run."""
        return self


class Info(dict[str, Any]):
    """`run.info`: a dict that checks and sends each entry when it is set.

    The record keeps what was sent: an entry can be replaced, not removed. Raises `ValueNotStorable` with the
    path of a value that stores cannot keep.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def __setitem__(self, key: str, value: Any) -> None:
        checked = storable({key: value}, "info")[key]
        super().__setitem__(key, checked)
        # a copy: it must not change while a thread of the sink writes it
        self._sink.emit(InfoSet(key, storable(checked, "info")))

    def update(self, *others: Any, **named: Any) -> None:
        for key, value in dict(*others, **named).items():
            self[key] = value

    def __ior__(self, others: Any) -> Self:  # type: ignore[override,misc]
        self.update(others)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]


class Run:
    """The live run that a scenario logs to.

    `Run.local(seed=0)` makes one without a store, queue or worker.
    """

    def __init__(self, *, sink: Sink, seed: int, workdir: Path, id: int | None = None, attempt: int = 1,
                 project: str = "", task: str = "", config: Mapping[str, Any] | None = None,
                 scenario: Mapping[str, Any] | None = None, stages: Stages | None = None,
                 metric: str = "", goal: Goal = "maximize", search: str | None = None,
                 folder: Path | None = None) -> None:
        self.id = id                           # None in a local run
        self.attempt = attempt
        self.project = project
        self.task = task
        self.seed = seed
        self.config = dict(config or {})       # completed hyper-parameters
        self.scenario = dict(scenario or {})   # completed scenario of the task
        self.metric = metric                   # the task's metric; "" in a local run
        self.goal = goal                       # which way the metric is better
        self.search = search                   # uid of the search that proposed it
        self.arguments: dict[str, Any] = {}    # the built arguments of single_run
        self.inputs_digest: Callable[[], str] = str    # of code, config, scenario and seed; "" where unknown
        self.earlier: dict[str, Any] = {}      # finished parts of earlier attempts with the same digest
        self.workdir = workdir                 # this attempt's directory, removed at its end
        self.folder = folder                   # of the project's files; None: the working directory
        self.extra: Any = None                 # what `single_run` returned beside its metrics
        self.artifact_paths: set[Path] = set()     # the files that were stored
        self.stages = stages or Stages()
        self.info = Info(sink)
        self.sink = sink
        self.watcher: RunWatcher | None = None
        self.stop_reason: str | None = None    # as given to `request_stop`
        self._seq = itertools.count()          # `next` is atomic between threads
        self._steps: dict[str, int] = {}       # the last step of each series
        self._remarked: set[tuple[str, str]] = set()
        self._stop = False
        self._polls_stop = False               # user code calls `should_stop`
        self._began = time.monotonic()

    @classmethod
    def local(cls, seed: int | None = None, *, workdir: str | Path | None = None) -> Run:
        """A run for a script, a notebook or a test; it logs to `run.sink`, a `Memory`.

        Without `workdir` it makes a temporary directory, removed when the interpreter ends.
        """
        directory = _until_the_end() if workdir is None else Path(workdir).absolute()
        if seed is None:
            import secrets

            seed = secrets.randbelow(2**32)
        return cls(sink=Memory(), seed=seed, workdir=directory)

    def path(self, relative: str | Path = "") -> Path:
        """The absolute path of a file of the project, such as its data.

        A worker's run has a working directory of its own, `run.workdir`. `relative` is relative to the folder
        that the project is installed from (`pip install -e`), without one to the folder where the worker was
        started; in a notebook or script, to the working directory.
        """
        return (self.folder or Path.cwd()) / relative

    def log_scalar(self, name: str, value: float, step: int | None = None) -> None:
        """Add one value to the series `name`.

        `value`: a float or an int, also a numpy or torch scalar; NaN and infinities are kept. `step`: a whole
        number >= 0, or None; steps may repeat or go back: points keep the order of the calls. Raises
        `ValueNotStorable` for anything else.
        """
        if type(value) is not float:
            value = logged.check_number(name, value, step)
        if type(name) is not str or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            name = logged.check_name(name)
        if step is not None:
            if type(step) is not int or not 0 <= step <= MAX_INT:
                step = logged.check_step(name, step)
            before = self._steps.get(name, -1)
            if step <= before:
                self._remark(name, "step %s after %s; points keep the order of the calls", step, before)
            self._steps[name] = step
        if not math.isfinite(value):
            self._remark(name, "%s at step %s; it is kept, and never counts as the best", value, step)
        self.sink.emit(Points([(next(self._seq), name, step, value, time.time())]))
        if self.watcher is not None:
            self.watcher.on_scalar(name, step, value)

    def _log_part(self, name: str, points: Iterable[logged.PointTuple]) -> None:
        """Add the points of a part of this run, with the part's name before theirs."""
        self.sink.emit(Points([(next(self._seq), logged.check_name(f"{name}/{series}"), step, value, at)
                               for _, series, step, value, at in points]))

    def _remark(self, name: str, text: str, *values: Any) -> None:
        """Log a warning once a series: there may be a million points like this one."""
        if (name, text) not in self._remarked:
            import logging

            self._remarked.add((name, text))
            logging.getLogger("hyperspace.run").warning(f"series '%s': {text}", name, *values)

    def log_artifact(self, content: str | Path | bytes, name: str | None = None) -> None:
        """Store a file, or bytes under `name`; a later one replaces an earlier one.

        The content is copied before this returns. `name` is a label with `/` allowed between its parts; it
        defaults to the file's name. Raises `ValueNotStorable` for a label that is no plain relative path and
        for a missing file, `OSError` for an unreadable file and for a full disk.
        """
        if isinstance(content, bytes | bytearray | memoryview):
            if name is None:
                raise ValueNotStorable("log_artifact(bytes): pass a name, as in "
                                       "log_artifact(data, 'model.bin')")
            source: IO[bytes] = io.BytesIO(content)
        else:
            source = _opened(content)
            self.artifact_paths.add(Path(content).absolute())
        with source:
            label = logged.check_label(Path(source.name).name if name is None else name)
            staged = self._staged(source)
        self.sink.emit(ArtifactStaged(label, str(staged)))

    def _staged(self, source: IO[bytes]) -> Path:
        """Copy the content into the run's directory; a failed copy is removed."""
        import shutil
        import tempfile

        self.workdir.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix=".artifact-", dir=self.workdir)
        try:
            with os.fdopen(handle, "wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except BaseException:
            Path(path).unlink(missing_ok=True)
            raise
        return Path(path)

    def log_golden(self, inputs: Any, outputs: Any, name: str = "default") -> None:
        """Store inputs and their outputs as a test for programs that serve the model.

        Each is None, bool, number, text, a numpy array, or lists and dicts of these. They become artifacts
        and part of an export: see `check_golden`. Raises `ValueNotStorable` with the path of anything else.
        """
        from hyperspace_core.records.golden import golden_files

        for label, content in golden_files(name, inputs, outputs).items():
            self.log_artifact(content, label)

    def log_predictions(self, y_true: Any, y_pred: Any, **others: Any) -> None:
        """Store predictions, from which `hyperspace rescore` computes other metrics.

        Each is an array, or array-like, with one entry for each example. A registered metric gets the arrays
        that its parameters name. Small types save space: `y_pred.astype("uint8")`. Raises `ValueNotStorable`
        for arrays of different lengths, and for values other than arrays of numbers or texts.
        """
        from hyperspace_core.records.logged import prediction_files

        for label, content in prediction_files({"y_true": y_true, "y_pred": y_pred} | others).items():
            self.log_artifact(content, label)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Report how far the run is, in any unit; displays estimate the time left.

        Values that are not finite numbers count as unknown and raise nothing.
        """
        so_far = logged.progress_of(done, total, note, elapsed_s=time.monotonic() - self._began)
        self.sink.emit(ProgressSet(so_far))

    def should_stop(self) -> bool:
        """True once the run should end early: save, and return the result so far.

        The reason is a stop request, or the pruner of its search: call this after each value that you log. A
        run that calls this is not interrupted by an exception; it is killed after the worker's grace time.
        """
        if not self._poll_stop() and self.watcher is not None:
            self.watcher.on_should_stop()
        return self._poll_stop()

    def request_stop(self, reason: str | None = None) -> bool:
        """Make `should_stop()` true; return whether the run calls it.

        A run that completes afterwards has this reason, as in "pruned".
        """
        self._stop = True
        self.stop_reason = self.stop_reason or reason
        return self._polls_stop

    @property
    def stop_requested(self) -> bool:
        """Whether a stop was requested; unlike `should_stop`, exceptions stay possible."""
        return self._stop

    def _poll_stop(self) -> bool:
        self._polls_stop = True
        return self._stop

    def __repr__(self) -> str:
        return f"<Run {self.id if self.id is not None else 'local'} task={self.task!r} seed={self.seed}>"


_current: contextvars.ContextVar[Run] = contextvars.ContextVar("hyperspace_current_run")
_last_active: list[Run] = []       # for threads that user code started: they begin with an empty context


def current_run() -> Run:
    """The run that is being executed here, for code that is not passed one."""
    run = _current.get(None) or (_last_active[-1] if _last_active else None)
    if run is None:
        raise HyperspaceError("no run is being executed here; in a script use "
                              "`with as_current_run(Run.local(seed=0)):`")
    return run


@contextlib.contextmanager
def as_current_run(run: Run) -> Iterator[Run]:
    """Make `current_run()` return `run`."""
    token = _current.set(run)
    _last_active.append(run)
    try:
        yield run
    finally:
        _last_active.remove(run)
        _current.reset(token)


def _until_the_end() -> Path:
    """A new temporary directory that lives as long as this process."""
    import atexit
    import shutil
    import tempfile

    directory, maker = Path(tempfile.mkdtemp(prefix="hyperspace-")), os.getpid()

    def remove() -> None:
        if os.getpid() == maker:           # not at the end of a fork
            shutil.rmtree(directory, ignore_errors=True)

    atexit.register(remove)
    return directory


def _opened(path: str | Path) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except TypeError:
        cause = "expected a path or bytes"
    except IsADirectoryError:
        cause = "a directory; log its files one by one, or an archive of it (shutil.make_archive)"
    except (FileNotFoundError, ValueError):            # ValueError: a NUL in it
        cause = "no such file; to log a text itself, pass text.encode() and a name"
    raise ValueNotStorable(f"log_artifact({shown(path)}): {cause}")
