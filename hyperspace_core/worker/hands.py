"""The runners of a slot: child processes, or (`inline`) this process."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from hyperspace_core.errors import ProjectError
from hyperspace_core.execution.job import job_of
from hyperspace_core.execution.supervise import Guardian
from hyperspace_core.searches.asking import Asker, ChildAsker
from hyperspace_core.searches.wire import Open
from hyperspace_core.worker.codebase import Codebase
from hyperspace_core.worker.conversation import Conversation
from hyperspace_core.worker.endings import Conducted
from hyperspace_core.worker.shift import Shift
from hyperspace_core.worker.ward import Ward


class Hands(Protocol):
    """Executes one run at a time."""

    pinned_only: bool              # the project is broken: claim only runs with pinned code

    def tasks(self) -> frozenset[str]:
        """The tasks of the project on disk now. Raises `ProjectError`."""
        ...

    def conduct(self, ward: Ward, workdir: Path) -> Conducted:
        """Execute a run until it has ended or was stopped. Raises `ProjectError`."""
        ...

    def asker(self) -> Asker:
        """A new client that proposes runs for the project's searches."""
        ...

    def close(self) -> None: ...


class ChildHands:
    """Executes each run in its own process, under one fork server."""

    def __init__(self, shift: Shift, *, first: bool) -> None:
        self._shift = shift
        self._note_to_tell = first         # one slot reports it for all
        self._renewals = 0
        self._known: frozenset[str] | None = None      # the tasks when it was last opened
        self.pinned_only = False
        self._codebase = Codebase(shift, self._new_guardian)

    def tasks(self) -> frozenset[str]:
        self._codebase.end_idle()
        try:
            view = self._codebase.current.view()
        except ProjectError as error:
            if self._known is None or self._shift.options.code != "pinned":
                raise
            if not self.pinned_only:
                self._shift.tell(f"only runs with pinned code are claimed for now: {error}", logging.ERROR)
            self.pinned_only = True
            return self._known
        self.pinned_only = False
        if view.note is not None and self._note_to_tell:
            self._note_to_tell = False
            self._shift.tell(view.note, logging.WARNING)
        if view.renewals > self._renewals:
            self._renewals = view.renewals
            self._shift.refused.clear()    # the new code may fit runs that the old one did not
        self._known = frozenset(view.tasks)
        return self._known

    def conduct(self, ward: Ward, workdir: Path) -> Conducted:
        options = self._shift.options
        guardian, base = self._codebase.choose(ward.record)
        job = job_of(ward.claim, tasks_dir=options.tasks_dir, no_plugins=options.no_plugins, workdir=workdir,
                     base=base, pruner=self._shift.pruner_of(ward.record))
        child = guardian.start(job)
        return Conversation(child, ward, self._shift, self._shift.peering(ward.record)).follow()

    def asker(self) -> Asker:
        options = self._shift.options
        tasks_dir = None if options.tasks_dir is None else str(Path(options.tasks_dir).absolute())
        code = None if options.base is None else str(options.base)
        return ChildAsker(Open(self._shift.project, tasks_dir, options.no_plugins, code), options.python)

    def close(self) -> None:
        self._codebase.close()

    def _new_guardian(self, code: Path | None) -> Guardian:
        options = self._shift.options
        return Guardian(
            self._shift.project, isolation="spawn" if options.isolation == "spawn" else "warm", code=code,
            python=options.python,
            tasks_dir=options.tasks_dir, no_plugins=options.no_plugins, grace_s=min(10.0, options.grace_s))
