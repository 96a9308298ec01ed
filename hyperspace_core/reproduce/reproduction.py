"""`hyperspace reproduce`: execute a past run again and compare the results."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from hyperspace_core.errors import Refused, UsageError, did_you_mean
from hyperspace_core.lookup import get_run
from hyperspace_core.records.info import pruned_at
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import State
from hyperspace_core.reproduce.causes import Cause, causes
from hyperspace_core.reproduce.code import code_of
from hyperspace_core.reproduce.environment import EnvironmentFolder, rebuilt
from hyperspace_core.reproduce.replay import Listener, again, points_of, replayed
from hyperspace_core.reproduce.verdict import Verdict, check_tolerance, judge
from hyperspace_core.worker.events import log_notices
from hyperspace_core.worker.state import WorkerOptions

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.storage import Store
    from hyperspace_core.study import Study

Code = Literal["original", "current"]
Environment = Literal["current", "rebuild"]


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


def reproduce(site: Site, run: int, wish: ReproduceOptions | None = None, *,
              listener: Listener = log_notices) -> Reproduction:
    """Execute a finished run again on a temporary store and compare the results.

    `listener` receives the worker's events. Raises `Refused` for a run that has not ended, `HyperspaceError`
    if its code or packages are not available, `ProjectError`.
    """
    wish = wish or ReproduceOptions()
    before = as_executed(site.store, get_run(site.store, site.name, run))
    with _code(site, before, wish) as (folder, code), _packages(site, before, wish) as environment:
        # a rebuilt environment has no plugins that could be left out
        left_out = site.no_plugins if environment.python is None else ()
        options = WorkerOptions(isolation="spawn", drain=True, base=folder, python=environment.python,
                                no_plugins=left_out, tasks_dir=site.tasks_dir)
        new = again(before, uid=uuid.uuid4().hex)
        stops = {new.uid: pruned_at(before)}
        with replayed(site.name, site.extensions, [new], options, listener, stops=stops) as played:
            (now,) = played
    if not now.record.state.terminal:
        raise Refused(f"run {run} was not reproduced: {now.record.reason or 'its worker was stopped'}")
    verdict = judge(before, points_of(site.store, before), now.record, now.points,
                    tolerance=wish.tolerance, ignore=wish.ignore)
    found = causes(before, now.record, own_code=wish.code == "original")
    return Reproduction(before=before, now=now.record, verdict=verdict, code=code,
                        environment=environment.description, causes=tuple(found))


def as_executed(store: Store, record: RunRecord) -> RunRecord:
    """The run with the scenario and config of its execution, before later migrations.

    Raises `Refused` if the run cannot be reproduced.
    """
    if record.state not in (State.COMPLETED, State.FAILED) or not record.attempts:
        raise Refused(f"run {record.id} is {record.state}: only a run that has completed or failed can be "
                      "reproduced")
    if record.scenario is None or record.config is None or record.seed is None:
        raise Refused(f"run {record.id} never began: its config was rejected ({record.reason})")
    if not record.migrated:
        return record
    first = store.rewritten(record.id)[0]
    return replace(record, scenario=first.scenario, config=first.config)


def _packages(site: Site, record: RunRecord,
              wish: ReproduceOptions) -> AbstractContextManager[EnvironmentFolder]:
    return rebuilt(record, wish.environment, site.distribution)


@contextmanager
def _code(site: Site, record: RunRecord, wish: ReproduceOptions) -> Iterator[tuple[Path | None, str]]:
    if wish.code == "current":
        yield None, "the current code"
        return
    with code_of(site.store, record, site.package) as past:
        yield past.folder, f"its own code, {past.description}"
