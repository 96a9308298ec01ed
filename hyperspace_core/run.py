"""The live run: what user code logs to, in a worker, a notebook, a script or a test."""

from __future__ import annotations

import contextlib
import contextvars
import math
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hyperspace_core.errors import HyperspaceError, ValueNotStorable
from hyperspace_core.records.codec import storable
from hyperspace_core.records.run import Point, Progress

MAX_NAME = 200
MAX_INT = 2**63 - 1


@dataclass(frozen=True)
class Section:
    """A named part of a run's provenance. `data` is JSON-able."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Absent:
    """A part that could not be captured, and why."""

    name: str
    reason: str


class RunInterrupted(BaseException):
    """Raised in user code when its run is taken back or cancelled; not an `Exception`, so that it passes."""


class Sink(Protocol):
    """Where a live run's messages go. None of these may block for long or raise for the store's sake."""

    def point(self, point: Point) -> None: ...
    def info(self, key: str, value: Any) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def artifact(self, name: str, path: Path) -> None:
        """Takes `path` over: it may be moved or deleted once this returns."""
        ...
    def section(self, section: Section | Absent) -> None: ...


@dataclass
class Memory:
    """Keeps everything in lists: for scripts, tests and notebooks without a store."""

    points: list[Point] = field(default_factory=list)
    infos: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Path] = field(default_factory=dict)
    sections: list[Section | Absent] = field(default_factory=list)
    last_progress: Progress | None = None

    def point(self, point: Point) -> None:
        self.points.append(point)

    def info(self, key: str, value: Any) -> None:
        self.infos[key] = value

    def progress(self, progress: Progress) -> None:
        self.last_progress = progress

    def artifact(self, name: str, path: Path) -> None:
        self.artifacts[name] = path

    def section(self, section: Section | Absent) -> None:
        self.sections.append(section)


class Stages:
    """The five seams of a pipeline, without the framework: each calls the component's own method.

    In a child, core replaces this by one that goes through the hooks (`hyperspace_core.stages`).
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


class Info(dict[str, Any]):
    """`run.info`: a dict whose entries are sent on as they are set. Values must be storable."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def __setitem__(self, key: str, value: Any) -> None:
        checked = storable({key: value}, "info")[key]
        super().__setitem__(key, checked)
        self._sink.info(key, checked)

    def update(self, *others: Any, **named: Any) -> None:
        for key, value in dict(*others, **named).items():
            self[key] = value

    def setdefault(self, key: str, default: Any = None) -> Any:
        if key not in self:
            self[key] = default
        return self[key]

    def resend(self) -> None:
        """Send all entries again: a list or dict in it may have grown in place."""
        for key in list(self):
            self[key] = self[key]


class Run:
    """The live run that a scenario logs to.

    `Run.local(seed=0)` makes one without store, queue or worker.
    """

    def __init__(self, *, sink: Sink, seed: int, workdir: Path, id: int | None = None, attempt: int = 1,
                 project: str = "", task: str = "", config: Mapping[str, Any] | None = None,
                 scenario: Mapping[str, Any] | None = None, stages: Stages | None = None) -> None:
        self.id = id                           # None in a local run
        self.attempt = attempt
        self.project = project
        self.task = task
        self.seed = seed
        self.config = dict(config or {})       # completed hyper-parameters
        self.scenario = dict(scenario or {})   # completed scenario of the task
        self.arguments: dict[str, Any] = {}    # what single_run is called with, built
        self.workdir = workdir                 # a directory of this attempt's own, removed when it has ended
        self.stages = stages or Stages()
        self.info = Info(sink)
        self.sink = sink
        self._seq = 0
        self._stop = False
        self._asked_to_stop_politely = False
        self._began = time.monotonic()

    @classmethod
    def local(cls, seed: int | None = None, *, workdir: str | Path | None = None) -> Run:
        """A run for a script, a notebook or a test; what is logged is in `run.sink`, a `Memory`.

        Without `workdir` a temporary directory is made, removed when the interpreter ends.
        """
        if workdir is None:
            import atexit

            directory = Path(tempfile.mkdtemp(prefix="hyperspace-"))
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
        else:
            directory = Path(workdir)
        return cls(sink=Memory(), seed=secrets.randbelow(2**32) if seed is None else seed, workdir=directory)

    def log_scalar(self, name: str, value: float, step: int | None = None) -> None:
        """Add one value to the series `name`.

        `value`: any real number, also a numpy or torch scalar; NaN and infinities are kept. `step`: a whole number
        >= 0, or None. Raises `ValueNotStorable` in this very line for anything else.
        """
        if type(value) is not float:
            value = _number(name, value)
        if type(name) is not str or not 0 < len(name) <= MAX_NAME or "\n" in name or "\0" in name:
            raise ValueNotStorable(f"log_scalar({str(name)[:40]!r}, ...): a name is one line of 1 to {MAX_NAME} characters")
        if step is not None and (type(step) is not int or not 0 <= step <= MAX_INT):
            step = _step(name, step)
        seq = self._seq
        self._seq = seq + 1
        self.sink.point(Point(seq=seq, name=name, step=step, value=value, at=time.time()))

    def log_artifact(self, content: str | Path | bytes, name: str | None = None) -> None:
        """Keep a file, or bytes under `name`. A later one of the same name replaces the earlier.

        The content is copied before this returns. `name` is a label with `/` allowed between its parts; it defaults
        to the file's name.
        """
        if isinstance(content, bytes) and name is None:
            raise ValueNotStorable("log_artifact(bytes): give it a name, as in log_artifact(data, 'model.bin')")
        label = _label(name if name is not None else Path(str(content)).name)
        self.workdir.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(prefix=".artifact-", dir=self.workdir)
        with open(handle, "wb") as target:
            if isinstance(content, bytes):
                target.write(content)
            else:
                with Path(content).open("rb") as source:
                    shutil.copyfileobj(source, target, 1 << 20)
        self.sink.artifact(label, Path(staged))

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far the run is, in units of your own; shown with an estimate of the time that is left."""
        elapsed = time.monotonic() - self._began
        eta = elapsed / done * (total - done) if total and done and done > 0 else None
        self.sink.progress(Progress(done=float(done), total=None if total is None else float(total),
                                    eta_s=eta, note=note[:MAX_NAME]))

    def should_stop(self) -> bool:
        """True once the run has been asked to end early: save what you have and return.

        A run that calls this is not interrupted by an exception, only ended after the worker's grace time.
        """
        self._asked_to_stop_politely = True
        return self._stop

    def ask_to_stop(self) -> bool:
        """For whoever executes the run: set the flag; True where user code watches it."""
        self._stop = True
        return self._asked_to_stop_politely

    def __repr__(self) -> str:
        return f"<Run {self.id if self.id is not None else 'local'} task={self.task!r} seed={self.seed}>"


_current: contextvars.ContextVar[Run] = contextvars.ContextVar("hyperspace_current_run")
_last_active: list[Run] = []       # for threads that user code started: they begin with an empty context


def current_run() -> Run:
    """The run that is being executed here, for code that is not handed one."""
    run = _current.get(None) or (_last_active[-1] if _last_active else None)
    if run is None:
        raise HyperspaceError("no run is being executed here; in a script use `with active(Run.local(seed=0)):`")
    return run


@contextlib.contextmanager
def active(run: Run) -> Iterator[Run]:
    """Make `run` the one that `current_run()` finds."""
    token = _current.set(run)
    _last_active.append(run)
    try:
        yield run
    finally:
        _last_active.remove(run)
        _current.reset(token)


def _number(name: str, value: Any) -> float:
    if hasattr(value, "item") and getattr(value, "shape", None) == ():     # numpy and torch scalars
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueNotStorable(f"log_scalar({str(name)[:40]!r}, ...): expected a number, got {type(value).__name__}")
    if isinstance(value, int) and abs(value) > MAX_INT:
        raise ValueNotStorable(f"log_scalar({str(name)[:40]!r}, ...): a whole number beyond 64 bit")
    return float(value)


def _step(name: str, step: Any) -> int:
    if hasattr(step, "item") and getattr(step, "shape", None) == ():
        step = step.item()
    if isinstance(step, bool) or not isinstance(step, int) or not 0 <= step <= MAX_INT:
        raise ValueNotStorable(f"log_scalar({str(name)[:40]!r}, step={step!r}): a step is a whole number >= 0")
    return step


def _label(name: str) -> str:
    parts = name.split("/")
    if (not 0 < len(name) <= MAX_NAME or any(part in ("", ".", "..") for part in parts) or "\\" in name
            or any(ord(c) < 32 for c in name) or ":" in parts[0]):
        raise ValueNotStorable(f"artifact name {name[:60]!r}: use a plain relative name such as 'plots/roc.png'")
    return name


def is_number(value: Any) -> bool:
    """A real number that is not a bool; NaN and infinities count."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_better(candidate: float | None, than: float | None, goal: str) -> bool:
    """Whether a result beats another in the task's direction; a missing one or NaN never does."""
    if candidate is None or math.isnan(candidate):
        return False
    if than is None or math.isnan(than):
        return True
    return candidate > than if goal == "maximize" else candidate < than
