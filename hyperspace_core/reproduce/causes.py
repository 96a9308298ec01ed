"""Find the likely causes of different results of one run, the likeliest first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from hyperspace_core.config.tree import MISSING, Difference, diff, told_apart
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.source import SNAPSHOT
from hyperspace_core.reproduce.code import section_of
from hyperspace_core.results.diff import other_code
from hyperspace_core.results.format import value_text
from hyperspace_core.results.traits import data_of

Kind = Literal["config", "seed", "problem", "data", "component", "code", "package", "python", "host"]
MOST_NAMED = 5
_PLUGINS = "hyperspace-"         # the framework and its plugins: not rebuilt


@dataclass(frozen=True)
class Cause:
    """One difference between the two executions."""

    kind: Kind
    text: str


def causes(before: RunRecord, now: RunRecord, *, own_code: bool) -> list[Cause]:
    """List the causes, the likeliest first.
    `before`: the run as it was executed; `own_code`: both were executed on the same code.
    """
    code = () if own_code else _components(before, now)
    return [*_config(before, now), *_seed(before, now), *_data(before, now), *code, *_packages(before, now),
            *_python(before, now), *_host(before, now)]


def _config(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    for one in _against_what_was_written(before):
        yield Cause("config", f"config `{one.path}` is {value_text(one.new)} in the record, but "
                              f"{value_text(one.old)} was submitted")
    for kind, old, new in (("config", before.config, now.config), ("problem", before.scenario, now.scenario)):
        found = [] if old is None or new is None else diff(old, new)
        for one in found[:MOST_NAMED]:
            yield Cause("config" if kind == "config" else "problem", f"{kind} {_changed(one)}")


def _against_what_was_written(record: RunRecord) -> list[Difference]:
    """Stored values that differ from the submitted ones: the record was edited."""
    written = dict(record.submitted)
    found = []
    for leaf in told_apart(record.config or {}, written):
        if leaf.written and (given := _at(written, leaf.path)) is not MISSING and given != leaf.value:
            found.append(Difference(leaf.path, given, leaf.value))
    return found


def _at(tree: Any, path: str) -> Any:
    """The submitted plain value at a path; MISSING if it has another shape."""
    for key in path.split("."):
        if isinstance(tree, Mapping) and key in tree:
            tree = tree[key]
        elif isinstance(tree, list) and key.isdigit() and int(key) < len(tree):
            tree = tree[int(key)]
        else:
            return MISSING
    return tree if isinstance(tree, str | int | float | bool | None) else MISSING


def _seed(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    used = section_of(before, "seeds").get("seed", before.seed)
    if used != before.seed:
        yield Cause("seed", f"the record has seed {before.seed}, but the run was executed with {used}")
    elif before.seed != now.seed:
        yield Cause("seed", f"seed {before.seed} then, {now.seed} now")


def _data(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    old, new = data_of(before), data_of(now)
    if old and new and old != new:
        yield Cause("data", "the data differ: they have another fingerprint")


def _components(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    found = other_code(before, now)
    for one, other in found:
        yield Cause("component", f"component {(one if one.name else other).called} has other code")
    old, new = (section_of(record, "source").get(SNAPSHOT) for record in (before, now))
    if not found and old and new and old != new:
        yield Cause("code", f"the project's code differs ({old[:12]} then, {new[:12]} now), though in no "
                            "component that the run is known to use")


def _packages(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    old, new = (section_of(record, "packages").get("installed") for record in (before, now))
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    names = sorted((name for name in {*old, *new} if not name.startswith(_PLUGINS)), key=str.casefold)
    changed = [(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name)]
    # changed versions first: an added or removed package may be unused
    for name, was, here in sorted(changed, key=lambda one: None in one[1:])[:MOST_NAMED]:
        yield Cause("package", f"package {name} {was or 'not installed'} then, {here or 'not installed'} now")
    if len(changed) > MOST_NAMED:
        yield Cause("package", f"{len(changed) - MOST_NAMED} more packages differ")


def _python(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    old, new = section_of(before, "python").get("version"), section_of(now, "python").get("version")
    if old and new and old != new:
        yield Cause("python", f"Python {old} then, {new} now")


def _host(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    old, new = section_of(before, "host"), section_of(now, "host")
    for key in ("cpu", "os", "gpus", "cpus"):
        if old and new and old.get(key) != new.get(key):
            was, here = value_text(old.get(key)), value_text(new.get(key))
            yield Cause("host", f"host: {key} {was} then, {here} now")


def _changed(one: Difference) -> str:
    if one.old is MISSING:
        return f"`{one.path}` is new: {value_text(one.new)}"
    if one.new is MISSING:
        return f"`{one.path}` is gone: was {value_text(one.old)}"
    return f"`{one.path}`: {value_text(one.old)} then, {value_text(one.new)} now"


