"""Traits of a run: fingerprints of its components and of its data, and its problem."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import permutations
from operator import is_
from typing import Any

from hyperspace_core.config.tree import canonical
from hyperspace_core.records.codec import to_text
from hyperspace_core.records.run import SNAPSHOT, Attempt, RunRecord, WorkerInfo

COMPONENTS, DATA, SOURCE = "components", "data", "source"      # sections of provenance
HOOK = "hook:"                                 # prefix of the name of a project's own hook
DIGITS = 12                                    # digits of a fingerprint in messages

CodeKey = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Fingerprint of a component that a run used, or of a hook of the project."""

    path: str                      # "classifier", "layers.0", "hook:hyperspace_train"
    name: str                      # class name in a config
    digest: str                    # hexadecimal, or an external name; empty: unknown
    module: str = ""

    @cached_property
    def is_hook(self) -> bool:
        return self.path.startswith(HOOK)

    @cached_property
    def key(self) -> CodeKey:
        """Lookup key: parameter (in place of the family) and class name."""
        if self.is_hook:
            return self.path, ""
        return next((step for step in reversed(self.path.split(".")) if not step.isdigit()), ""), self.name

    @property
    def short(self) -> str:
        """The first digits of the fingerprint, or why there is none."""
        if not self.digest:
            return "not read"
        return "not the project's own" if ":" in self.digest else self.digest[:DIGITS]

    @property
    def declared_as(self) -> str:
        """The name for `register.same_behaviour`."""
        return self.path if self.is_hook else self.name

    @property
    def called(self) -> str:
        """The name in messages."""
        return f"the hook {self.path.removeprefix(HOOK)}" if self.is_hook else self.name or self.path


Fingerprints = Mapping[str, Fingerprint]


def fingerprints_of(record: RunRecord) -> Fingerprints | None:
    """Those of the last attempt, else those pinned at submission; None if unknown."""
    for section in (_section(record, COMPONENTS), record.code.get(COMPONENTS)):
        fingerprints = fingerprints_in(section)
        if fingerprints:
            return fingerprints
    return None


def fingerprints_in(section: Any) -> Fingerprints:
    """Read the components of a section; malformed entries are ignored.

    Runs of the same code share the returned mapping, which saves memory.
    """
    if not isinstance(section, Mapping):
        return {}
    read = ((path, one.get("class"), one.get("module"), one.get("fingerprint"))
            for path, one in section.items() if isinstance(one, Mapping))
    return _shared(tuple((path, *(text if isinstance(text, str) else "" for text in texts))
                         for path, *texts in read))


@lru_cache(maxsize=4096)
def _shared(read: tuple[tuple[str, ...], ...]) -> Fingerprints:
    return {path: Fingerprint(path=path, name=name, module=module, digest=_known(fingerprint))
            for path, name, module, fingerprint in read}


def _known(fingerprint: str) -> str:
    kind, _, digits = fingerprint.rpartition(":")
    # code outside the project is identified by its name
    return {"sha256": digits, "external": fingerprint}.get(kind, "")


def trim_provenance(record: RunRecord) -> RunRecord:
    """Drop provenance that comparisons do not use, to save memory."""
    attempt = record.attempt
    if attempt is None:
        return record
    kept = {name: section for name, section in attempt.provenance.items() if name in (COMPONENTS, DATA)}
    source = _section(record, SOURCE)
    if SNAPSHOT in source:
        kept[SOURCE] = {SNAPSHOT: source[SNAPSHOT]}
    return replace(record, attempts=(*record.attempts[:-1], replace(attempt, provenance=kept)))


class SharedTrees:
    """Share equal trees among many records, to save memory.

    Runs of one code, machine and problem have almost the same provenance.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._kept: dict[int, Any] = {}        # by identity: a store may share them already

    def share(self, record: RunRecord) -> RunRecord:
        """Return an equal record with shared trees; the same object if nothing changes."""
        attempts = tuple(map(self._attempt, record.attempts))
        scenario, code = self._one(record.scenario), self._one(record.code)
        if scenario is record.scenario and code is record.code and all(map(is_, attempts, record.attempts)):
            return record
        return replace(record, attempts=attempts, scenario=scenario, code=code)

    def _attempt(self, attempt: Attempt) -> Attempt:
        sections = {name: self._one(section) for name, section in attempt.provenance.items()}
        if all(map(is_, sections.values(), attempt.provenance.values())):
            return attempt
        return replace(attempt, provenance={sys.intern(name): section for name, section in sections.items()})

    def _one(self, tree: Any) -> Any:
        if not tree or id(tree) in self._kept:
            return tree
        known = self._known.setdefault(to_text(tree), tree)
        self._kept[id(known)] = known
        return known


def data_fingerprints(record: RunRecord) -> tuple[str, ...]:
    """Fingerprints of the loaded data, in order of loading; empty if unknown."""
    found = _section(record, DATA).get("fingerprints")
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def _section(record: RunRecord, name: str) -> Mapping[str, Any]:
    section = record.attempt.provenance.get(name) if record.attempt is not None else None
    return section if isinstance(section, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class RunTraits:
    """The properties of a run that decide whether it is comparable."""

    record: RunRecord
    problem: str | None            # the completed scenario as canonical text; None: unknown
    fingerprints: Fingerprints | None
    data: tuple[str, ...]


def run_traits(records: Iterable[RunRecord]) -> tuple[RunTraits, ...]:
    """Read the traits of many records; a shared tree is read once."""
    kept = tuple(records)                          # keeps the trees alive, so that ids stay unique
    problems: dict[int, str] = {}
    ran: dict[int, Fingerprints] = {}
    found = []
    for record in kept:
        scenario, section = record.scenario, _section(record, COMPONENTS)
        if scenario is not None and id(scenario) not in problems:
            problems[id(scenario)] = sys.intern(canonical(scenario))
        if section and id(section) not in ran:
            ran[id(section)] = fingerprints_in(section)
        found.append(RunTraits(record=record, problem=problems.get(id(scenario)),
                               fingerprints=ran.get(id(section)) or fingerprints_of(record),
                               data=data_fingerprints(record)))
    return tuple(found)


class Sameness:
    """Equivalence classes of fingerprints that were declared to behave the same.

    Class names do not matter: a renamed class keeps its declarations.
    """

    def __init__(self, declared: Iterable[tuple[str, str]] = ()) -> None:
        self._parents: dict[str, str] = {}
        self._known: dict[str, str] = {}           # fingerprint → representative of its class
        for old, new in declared:
            self._join(old, new)
        for one, other in permutations(tuple(self._parents), 2):
            if other.startswith(one):              # prefixes of different length are equivalent
                self._join(one, other)

    def of(self, fingerprint: str) -> str:
        """Representative of the fingerprint's equivalence class."""
        if not self._parents or not fingerprint:
            return fingerprint
        if fingerprint not in self._known:
            begun = [text for text in self._parents if fingerprint.startswith(text)]
            self._known[fingerprint] = self._root(begun[0]) if begun else fingerprint
        return self._known[fingerprint]

    def _root(self, text: str) -> str:
        while self._parents.setdefault(text, text) != text:
            text = self._parents[text]
        return text

    def _join(self, one: str, other: str) -> None:
        self._parents[self._root(one)] = self._root(other)


# -- Find the reference data of a task, and the runs that had different data --

PARTIAL = "partial:"           # prefix of a fingerprint of sampled data
CHOSEN = "dataset"             # a hyper-parameter of this name chooses the data

DataFingerprints = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataRule:
    """The data of the newest run, per seed or config where these select the data."""

    by_seed: bool
    newest: Mapping[Any, DataFingerprints]

    @classmethod
    def of(cls, by_age: Sequence[RunTraits]) -> DataRule:
        """Build the rule from runs that agree in everything else, oldest first."""
        known = [(run.record, run.data) for run in by_age if run.data]
        seeds: dict[DataFingerprints, set[int | None]] = defaultdict(set)
        for record, data in known:
            seeds[data].add(record.seed)
        # data that two seeds share do not depend on the seed
        by_seed = len(seeds) > 1 and all(len(shared) == 1 for shared in seeds.values())
        by_seed = by_seed and len(set().union(*seeds.values())) > 1
        return cls(by_seed=by_seed, newest={_key(record, by_seed): data for record, data in known})

    def differs(self, run: RunTraits) -> bool:
        """Whether the run is known to have had different data."""
        counts = self.newest.get(_key(run.record, self.by_seed)) if run.data else None
        # a scenario may load more often in one run than in another
        return counts is not None and counts != run.data and any(map(_distinct, run.data, counts))


def _distinct(one: str, other: str) -> bool:
    """Whether two fingerprints of the same kind (sampled or whole data) differ."""
    return one != other and one.startswith(PARTIAL) == other.startswith(PARTIAL)


def _key(record: RunRecord, by_seed: bool) -> Any:
    chosen = (record.config or {}).get(CHOSEN)
    return record.seed if by_seed else None, None if chosen is None else canonical(chosen)


# -- Queued runs that no living worker can take, and why --

@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Queued runs of one task that no living worker can take, and why."""

    task: str
    count: int
    why: str
    runs: tuple[int, ...] = ()     # the first ids


def waiting_runs(queued: Iterable[RunRecord], alive: Sequence[WorkerInfo]) -> list[Waiting]:
    """Group the queued runs that none of these workers can take by task and reason."""
    return group_waiting((record, why) for record, why in waiting_reasons(queued, alive) if why is not None)


def group_waiting(reasons: Iterable[tuple[RunRecord, str]]) -> list[Waiting]:
    """Group waiting runs, each given with its reason, by task and reason."""
    groups: dict[tuple[str, str], list[int]] = {}
    for record, why in reasons:
        groups.setdefault((record.task, why), []).append(record.id)
    return [Waiting(task=task, count=len(ids), why=why, runs=tuple(ids[:10]))
            for (task, why), ids in groups.items()]


def waiting_reasons(queued: Iterable[RunRecord],
                    alive: Sequence[WorkerInfo]) -> Iterator[tuple[RunRecord, str | None]]:
    """Pair each queued run with the reason why no worker can take it, or None."""
    tasks = frozenset(task for worker in alive for task in worker.tasks)
    return ((record, _why(record, alive, tasks)) for record in queued)


def why_no_worker(task: str, tasks: Collection[str], *, some: bool) -> str | None:
    """Why no worker can take runs of the task, or None; `tasks`: those of living workers."""
    if not some:
        return "no worker is running"
    known = ", ".join(sorted(tasks)) or "none"
    return None if task in tasks else f"no worker knows this task; they know {known}"


def _why(record: RunRecord, alive: Sequence[WorkerInfo], tasks: Collection[str]) -> str | None:
    why = why_no_worker(record.task, tasks, some=bool(alive))
    if why is None and all(record.id in worker.refused for worker in alive if record.task in worker.tasks):
        return "the workers' code does not accept them: it is older than their submission"
    return why
