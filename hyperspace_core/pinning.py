"""Pin the project's code to a submission, so that workers execute it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import monotonic
from typing import Literal, get_args

from hyperspace_core.capture.components import SECTION as COMPONENTS
from hyperspace_core.capture.components import components_section
from hyperspace_core.capture.sources import ProjectCode, SourceChanged, project_code
from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import UsageError, did_you_mean
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.ran import GIT, PINNED
from hyperspace_core.extension.project import Project
from hyperspace_core.records.code import SNAPSHOT
from hyperspace_core.records.run import NewRun, RunRecord
from hyperspace_core.sink import Absent, Section
from hyperspace_core.storage import Store

CodeWish = Literal["pinned", "current"]
TRIES = 3                      # a file changed while the snapshot was stored
KNOWN_S = 600.0                # under one hour, for which a store keeps snapshots without runs


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The `code` section of a submission, with its summary line."""

    code: Tree
    summary: str = ""              # one line to print
    warning: str = ""              # why the code is not pinned although that was requested
    project: Project | None = None         # set where the code is the project's current code

    def on(self, run: NewRun) -> NewRun:
        """A copy of the run with this code and the fingerprints of its components."""
        made_of = {} if self.project is None else _components(self.project, run)
        return replace(run, code={**self.code, COMPONENTS: made_of} if made_of else self.code)


class Pinner:
    """Pin one project's code; a snapshot stored recently is not stored again.

    Without a store, only describe what would be pinned.
    """

    def __init__(self, project: Project, store: Store | None) -> None:
        self._project, self._store = project, store
        self._put_at: dict[str, float] = {}

    def pin(self, wish: str = "pinned") -> Pin:
        """Store the project's code as it is on disk, for runs about to be submitted.

        If the code cannot be stored, `Pin.warning` has the reason and workers execute their installed code.
        Raises `UsageError` for an unknown `wish`, and the store's errors.
        """
        check_wish(wish)
        if wish == "current":
            return Pin(code={}, summary="code not pinned, as requested: each run executes its worker's code")
        for _ in range(TRIES):
            code = project_code(self._project)
            if isinstance(code, Absent):
                return _unpinned(code.reason)
            try:
                self._put(code)
                return self._pinned(code)
            except (SourceChanged, UsageError) as error:       # a file was changed meanwhile
                reason = one_line(error)
        return _unpinned(reason)

    def _put(self, code: ProjectCode) -> None:
        now = monotonic()
        for snapshot in (code.snapshot, code.changes):
            if self._store is None or snapshot is None:
                continue
            if now - self._put_at.get(snapshot.digest, -KNOWN_S) >= KNOWN_S:
                self._store.put_snapshot(snapshot, code.read)
                self._put_at[snapshot.digest] = now

    def _pinned(self, code: ProjectCode) -> Pin:
        git = _git(self._project)
        given = code.section() | ({} if git is None else {GIT: git})
        return Pin(code={key: value for key, value in given.items() if value not in (None, [], {})},
                   summary=f"code pinned: {code.summary}", project=self._project)


def pin_of(record: RunRecord) -> Pin:
    """The code of a past run. Raises `UsageError` if the store does not have it."""
    attempt = record.attempt
    ran = {} if attempt is None else attempt.provenance.get("source", {})
    pinned = record.code if SNAPSHOT in record.code else {}
    chosen = ran if isinstance(ran, dict) and SNAPSHOT in ran else pinned
    if SNAPSHOT not in chosen:
        why = ran.get("absent") if isinstance(ran, dict) else None
        because = f" ({why})" if why else ""
        raise UsageError(f"run {record.id}: its code was not kept{because}; use --code current")
    git = (attempt.provenance.get(GIT) if attempt is not None else None) or pinned.get(GIT)
    code = {key: value for key, value in chosen.items() if key not in (PINNED, "note", COMPONENTS)}
    return Pin(code=code | ({GIT: git} if git else {}), summary=f"code pinned: that of run {record.id}")


def check_wish(wish: str, known: tuple[str, ...] = get_args(CodeWish)) -> None:
    if wish not in known:
        raise UsageError(f"code: expected {' or '.join(known)}, got {wish!r}{did_you_mean(str(wish), known)}")


def _unpinned(reason: str) -> Pin:
    return Pin(code={"absent": reason},
               warning=f"the code is not pinned: {reason}; each run executes its worker's installed code")


def _components(project: Project, run: NewRun) -> Tree:
    """Fingerprints of the run's components; empty if the config is not complete yet."""
    if run.scenario is None or run.config is None:
        return {}
    section = components_section(project, run.scenario, run.config)
    return dict(section.data) if isinstance(section, Section) else {}


def _git(project: Project) -> Tree | None:
    """The git section of a run's provenance, captured now."""
    from hyperspace_core.capture.git import GitCapture

    for plugin in project.extensions.builtins:
        if isinstance(plugin, GitCapture):
            answer = plugin.hyperspace_capture()
            return answer.data if isinstance(answer, Section) else {"absent": answer.reason}
    return None
