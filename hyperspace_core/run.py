"""The live run: what user code logs to, in a worker, a notebook, a script or a test.

Every project's components import this, so what only some calls need is imported there.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import itertools
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, Self

from hyperspace_core.config.tree import shown
from hyperspace_core.errors import HyperspaceError, ValueNotStorable
from hyperspace_core.records.codec import storable
from hyperspace_core.records.logged import (
    MAX_INT,
    MAX_NAME,
    Point,
    check_label,
    check_name,
    check_number,
    check_step,
    progress_of,
)
from hyperspace_core.sink import Memory, Sink, Watch


class RunInterrupted(BaseException):
    """Raised in user code when its run is taken back or cancelled; not an `Exception`, so that it passes."""


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

    def begin_part(self, run: Run) -> Stages:
        """The stages of a part of the run, a live run itself, which is about to begin."""
        return self


class Info(dict[str, Any]):
    """`run.info`: a dict whose entries are sent on as they are set, each checked in that very line.

    What was sent stays in the record: an entry can be replaced, not taken back. Raises `ValueNotStorable`
    with the path of a value that no store could keep.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._sink = sink

    def __setitem__(self, key: str, value: Any) -> None:
        checked = storable({key: value}, "info")[key]
        super().__setitem__(key, checked)
        # another copy: what was sent must not change while a thread of the sink's writes it
        self._sink.info(key, storable(checked, "info"))

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

    `Run.local(seed=0)` makes one without store, queue or worker.
    """

    def __init__(self, *, sink: Sink, seed: int, workdir: Path, id: int | None = None, attempt: int = 1,
                 project: str = "", task: str = "", config: Mapping[str, Any] | None = None,
                 scenario: Mapping[str, Any] | None = None, stages: Stages | None = None,
                 metric: str = "") -> None:
        self.id = id                           # None in a local run
        self.attempt = attempt
        self.project = project
        self.task = task
        self.seed = seed
        self.config = dict(config or {})       # completed hyper-parameters
        self.scenario = dict(scenario or {})   # completed scenario of the task
        self.metric = metric                   # the one that decides; "" in a local run
        self.arguments: dict[str, Any] = {}    # what single_run is called with, built
        self.made_of = ""                      # digest of code, config, scenario and seed; "" where unknown
        self.earlier: dict[str, Any] = {}      # what earlier attempts, made of the same, noted of their parts
        self.workdir = workdir                 # a directory of this attempt's own, removed when it has ended
        self.stages = stages or Stages()
        self.info = Info(sink)
        self.sink = sink
        self.watch: Watch | None = None        # the pruner of its search
        self._seq = itertools.count()          # whose `next` is one step, also for several threads
        self._steps: dict[str, int] = {}       # the last of each series
        self._remarked: set[tuple[str, str]] = set()
        self._stop = False
        self._asked_to_stop_politely = False
        self._began = time.monotonic()

    @classmethod
    def local(cls, seed: int | None = None, *, workdir: str | Path | None = None) -> Run:
        """A run for a script, a notebook or a test; what is logged is in `run.sink`, a `Memory`.

        Without `workdir` a temporary directory is made, removed when the interpreter ends.
        """
        directory = _until_the_end() if workdir is None else Path(workdir).absolute()
        if seed is None:
            import secrets

            seed = secrets.randbelow(2**32)
        return cls(sink=Memory(), seed=seed, workdir=directory)

    def log_scalar(self, name: str, value: float, step: int | None = None) -> None:
        """Add one value to the series `name`.

        `value`: a float or an int, also a numpy or torch scalar; NaN and infinities are kept. `step`: a whole
        number >= 0, or None; steps may repeat or go back, the order is that of the calls. Raises
        `ValueNotStorable` in this very line for anything else.
        """
        if type(value) is not float:
            value = check_number(name, value, step)
        if type(name) is not str or not 0 < len(name) <= MAX_NAME or not name.isprintable():
            name = check_name(name)
        if step is not None:
            if type(step) is not int or not 0 <= step <= MAX_INT:
                step = check_step(name, step)
            before = self._steps.get(name, -1)
            if step <= before:
                self._remark(name, "step %s after %s; points keep the order of the calls", step, before)
            self._steps[name] = step
        if not math.isfinite(value):
            self._remark(name, "%s at step %s; it is kept, and is never taken for the best", value, step)
        self.sink.point(Point(seq=next(self._seq), name=name, step=step, value=value, at=time.time()))
        if self.watch is not None:
            self.watch.logged(name, step, value)

    def pass_on(self, point: Point, name: str) -> None:
        """Add a point that a part of this run has logged, under another name."""
        self.sink.point(Point(seq=next(self._seq), name=check_name(name), step=point.step, value=point.value,
                              at=point.at))

    def _remark(self, name: str, text: str, *values: Any) -> None:
        """Say it once a series: there may be a million points like this one."""
        if (name, text) not in self._remarked:
            import logging

            self._remarked.add((name, text))
            logging.getLogger("hyperspace.run").warning(f"series '%s': {text}", name, *values)

    def log_artifact(self, content: str | Path | bytes, name: str | None = None) -> None:
        """Keep a file, or bytes under `name`. A later one of the same name replaces the earlier.

        The content is copied before this returns. `name` is a label with `/` allowed between its parts; it
        defaults to the file's name. Raises `ValueNotStorable` for a label that is no plain relative path and
        for what is no file, `OSError` for a file that cannot be read and for a full disk.
        """
        if isinstance(content, bytes | bytearray | memoryview):
            if name is None:
                raise ValueNotStorable("log_artifact(bytes): give it a name, as in "
                                       "log_artifact(data, 'model.bin')")
            source: IO[bytes] = io.BytesIO(content)
        else:
            source = _opened(content)
        with source:
            label = check_label(Path(source.name).name if name is None else name)
            staged = self._staged(source)
        self.sink.artifact(label, staged)

    def _staged(self, source: IO[bytes]) -> Path:
        """A copy in the run's own directory; nothing is left there of a copy that failed."""
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
        """Keep inputs and the outputs that they gave, for whoever serves what this run made to be tested by.

        Each is None, bool, number, text, a numpy array, or lists and dicts of these. They are artifacts, and
        part of an export: see `check_golden`. Raises `ValueNotStorable` with the path of anything else.
        """
        from hyperspace_core.records.golden import golden_files

        for label, content in golden_files(name, inputs, outputs).items():
            self.log_artifact(content, label)

    def log_predictions(self, y_true: Any, y_pred: Any, **others: Any) -> None:
        """Keep what was predicted, so that `hyperspace rescore` can compute another metric without training.

        Each is an array, or what numpy makes one of, with one entry for each example. A registered metric
        gets those that its parameters name. Small types keep it small: `y_pred.astype("uint8")`. Raises
        `ValueNotStorable` for arrays of different lengths, and for what is no array of numbers or texts.
        """
        from hyperspace_core.records.predictions import prediction_files

        for label, content in prediction_files({"y_true": y_true, "y_pred": y_pred} | others).items():
            self.log_artifact(content, label)

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far the run is, in units of your own; shown with an estimate of the time that is left.

        What is no finite number counts as not known: a bar is no reason to end a run.
        """
        self.sink.progress(progress_of(done, total, note, elapsed_s=time.monotonic() - self._began))

    def should_stop(self) -> bool:
        """True once the run is to end early: save what you have and return the result so far.

        Either it has been asked to, or the pruner of its search sees no use in going on: call this after each
        value that you log. A run that calls this is not interrupted by an exception, only ended after the
        worker's grace time.
        """
        return self.is_wanted_to_stop() or (self.watch is not None and self.watch.should_stop())

    def is_wanted_to_stop(self) -> bool:
        """Whether it has been asked to end, by whoever executes it; the pruner is not asked."""
        self._asked_to_stop_politely = True
        return self._stop

    def ask_to_stop(self) -> bool:
        """For whoever executes the run: set the flag; True where user code watches it."""
        self._stop = True
        return self._asked_to_stop_politely

    @property
    def asked_to_stop(self) -> bool:
        """Whether it has been asked to; other than `should_stop`, looking promises nothing."""
        return self._stop

    def __repr__(self) -> str:
        return f"<Run {self.id if self.id is not None else 'local'} task={self.task!r} seed={self.seed}>"


_current: contextvars.ContextVar[Run] = contextvars.ContextVar("hyperspace_current_run")
_last_active: list[Run] = []       # for threads that user code started: they begin with an empty context


def current_run() -> Run:
    """The run that is being executed here, for code that is not handed one."""
    run = _current.get(None) or (_last_active[-1] if _last_active else None)
    if run is None:
        raise HyperspaceError("no run is being executed here; in a script use "
                              "`with active(Run.local(seed=0)):`")
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


def _until_the_end() -> Path:
    """A new temporary directory that lives as long as this process."""
    import atexit
    import shutil
    import tempfile

    directory, maker = Path(tempfile.mkdtemp(prefix="hyperspace-")), os.getpid()

    def remove() -> None:
        if os.getpid() == maker:           # not at the end of a process that was forked from it
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
        cause = "no such file; a text itself is logged as text.encode() under a name"
    raise ValueNotStorable(f"log_artifact({shown(path)}): {cause}")
