"""What a run was made of, as it was recorded: its components with their fingerprints, and its data."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import permutations
from operator import is_
from typing import TYPE_CHECKING, Any

from hyperspace_core.config.tree import canonical
from hyperspace_core.records.codec import to_text
from hyperspace_core.records.run import Attempt, RunRecord

if TYPE_CHECKING:
    from hyperspace_core.extension.declared import SameBehaviour

COMPONENTS, DATA = "components", "data"        # sections of provenance
HOOK = "hook:"                                 # what stands before the name of a project's own hook
SHOWN = 12                                     # digits of a fingerprint, where people read it or paste it

Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Part:
    """A component that a run used, or a hook of the project's own that took part."""

    path: str                      # "classifier", "layers.0", "hook:hyperspace_train"
    name: str                      # its class, as a config calls it
    fingerprint: str               # hexadecimal, or a name from outside of the project; empty: not known
    module: str = ""

    @cached_property
    def is_hook(self) -> bool:
        return self.path.startswith(HOOK)

    @cached_property
    def key(self) -> Key:
        """What is looked up: the parameter that it fills stands for its family."""
        if self.is_hook:
            return self.path, ""
        return next((step for step in reversed(self.path.split(".")) if not step.isdigit()), ""), self.name

    @property
    def short(self) -> str:
        """The fingerprint as people read it and paste it, or why there is none."""
        if not self.fingerprint:
            return "not read"
        return "not the project's own" if ":" in self.fingerprint else self.fingerprint[:SHOWN]

    @property
    def declared_as(self) -> str:
        """What `register.same_behaviour` calls it."""
        return self.path if self.is_hook else self.name

    @property
    def called(self) -> str:
        """Its name for people."""
        return f"the hook {self.path.removeprefix(HOOK)}" if self.is_hook else self.name or self.path


Parts = Mapping[str, Part]


def parts_of(record: RunRecord) -> Parts | None:
    """Path → what the last attempt ran, or what the submission pinned; None where neither is known."""
    for section in (_section(record, COMPONENTS), record.code.get(COMPONENTS)):
        parts = parts_in(section)
        if parts:
            return parts
    return None


def parts_in(section: Any) -> Parts:
    """The components that a section names; what is of another shape is left out.

    Runs of the same code share what is given back: there are many runs, and few codes.
    """
    if not isinstance(section, Mapping):
        return {}
    told = ((path, one.get("class"), one.get("module"), one.get("fingerprint"))
            for path, one in section.items() if isinstance(one, Mapping))
    return _parts(tuple((path, *(text if isinstance(text, str) else "" for text in texts))
                        for path, *texts in told))


@lru_cache(maxsize=4096)
def _parts(told: tuple[tuple[str, ...], ...]) -> Parts:
    return {path: Part(path=path, name=name, module=module, fingerprint=_known(fingerprint))
            for path, name, module, fingerprint in told}


def _known(fingerprint: str) -> str:
    kind, _, digits = fingerprint.rpartition(":")
    # code outside of the project is named, not read: its name is as good as a fingerprint
    return {"sha256": digits, "external": fingerprint}.get(kind, "")


def slim(record: RunRecord) -> RunRecord:
    """The record without what no comparison looks at: of many runs it would fill the memory."""
    attempt = record.attempt
    if attempt is None:
        return record
    kept = {name: section for name, section in attempt.provenance.items() if name in (COMPONENTS, DATA)}
    return replace(record, attempts=(*record.attempts[:-1], replace(attempt, provenance=kept)))


class Sharing:
    """Many records with few different trees: what is equal is kept once.

    Runs of one code, machine and problem have the same provenance but for little, and there are many of them.
    """

    def __init__(self) -> None:
        self._known: dict[str, Any] = {}
        self._kept: dict[int, Any] = {}        # the same by identity: a store may share them already

    def of(self, record: RunRecord) -> RunRecord:
        """An equal record; the same where it shares all already."""
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


def data_of(record: RunRecord) -> tuple[str, ...]:
    """The fingerprints of what was loaded, in its order; none where they are not known."""
    told = _section(record, DATA).get("fingerprints")
    return tuple(one for one in told if isinstance(one, str)) if isinstance(told, list) else ()


def _section(record: RunRecord, name: str) -> Mapping[str, Any]:
    section = record.attempt.provenance.get(name) if record.attempt is not None else None
    return section if isinstance(section, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What decides whether a run is comparable, read off its record once."""

    record: RunRecord
    problem: str | None            # the completed scenario as one text; None where it is not known
    parts: Parts | None
    data: tuple[str, ...]


def traits_of(records: Iterable[RunRecord]) -> tuple[Traits, ...]:
    """Of many records; a tree that they share is looked at once."""
    kept = tuple(records)                          # as long as they live, an identity means one tree
    problems: dict[int, str] = {}
    ran: dict[int, Parts] = {}
    found = []
    for record in kept:
        scenario, section = record.scenario, _section(record, COMPONENTS)
        if scenario is not None and id(scenario) not in problems:
            problems[id(scenario)] = sys.intern(canonical(scenario))
        if section and id(section) not in ran:
            ran[id(section)] = parts_in(section)
        found.append(Traits(record=record, problem=problems.get(id(scenario)),
                            parts=ran.get(id(section)) or parts_of(record), data=data_of(record)))
    return tuple(found)


class Sameness:
    """Fingerprints that were declared to behave the same, joined into classes.

    A fingerprint names one class's code, so that the class's name need not be asked: a class that was renamed
    keeps what was declared of it.
    """

    def __init__(self, declared: Iterable[SameBehaviour] = ()) -> None:
        self._parents: dict[str, str] = {}
        self._known: dict[str, str] = {}           # fingerprint → the one that stands for its class
        for same in declared:
            self._join(same.old, same.new)
        for one, other in permutations(tuple(self._parents), 2):
            if other.startswith(one):              # beginnings of different length mean the same
                self._join(one, other)

    def of(self, fingerprint: str) -> str:
        """The fingerprint that stands for all that behave like this one."""
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
