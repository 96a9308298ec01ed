"""Base class of scenarios that run another scenario in parts."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from hyperspace_core.components import Scenario
from hyperspace_core.records.parts import MADE_OF, NOTED
from hyperspace_core.run import Run, RunInterrupted
from hyperspace_core.scenarios.combining import SPREAD, together
from hyperspace_core.scenarios.parts import DATA, Numbers, Part, PartError, PartSink, conduct
from hyperspace_core.scenarios.settings import misplaced
from hyperspace_core.sink import Section


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
                from hyperspace_core.scenarios.forks import side_by_side

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
                "attempt": self.run.attempt, MADE_OF: self.run.made_of}
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
            self.run.sink.section(Section(DATA, section))

    def _progressed(self, part: Part, fraction: float) -> None:
        self._fractions[part.name] = fraction
        self.run.progress(sum(self._fractions.values()), len(self.parts), part.name)


def checked(parts: Sequence[Part]) -> Sequence[Part]:
    """Raises `PartError` without parts, and for duplicate or reserved names."""
    names = [part.name for part in parts]
    if not names:
        raise PartError("there are no parts to run")
    twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) \
        else None
    if twice is not None or SPREAD in names:
        raise PartError(f"part {twice or SPREAD!r}: the name is taken; give each part its own name")
    return parts


def _one_by_one(run: Run, whole: _Whole, hyper_parameters: Mapping[str, Any]) -> None:
    for part in whole.left:
        began, sink = time.monotonic(), whole.sink(part)
        try:
            numbers = conduct(run, part, hyper_parameters, sink)
        except Exception as error:
            error.add_note(f"in part {part.name}")
            raise
        if run.asked_to_stop:              # it may have returned early: another attempt repeats it
            raise RunInterrupted("the run was asked to stop")
        whole.finished(part, numbers, sink, time.monotonic() - began)


def _may_fork() -> bool:
    """Whether this process can be forked; one with threads cannot."""
    from hyperspace_core.execution.opening import why_not_to_fork

    why = why_not_to_fork()
    if why is not None:
        logging.getLogger("hyperspace.run").warning("the parts run one after another: this process cannot be "
                                                    "forked (%s)", why)
    return why is None
