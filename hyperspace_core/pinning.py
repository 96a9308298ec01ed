"""The code that a submission pins: what a queued run will execute, wherever and whenever it is executed."""

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
TRIES = 3                      # a file that is being edited while the snapshot is stored
KNOWN_S = 600.0                # a store keeps what no run names for an hour, so this is safe


@dataclass(frozen=True, kw_only=True)
class Pin:
    """What is said of a run's code with its submission."""

    code: Tree
    summary: str = ""              # what a person is told, on one line
    warning: str = ""              # why it is not pinned, where that was wished
    project: Project | None = None         # whose code it is as it stands now, where it is

    def on(self, run: NewRun) -> NewRun:
        """The run on this code, with the fingerprints of its components: they are known before it begins."""
        made_of = {} if self.project is None else _components(self.project, run)
        return replace(run, code={**self.code, COMPONENTS: made_of} if made_of else self.code)


class Pinner:
    """Pins one project's code in one store; what has just been stored is not stored again.

    Without a store it says what it would pin.
    """

    def __init__(self, project: Project, store: Store | None) -> None:
        self._project, self._store = project, store
        self._put_at: dict[str, float] = {}

    def pin(self, wish: str = "pinned") -> Pin:
        """The project's code as it stands on disk, stored, for runs that are about to be submitted.

        Where that cannot be, the pin says why, and runs will execute what their worker has. Raises
        `UsageError` for a wish that is none, and what the store raises.
        """
        check_wish(wish)
        if wish == "current":
            return Pin(code={}, summary="code not pinned, as asked: each run executes what its worker has")
        for _ in range(TRIES):
            code = project_code(self._project)
            if isinstance(code, Absent):
                return _unpinned(code.reason)
            try:
                self._put(code)
                return self._pinned(code)
            except (SourceChanged, UsageError) as error:       # edited at this very moment
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
        told = code.section() | ({} if git is None else {GIT: git})
        return Pin(code={key: value for key, value in told.items() if value not in (None, [], {})},
                   summary=f"code pinned: {code.summary}", project=self._project)


def pin_of(record: RunRecord) -> Pin:
    """The code that a past run was executed on. Raises `UsageError` where the store does not have it."""
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
               warning=f"the code is not pinned: {reason}; each run executes what its worker has installed")


def _components(project: Project, run: NewRun) -> Tree:
    """What the run would be made of; nothing where that cannot be told before it is completed."""
    if run.scenario is None or run.config is None:
        return {}
    section = components_section(project, run.scenario, run.config)
    return dict(section.data) if isinstance(section, Section) else {}


def _git(project: Project) -> Tree | None:
    """What git says at this moment, as a run's section has it."""
    from hyperspace_core.capture.git import GitCapture

    for plugin in project.extensions.builtins:
        if isinstance(plugin, GitCapture):
            answer = plugin.hyperspace_capture()
            return answer.data if isinstance(answer, Section) else {"absent": answer.reason}
    return None
