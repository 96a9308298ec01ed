"""Execute a past run again, compare the results, and find the likely causes of a difference."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from hyperspace_core.errors import Refused, UsageError, did_you_mean
from hyperspace_core.plugin import (
    SNAPSHOT,
    WorkerOptions,
    data_fingerprints,
    events,
    get_run,
    other_code,
    text as text_,
    trees,
)
from hyperspace_core.records import RunRecord, State
from hyperspace_core.storage import rewritten_of
from hyperspace_reproduce.environment import code_of, rebuilt, section_of
from hyperspace_reproduce.replay import Verdict, check_tolerance, copy_of, replay

if TYPE_CHECKING:
    from hyperspace_core.plugin import Extensions
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study

Code = Literal["original", "current"]
Environment = Literal["current", "rebuild"]
Kind = Literal["config", "seed", "problem", "data", "component", "code", "package", "python", "host"]
MOST_NAMED = 5
_PLUGINS = "hyperspace-"         # the framework and its plugins: not rebuilt

_OF_A_JOB = ("SLURM_", "PBS_", "LSB_", "JOB_ID")      # variables that differ in every job
_UNEXPLAINED = ("no recorded property differs, so the run itself is not deterministic (threads, times, "
                "unseeded randomness)")


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions:
    """Options of a reproduction. Raises `UsageError`."""

    code: str = "original"             # the run's own, or the current code
    environment: str = "current"       # the packages installed here, or the recorded ones
    tolerance: float = 0.0             # relative, and absolute below 1
    ignore: tuple[str, ...] = ()       # series and metrics that are not compared, as in "seconds/*"

    def __post_init__(self) -> None:
        for name, value, known in (("code", self.code, get_args(Code)),
                                   ("env", self.environment, get_args(Environment))):
            if value not in known:
                raise UsageError(f"{name}: expected {' or '.join(known)}, got {value!r}"
                                 f"{did_you_mean(str(value), known)}")
        check_tolerance(self.tolerance)


@dataclass(frozen=True)
class Cause:
    """One difference between the two executions."""

    kind: Kind
    text: str


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """A past run, its repetition, and the result of their comparison."""

    before: RunRecord
    now: RunRecord
    verdict: Verdict
    causes: tuple[Cause, ...]          # the likeliest first
    code: str                          # description of the code
    environment: str                   # description of the packages

    @property
    def same(self) -> bool:
        return self.verdict.same

    def __repr__(self) -> str:
        first = f", first at {self.verdict.first}" if self.verdict.first else ""
        cause = f"; likely cause: {self.likely}" if not self.same else ""
        return f"<run {self.before.id} reproduced: {self.verdict.likeness}{first}{cause}>"

    @property
    def likely(self) -> str:
        """The likeliest cause of a difference."""
        return self.causes[0].text if self.causes else _UNEXPLAINED


@dataclass(frozen=True, kw_only=True)
class Site:
    """Store and project of a reproduction. The project's current code need not load."""

    store: Store
    extensions: Extensions
    name: str                          # of the project
    package: str = ""                  # its installed top-level module; "" if not installed
    distribution: str = ""
    no_plugins: tuple[str, ...] = ()
    tasks_dir: Path | None = None

    @classmethod
    def of(cls, study: Study) -> Site:
        project = study.project
        return cls(store=study.store, extensions=study.extensions, name=study.name, tasks_dir=study.tasks_dir,
                   package=project.module.partition(".")[0], distribution=project.distribution,
                   no_plugins=study.no_plugins)


def reproduce_run(study: Study, run: int, *, tolerance: float = 0.0, ignore: Collection[str] = (),
                  code: str = "original", env: str = "current") -> Reproduction:
    """Execute a past run again; compare result, metrics, curves. Stores nothing.

    `tolerance`: relative, and absolute below 1. `ignore`: names or patterns of series and metrics that may
    differ. `code`: the run's own, or "current". `env`: "rebuild" makes a virtual environment of the recorded
    packages. Raises `Refused` for a run that has not ended, `HyperspaceError` if its code or its packages are
    not available.
    """
    wish = ReproduceOptions(code=code, environment=env, tolerance=tolerance, ignore=tuple(ignore))
    return reproduce(Site.of(study), run, wish)


def reproduce(site: Site, run: int, wish: ReproduceOptions | None = None, *,
              listener: events.Listener = events.log_notices) -> Reproduction:
    """Execute a finished run again on a temporary store and compare the results.

    `listener` receives the worker's events. Raises `Refused` for a run that has not ended, `HyperspaceError`
    if its code or packages are not available, `ProjectError`.
    """
    wish = wish or ReproduceOptions()
    before = as_executed(site.store, get_run(site.store, site.name, run))
    with (_code(site, before, wish) as (folder, code),
          rebuilt(before, wish.environment, site.distribution) as environment):
        # a rebuilt environment has no plugins that could be left out
        left_out = site.no_plugins if environment.python is None else ()
        options = WorkerOptions(isolation="spawn", drain=True, base=folder, python=environment.python,
                                no_plugins=left_out, tasks_dir=site.tasks_dir)
        (found,) = replay(site.store, site.extensions, [(before, copy_of(before))], options,
                          tolerance=wish.tolerance, ignore=wish.ignore, listener=listener)
    if found.verdict is None:
        raise Refused(f"run {run} was not reproduced: {found.now.reason or 'its worker was stopped'}")
    return Reproduction(before=before, now=found.now, verdict=found.verdict, code=code,
                        environment=environment.description,
                        causes=tuple(causes(before, found.now, own_code=wish.code == "original")))


def as_executed(store: Store, record: RunRecord) -> RunRecord:
    """The run with the scenario and config of its execution, before later migrations.

    Raises `Refused` if the run cannot be reproduced.
    """
    if record.state not in (State.COMPLETED, State.FAILED) or not record.attempts:
        raise Refused(f"run {record.id} is {record.state}: only a run that has completed or failed can be "
                      "reproduced")
    if record.scenario is None or record.config is None or record.seed is None:
        raise Refused(f"run {record.id} never began: its config was rejected ({record.reason})")
    before = rewritten_of(store, record)
    return replace(record, scenario=before[0].scenario, config=before[0].config) if before else record


@contextmanager
def _code(site: Site, record: RunRecord, wish: ReproduceOptions) -> Iterator[tuple[Path | None, str]]:
    if wish.code == "current":
        yield None, "the current code"
        return
    with code_of(site.store, record, site.package) as past:
        yield past.folder, f"its own code, {past.description}"


# -- Causes of a difference, the likeliest first ----


def causes(before: RunRecord, now: RunRecord, *, own_code: bool) -> list[Cause]:
    """List the causes, the likeliest first.
    `before`: the run as it was executed; `own_code`: both were executed on the same code.
    """
    code = () if own_code else _components(before, now)
    return [*_config(before, now), *_seed(before, now), *_data(before, now), *code,
            *_changed_packages(before, now), *_python(before, now), *_host(before, now),
            *_plugins(before, now)]


def _config(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    for one in _against_what_was_written(before):
        yield Cause("config", f"config `{one.path}` is {text_.value_text(one.new)} in the record, but "
                              f"{text_.value_text(one.old)} was submitted")
    for kind, old, new in (("config", before.config, now.config), ("problem", before.scenario, now.scenario)):
        found = [] if old is None or new is None else trees.diff(old, new)
        for one in found[:MOST_NAMED]:
            yield Cause("config" if kind == "config" else "problem", f"{kind} {_changed(one)}")


def _against_what_was_written(record: RunRecord) -> list[trees.Difference]:
    """Stored values that differ from the submitted ones: the record was edited."""
    written = dict(record.submitted)
    found = []
    for leaf in trees.told_apart(record.config or {}, written):
        if leaf.written and (given := _at(written, leaf.path)) is not trees.MISSING and given != leaf.value:
            found.append(trees.Difference(leaf.path, given, leaf.value))
    return found


def _at(tree: Any, path: str) -> Any:
    """The submitted plain value at a path; MISSING if it has another shape."""
    for key in path.split("."):
        if isinstance(tree, Mapping) and key in tree:
            tree = tree[key]
        elif isinstance(tree, list) and key.isdigit() and int(key) < len(tree):
            tree = tree[int(key)]
        else:
            return trees.MISSING
    return tree if isinstance(tree, str | int | float | bool | None) else trees.MISSING


def _seed(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    used = section_of(before, "seeds").get("seed", before.seed)
    if used != before.seed:
        yield Cause("seed", f"the record has seed {before.seed}, but the run was executed with {used}")
    elif before.seed != now.seed:
        yield Cause("seed", f"seed {before.seed} then, {now.seed} now")


def _data(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    old, new = data_fingerprints(before), data_fingerprints(now)
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


def _changed_packages(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
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
    if not old or not new:
        return
    for key in ("cpu", "os", "gpus", "cpus", "cpus_usable", "blas"):
        if (key in old or key != "blas") and old.get(key) != new.get(key):     # older runs have no `blas`
            was, here = text_.value_text(old.get(key)), text_.value_text(new.get(key))
            yield Cause("host", f"host: {key} {was} then, {here} now")
    yield from _variables(old.get("environment"), new.get("environment"))


def _variables(old: Any, new: Any) -> Iterator[Cause]:
    """The recorded variables that differ, without the ids of batch jobs."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return
    for name in sorted({*old, *new}):
        if old.get(name) == new.get(name) or name.startswith(_OF_A_JOB):
            continue
        if name == "PYTHONHASHSEED" and name not in old:
            yield Cause("host", "Python's hash seed was random then (PYTHONHASHSEED was not set), "
                                f"{new[name]} now: the order of sets of text may differ")
            continue
        was, here = (one.get(name, "not set") for one in (old, new))
        yield Cause("host", f"variable {name} {was} then, {here} now")


def _plugins(before: RunRecord, now: RunRecord) -> Iterator[Cause]:
    old, new = (_versions(section_of(record, "plugins").get("loaded")) for record in (before, now))
    for name in sorted({*old, *new}) if old and new else ():
        if old.get(name) != new.get(name):
            yield Cause("package", f"plugin {name} {old.get(name, 'not installed')} then, "
                                   f"{new.get(name, 'not installed')} now")


def _versions(plugins: Any) -> dict[str, str]:
    return {str(one.get("name")): str(one.get("version")) for one in plugins
            if isinstance(one, Mapping)} if isinstance(plugins, list) else {}


def _changed(one: trees.Difference) -> str:
    if one.old is trees.MISSING:
        return f"`{one.path}` is new: {text_.value_text(one.new)}"
    if one.new is trees.MISSING:
        return f"`{one.path}` is gone: was {text_.value_text(one.old)}"
    return f"`{one.path}`: {text_.value_text(one.old)} then, {text_.value_text(one.new)} now"
