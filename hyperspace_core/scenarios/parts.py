"""One part of a run: its live run, its sink, and its execution."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hyperspace_core.errors import HyperspaceError, did_you_mean
from hyperspace_core.records.info import within
from hyperspace_core.records.logged import ArtifactStaged, InfoSet, Points, ProgressSet, check_label
from hyperspace_core.run import Absent, Logged, Run, Section, Sink, as_current_run

Numbers = dict[str, int | float]
DATA = "data"                  # the section that names what a run loaded


@dataclass(frozen=True, kw_only=True)
class Part:
    """The wrapped scenario with the settings of one part."""

    name: str                  # the prefix of its metrics: `fold-2/loss`
    scenario: Any
    seed: int


class PartError(HyperspaceError):
    """Invalid parts, or a part that failed."""


class PartSink:
    """The sink of a part: passes its entries to the whole run under the part's name."""

    def __init__(self, whole: Run, name: str, on_progress: Callable[[float], None]) -> None:
        self.data: Section | Absent | None = None
        self._whole, self._name, self._on_progress = whole, name, on_progress

    def emit(self, message: Logged) -> None:
        match message:
            case Points(points=points):
                self._whole._log_part(self._name, points)
            case InfoSet(key=key, value=value):
                self._whole.info[f"{self._name}/{key}"] = value
            case ProgressSet(progress=progress):
                if progress.total:
                    self._on_progress(min(1.0, progress.done / progress.total))
            case ArtifactStaged(name=name, path=path):
                self._whole.sink.emit(ArtifactStaged(check_label(f"{self._name}/{name}"), path))
            case Section(name=name) | Absent(name=name) if name == DATA:
                self.data = message        # combined for all parts later
            case _:
                self._whole.sink.emit(message)


class PartRun(Run):
    """The live run of a part; it stops with the whole run, and has no watcher."""

    def __init__(self, whole: Run, part: Part, sink: Sink) -> None:
        super().__init__(sink=sink, seed=part.seed, workdir=whole.workdir / part.name, id=whole.id,
                         attempt=whole.attempt, project=whole.project, task=whole.task, config=whole.config,
                         scenario=whole.scenario, metric=whole.metric, goal=whole.goal,
                         folder=whole.folder)
        self._whole = whole
        self.artifact_paths = whole.artifact_paths
        self.inputs_digest = whole.inputs_digest
        self.earlier = within(part.name, whole.earlier)

    def request_stop(self, reason: str | None = None) -> bool:
        return self._whole.request_stop(reason)

    @property
    def stop_requested(self) -> bool:
        return self._whole.stop_requested

    def _poll_stop(self) -> bool:
        return self._whole._poll_stop()


def conduct_part(whole: Run, part: Part, hyper_parameters: Mapping[str, Any], sink: Sink) -> Numbers:
    """Run a part in this process, with copies of all components."""
    run = PartRun(whole, part, sink)
    run.workdir.mkdir(parents=True, exist_ok=True)
    run.stages = whole.stages.begin_part(run)
    with as_current_run(run):
        returned = _called(part.scenario, run, copy.deepcopy(dict(hyper_parameters)))
    for key in list(run.info):             # a list in it may have grown since it was sent
        with contextlib.suppress(Exception):
            run.info[key] = run.info[key]
    return _numbers(returned, run.metric)


def _called(scenario: Any, run: Run, arguments: dict[str, Any]) -> Any:
    if getattr(scenario, "wraps", None) is not None:
        return scenario.single_run(run, **arguments)
    from hyperspace_core.config.signature import signature_of_method

    owner: Any = type(scenario)
    signature = signature_of_method(owner, "single_run")
    if "seed" in arguments and "seed" in signature.by_name:
        arguments["seed"] = run.seed       # a hyper-parameter of that name has the run's
    if signature.run is not None:
        arguments[signature.run] = run
    run.arguments = arguments
    return scenario.single_run(**arguments)


def _numbers(returned: Any, metric: str) -> Numbers:
    """The returned numbers; without a task any metric is accepted."""
    # not where a component is only loaded
    from hyperspace_core.execution.result import numbers_of, without_extra

    returned, _ = without_extra(returned)
    named = metric or (next(iter(returned), "result") if isinstance(returned, Mapping) else "result")
    return numbers_of(returned, named)[1]


# -- Combine the numbers of all parts --

SPREAD = "sd"


def together(parts: Mapping[str, Numbers]) -> dict[str, float]:
    """Combine to `accuracy` (mean), `accuracy/sd` (deviation), `accuracy/PART`: over
    the parts that have the number; the sample standard deviation needs two or more.
    """
    names = dict.fromkeys(name for numbers in parts.values() for name in numbers)
    values = {name: {part: float(numbers[name]) for part, numbers in parts.items() if name in numbers}
              for name in names}
    means = {name: sum(each.values()) / len(each) for name, each in values.items()}
    spreads = {f"{name}/{SPREAD}": _spread(list(each.values())) for name, each in values.items()
               if len(each) > 1}
    own = {f"{name}/{part}": value for name, each in values.items() for part, value in each.items()}
    return means | spreads | own


def _spread(values: list[float]) -> float:
    import statistics

    try:
        return statistics.stdev(values)
    except (AttributeError, OverflowError, ValueError):        # NaN and infinities, by Python version
        return float("nan")


# -- Copy a scenario with one setting changed, as the parts of a run need it --

def with_setting(target: Any, path: str, value: Any) -> Any:
    """Copy `target` with another value at `path`. Raises `HyperspaceError`."""
    name, _, rest = path.partition(".")
    return _made_anew(target, name, with_setting(_held(target, name), rest, value) if rest else value)


def setting_owner(target: Any, path: str) -> Any:
    """The object that has the setting."""
    for name in path.split(".")[:-1]:
        target = _held(target, name)
    return target


def misplaced(tree: Mapping[str, Any], path: str) -> str | None:
    """Explain why a completed section has no setting at `path`; None if it has one."""
    at: Any = tree
    parts = path.split(".")
    for depth, name in enumerate(parts):
        if not isinstance(at, Mapping) or name not in at:
            there = [key for key in at if key != "className"] if isinstance(at, Mapping) else []
            near = did_you_mean(name, there) or f"; it has {', '.join(there) or 'none'}"
            where = ".".join(parts[:depth]) or "the wrapped scenario"
            return f"{path!r}: {where} has no setting {name!r}{near}"
        at = at[name]
    return None


def _held(target: Any, name: str) -> Any:
    if isinstance(target, Mapping) and name in target:
        return target[name]
    if not hasattr(target, name):
        raise HyperspaceError(f"{type(target).__name__} has no attribute `{name}`; name a setting of the "
                              "wrapped scenario, such as `dataset.fold`")
    return getattr(target, name)


def _made_anew(target: Any, name: str, value: Any) -> Any:
    if isinstance(target, Mapping):
        return {**target, name: value}
    if dataclasses.is_dataclass(target):
        arguments = {field.name: getattr(target, field.name) for field in dataclasses.fields(target)
                     if field.init}
    else:
        from hyperspace_core.config.signature import signature_of

        known: Any = type(target)
        arguments = {one.name: _held(target, one.name) for one in signature_of(known).parameters}
    if name not in arguments:
        near = did_you_mean(name, arguments) or f"; it has {', '.join(arguments) or 'none'}"
        raise HyperspaceError(f"{type(target).__name__} has no parameter `{name}`{near}")
    return type(target)(**arguments | {name: value})
