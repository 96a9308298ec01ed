"""Find the comparable runs of a task, with reasons for the others.

Runs are comparable when task, metric, problem (the completed scenario, with the version of its dataset),
data, and the code of the components that they use agree. Configs and seeds may differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, get_args

from hyperspace_core.config.tree import CLASS_NAME, Tree, canonical, diff, digest
from hyperspace_core.errors import HyperspaceError, UsageError, did_you_mean
from hyperspace_core.records import traits
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import Metric, NewRun, RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.records.traits import CodeKey, DataRule, Fingerprint, Fingerprints, RunTraits, Sameness
from hyperspace_core.results.format import counted
from hyperspace_core.storage import Store

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

# -- The current code of a project, to compare records with --

class CurrentCode:
    """The project's code in this process; its methods raise no error for a record."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._fingerprints: dict[tuple[CodeKey, ...], Fingerprints] = {}
        self._problems: dict[str, tuple[Tree, Metric] | None] = {}
        self.sameness = Sameness((same.old, same.new) for same in project.same_behaviour)

    def problem(self, task: str) -> tuple[Tree, Metric] | None:
        """Completed scenario and metric of a task; None if the task is missing or broken."""
        if task not in self._problems:
            try:
                found = self._project.task(task)
                self._problems[task] = self._project.complete_scenario(found), found.metric
            except HyperspaceError:
                self._problems[task] = None
        return self._problems[task]

    def fingerprints(self, record: RunRecord, recorded: Fingerprints) -> Fingerprints:
        """Fingerprints of the run's classes as they are now, without removed classes.

        Cached by the classes of the recorded fingerprints.
        """
        shape = tuple((one.path, one.name) for one in recorded.values() if not one.is_hook)
        if not self._fingerprints.get(shape):      # another config of that shape may fit
            self._fingerprints[shape] = self._looked_up(record)
        return self._fingerprints[shape]

    def _looked_up(self, record: RunRecord) -> Fingerprints:
        from hyperspace_core.capture.code_fingerprint import component_fingerprints

        if record.scenario is None or record.config is None or CLASS_NAME not in record.scenario:
            return {}
        try:
            found = component_fingerprints(self._project, record.scenario, record.config)
            return traits.fingerprints_in(found)
        except HyperspaceError:
            return {}


# -- Reference that the runs of a task are compared with, and the reasons for differences --

ReasonKind = Literal["metric", "problem", "code", "data"]


@dataclass(frozen=True)
class Reason:
    """Why a run is not comparable. For code: class, own and reference fingerprint."""

    kind: ReasonKind
    text: str                      # "Forest had other code"
    name: str = ""
    was: str = ""
    now: str = ""


@dataclass(frozen=True, kw_only=True)
class Criteria:
    """Reference problem, code and data. Unknown properties of a run count as equal."""

    problem: Tree | None = None
    problem_text: str | None = None                # the same, as one text
    metric: Metric | None = None
    code: Mapping[CodeKey, Fingerprint] = field(default_factory=dict)
    hooks: Mapping[str, Fingerprint] = field(default_factory=dict)     # empty digest: there is no such hook
    data: DataRule | None = None
    sameness: Sameness = field(default_factory=Sameness)
    _known: dict[int, tuple[Fingerprints, tuple[Reason, ...]]] = field(default_factory=dict, compare=False)

    def against(self, run: RunTraits) -> tuple[Reason, ...]:
        """Reasons why the run is not comparable; empty if it is."""
        reasons = [*self._of_problem(run), *self._of_code(run.fingerprints)]
        if self.data is not None and self.data.differs(run):
            reasons.append(Reason("data", "other data"))
        return tuple(reasons)

    def _of_problem(self, run: RunTraits) -> Iterator[Reason]:
        record = run.record
        if record.scenario is None:                # not completed yet
            return
        if self.metric is not None and record.metric != self.metric:
            yield Reason("metric", f"another metric (`{record.metric.name}`, {record.metric.goal})")
        if self.problem is not None and run.problem != self.problem_text:
            yield Reason("problem", _another(record.scenario, self.problem))

    def _of_code(self, fingerprints: Fingerprints | None) -> tuple[Reason, ...]:
        if fingerprints is None:
            return ()
        known = self._known.get(id(fingerprints))
        if known is None or known[0] is not fingerprints:
            known = self._known[id(fingerprints)] = fingerprints, tuple(self._reasons(fingerprints))
        return known[1]

    def _reasons(self, fingerprints: Fingerprints) -> Iterator[Reason]:
        reference = {path: self.code[own.key] for path, own in fingerprints.items() if own.key in self.code}
        for own, now in differing_code(fingerprints, reference | dict(self.hooks), self.sameness):
            how = ("had other code" if not own.is_hook or (own.digest and now.digest) else
                   "was removed since" if own.digest else "did not exist")
            yield Reason("code", f"{own.called} {how}", own.declared_as, own.digest, now.digest)


def differing_code(fingerprints: Fingerprints, reference: Fingerprints,
                   sameness: Sameness) -> Iterator[tuple[Fingerprint, Fingerprint]]:
    """Pair the fingerprints that differ from the reference with it.

    A hook on one side only differs, too. Without a reference, nothing differs.
    """
    if not reference:
        return
    for path in {**fingerprints, **reference}:
        hook = Fingerprint(path=path, name="", digest="")
        own, now = fingerprints.get(path, hook), reference.get(path, hook)
        known = own.is_hook or (own.digest and now.digest)
        if known and sameness.of(own.digest) != sameness.of(now.digest):
            yield own, now


def _another(scenario: Tree, reference: Tree) -> str:
    paths = [one.path for one in diff(reference, scenario)]
    if all(path.rpartition(".")[2] == "version" for path in paths):
        return f"another version of {' and '.join(_holder(scenario, path) for path in paths)}"
    return f"another problem ({', '.join(f'`{path}`' for path in paths[:2])}{', …' if paths[2:] else ''})"


def _holder(scenario: Tree, path: str) -> str:
    """The class that has this `version`."""
    section: object = scenario
    for step in path.split(".")[:-1]:
        section = section.get(step) if isinstance(section, dict) else None
    name = section.get(CLASS_NAME) if isinstance(section, dict) else None
    return name if isinstance(name, str) else path


# -- Determine the reference for the runs of a task from the runs and the project's current code --

Known = Sequence[tuple[Fingerprints, Fingerprints]]    # recorded and current ones of runs; the newest last


def criteria_of(runs: Iterable[RunTraits], current_code: CurrentCode | None = None, *,
                newest: bool = True) -> Criteria:
    """Determine the reference for runs of one task.

    `newest=False`: the current code is the reference, even if no run has it.
    """
    by_age = sorted(runs, key=lambda run: run.record.id)
    sameness = Sameness() if current_code is None else current_code.sameness
    problem, metric = _problem(by_age, current_code, newest)
    known = [(fingerprints, {} if current_code is None else current_code.fingerprints(record, fingerprints))
             for record, fingerprints in _made_of(by_age)]
    criteria = Criteria(problem=problem, problem_text=None if problem is None else canonical(problem),
                        metric=metric, sameness=sameness, code=_code(known, sameness, newest),
                        hooks=_hooks(known, sameness, newest))
    return replace(criteria, data=DataRule.of([run for run in by_age if not criteria.against(run)]))


def all_agree(runs: Sequence[RunTraits]) -> bool:
    """Whether the runs agree, so that the current code is not needed."""
    if len({(run.record.metric, run.problem) for run in runs if run.problem is not None}) > 1:
        return False
    seen: dict[CodeKey, str] = {}
    hooks = set()
    for _, fingerprints in _made_of(runs):
        hooks.add(tuple(sorted((path, one.digest) for path, one in fingerprints.items() if one.is_hook)))
        for one in fingerprints.values():
            if one.digest and seen.setdefault(one.key, one.digest) != one.digest:
                return False
    return len(hooks) <= 1


def _made_of(by_age: Iterable[RunTraits]) -> list[tuple[RunRecord, Fingerprints]]:
    """The different sets of fingerprints, each with its newest run."""
    newest: dict[int, tuple[RunRecord, Fingerprints]] = {}
    for run in by_age:
        if run.fingerprints is not None:
            newest.pop(id(run.fingerprints), None)
            newest[id(run.fingerprints)] = run.record, run.fingerprints
    return list(newest.values())


def _problem(by_age: Sequence[RunTraits], current_code: CurrentCode | None,
             newest: bool) -> tuple[Tree | None, Metric | None]:
    known = [run for run in by_age if run.problem is not None]
    if not known:
        return None, None
    scenario, metric = known[-1].record.scenario, known[-1].record.metric
    now = None if current_code is None else current_code.problem(known[-1].record.task)
    if now is not None:
        text = canonical(now[0])
        if not newest or any(run.problem == text for run in known):
            scenario = now[0]
        if not newest or any(run.record.metric == now[1] for run in known):
            metric = now[1]
    return scenario, metric


def _code(known: Known, sameness: Sameness, newest: bool) -> dict[CodeKey, Fingerprint]:
    """Class → its reference fingerprint."""
    reference: dict[CodeKey, Fingerprint] = {}
    now: dict[CodeKey, Fingerprint] = {}
    had: set[tuple[CodeKey, str]] = set()
    for fingerprints, current in known:
        for path, one in fingerprints.items():
            if one.is_hook or not one.digest:
                continue
            reference[one.key] = one
            had.add((one.key, sameness.of(one.digest)))
            if path in current and current[path].digest:
                now[one.key] = current[path]
    wanted = {key: one for key, one in now.items() if not newest or (key, sameness.of(one.digest)) in had}
    return reference | wanted


def _hooks(known: Known, sameness: Sameness, newest: bool) -> dict[str, Fingerprint]:
    """Hook → its reference fingerprint; the digest is empty if there is no such hook."""
    reference: dict[str, Fingerprint] = {}
    for path in {path for both in known for each in both for path, one in each.items() if one.is_hook}:
        none = Fingerprint(path=path, name="", digest="")
        had = {sameness.of(fingerprints.get(path, none).digest) for fingerprints, _ in known}
        now = next((current.get(path, none) for _, current in reversed(known) if current), None)
        asked = now is not None and (not newest or sameness.of(now.digest) in had)
        reference[path] = now if now is not None and asked else known[-1][0].get(path, none)
    return reference


Comparable = Literal["strict", "all"]
ALL = "all"
MOST_NAMED = 3                 # causes that a summary names
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class LeftOut:
    """A run that is not comparable with the others, and why."""

    record: RunRecord
    reasons: tuple[Reason, ...]

    def __repr__(self) -> str:
        return f"<run {self.record.id} left out: {_words(self)}>"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Comparable runs in the given order, and the runs that were left out."""

    kept: tuple[RunRecord, ...]
    left_out: tuple[LeftOut, ...] = ()
    looked_at: int | None = None   # number of runs that were read; None: all


def select_comparable(records: Iterable[RunRecord], ask: Callable[[], CurrentCode | None]) -> Comparison:
    """Separate the comparable runs from the others, task by task.

    `ask` gives the current code; it is called only if the runs alone do not decide it.
    """
    given = traits.run_traits(records)
    reasons: dict[int, tuple[Reason, ...]] = {}
    task_of = attrgetter("record.task")
    for _, group in groupby(sorted(given, key=task_of), key=task_of):
        runs = list(group)
        criteria = criteria_of(runs, None if all_agree(runs) else ask())
        reasons |= {run.record.id: criteria.against(run) for run in runs}
    return Comparison(kept=tuple(run.record for run in given if not reasons[run.record.id]),
                      left_out=tuple(LeftOut(run.record, reasons[run.record.id]) for run in given
                                     if reasons[run.record.id]))


def checked_comparable(comparable: object) -> str:
    """Return the value. Raises `UsageError` unless it is `strict` or `all`."""
    known = get_args(Comparable)
    if comparable in known:
        return str(comparable)
    near = did_you_mean(comparable, known) if isinstance(comparable, str) else ""
    raise UsageError(f"comparable: expected {' or '.join(map(repr, known))}, got {comparable!r}{near}")


def left_out_text(left_out: Sequence[LeftOut], show_all: str, looked_at: int | None = None) -> str:
    """One line: how many runs were left out, why, and what to do.

    `show_all`: the option that shows them; `looked_at`: the number of runs read, if not all.
    """
    if not left_out:
        return ""
    causes = Counter(map(_words, left_out)).most_common()
    named = [words if len(causes) == 1 else f"{words} ({count})" for words, count in causes[:MOST_NAMED]]
    rest = sum(count for _, count in causes[MOST_NAMED:])
    count = counted(len(left_out)) + ("" if looked_at is None else f" of the {looked_at:,} runs read")
    shows = f"{show_all} shows {'it' if len(left_out) == 1 else 'them'}"
    cures = "; ".join(filter(None, (shows, _cure_of_code(left_out))))
    return f"{count} left out: {', '.join(named)}{f', other causes ({rest})' if rest else ''}; {cures}"


def _cure_of_code(left_out: Sequence[LeftOut]) -> str:
    """How to declare a code change harmless; the exact line if it is one change."""
    changes = {(reason.name, reason.was, reason.now) for one in left_out for reason in one.reasons
               if reason.kind == "code"}
    if not changes:
        return ""
    line = same_behaviour_line(*changes.pop()) if len(changes) == 1 else ""
    found = line or "register.same_behaviour"
    return f"`{found}` declares a change harmless{'' if line else ', `hyperspace runs diff` prints it'}"


def same_behaviour_line(name: str, old: str, new: str) -> str:
    """The `register.same_behaviour` line; empty if a fingerprint is not SHA-256."""
    if not all(map(_HEXADECIMAL.fullmatch, (old, new))):
        return ""
    return f'register.same_behaviour("{name}", "{old[:traits.DIGITS]}", "{new[:traits.DIGITS]}")'


def _words(one: LeftOut) -> str:
    return " and ".join(dict.fromkeys(reason.text for reason in one.reasons))


# -- Find existing runs of the same experiment on the same code --

LIVE = (State.QUEUED, State.PAUSED, State.RUNNING, State.COMPLETED)


def experiment_key(run: NewRun | RunRecord) -> str:
    """Key of an experiment: digest of task, scenario, completed config and seed."""
    return digest({"task": run.task, "scenario": run.scenario, "config": run.config, "seed": run.seed})


def existing_runs(store: Store, project: Project, task: str) -> dict[str, int]:
    """Key → id of the oldest queued, paused, running or completed run of a task.

    A run does not count if the code of a class that it uses differs. Unknown code, such as that of a run that
    has not begun, counts as equal.
    """
    current_code = CurrentCode(project)
    wanted = RunFilter(project=project.name, tasks=(task,), states=LIVE)
    found: dict[str, int] = {}
    for record in store.find(wanted, order=ORDER_OLDEST):
        if record.config is not None and _is_current(record, current_code):
            found.setdefault(experiment_key(record), record.id)
    return found


def without_known(runs: Iterable[NewRun], known: Mapping[str, int],
                  found: list[int] | None = None) -> Iterator[NewRun]:
    """Drop the runs whose key is known, and duplicates; `found` gets the ids of the known ones."""
    seen = set(known)
    for run in runs:
        key = experiment_key(run)
        if key not in seen:
            seen.add(key)
            yield run
        elif found is not None and key in known:
            found.append(known[key])


def _is_current(record: RunRecord, current_code: CurrentCode) -> bool:
    own = traits.fingerprints_of(record)
    return own is None or not any(
        differing_code(own, current_code.fingerprints(record, own), current_code.sameness))
