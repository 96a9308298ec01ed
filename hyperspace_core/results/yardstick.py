"""Reference for the runs of a task, and the reasons why a run is not comparable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from hyperspace_core.config.tree import CLASS_NAME, Tree, diff
from hyperspace_core.records.run import Metric
from hyperspace_core.results.datasets import DataRule
from hyperspace_core.results.parts import Key, Part, Parts, Sameness, Traits

Kind = Literal["metric", "problem", "code", "data"]


@dataclass(frozen=True)
class Reason:
    """Why a run is not comparable. For code: class, own and reference fingerprint."""

    kind: Kind
    text: str                      # "Forest had other code"
    name: str = ""
    was: str = ""
    now: str = ""


@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """Reference problem, code and data. Unknown properties of a run count as equal."""

    problem: Tree | None = None
    problem_text: str | None = None                # the same, as one text
    metric: Metric | None = None
    code: Mapping[Key, Part] = field(default_factory=dict)
    hooks: Mapping[str, Part] = field(default_factory=dict)        # empty fingerprint: there is no such hook
    data: DataRule | None = None
    sameness: Sameness = field(default_factory=Sameness)
    _known: dict[int, tuple[Parts, tuple[Reason, ...]]] = field(default_factory=dict, compare=False)

    def against(self, run: Traits) -> tuple[Reason, ...]:
        """Reasons why the run is not comparable; empty if it is."""
        reasons = [*self._of_problem(run), *self._of_code(run.parts)]
        if self.data is not None and self.data.differs(run):
            reasons.append(Reason("data", "other data"))
        return tuple(reasons)

    def _of_problem(self, run: Traits) -> Iterator[Reason]:
        record = run.record
        if record.scenario is None:                # not completed yet
            return
        if self.metric is not None and record.metric != self.metric:
            yield Reason("metric", f"another metric (`{record.metric.name}`, {record.metric.goal})")
        if self.problem is not None and run.problem != self.problem_text:
            yield Reason("problem", _another(record.scenario, self.problem))

    def _of_code(self, parts: Parts | None) -> tuple[Reason, ...]:
        if parts is None:
            return ()
        known = self._known.get(id(parts))
        if known is None or known[0] is not parts:
            known = self._known[id(parts)] = parts, tuple(self._reasons(parts))
        return known[1]

    def _reasons(self, parts: Parts) -> Iterator[Reason]:
        counts = {path: self.code[part.key] for path, part in parts.items() if part.key in self.code}
        for part, now in differing(parts, counts | dict(self.hooks), self.sameness):
            how = _of_hook(part, now) if part.is_hook else "had other code"
            yield Reason("code", f"{part.called} {how}", part.declared_as, part.fingerprint, now.fingerprint)


def differing(parts: Parts, counts: Parts, sameness: Sameness) -> Iterator[tuple[Part, Part]]:
    """Pair the parts whose code differs from the reference with it.

    A hook on one side only differs, too. Without a reference, no part differs.
    """
    if not counts:
        return
    for path in {**parts, **counts}:
        hook = Part(path=path, name="", fingerprint="")
        part, now = parts.get(path, hook), counts.get(path, hook)
        known = part.is_hook or (part.fingerprint and now.fingerprint)
        if known and sameness.of(part.fingerprint) != sameness.of(now.fingerprint):
            yield part, now


def _of_hook(part: Part, counts: Part) -> str:
    if not part.fingerprint:
        return "did not exist"
    return "had other code" if counts.fingerprint else "was removed since"


def _another(scenario: Tree, counts: Tree) -> str:
    paths = [one.path for one in diff(counts, scenario)]
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
