"""`study.queue`: control a project's queue and single runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.records.states import State

if TYPE_CHECKING:
    from hyperspace_core.study import Study


class QueueControl:
    """`study.queue`: control the project's queue and single runs.

    Verbs on one run return its new state. They raise `NotFound`, and `Refused` if its state does not allow
    it.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def pause_all(self) -> None:
        """Stop claiming, also of runs submitted later; running runs continue."""
        self._study.store.change_settings(self._study.name, paused=True)

    def resume_all(self) -> None:
        """Start claiming again; runs that were paused one by one stay paused."""
        self._study.store.change_settings(self._study.name, paused=False)

    def cancel(self, run: int) -> State:
        """Cancel a run; a running run stays RUNNING until its process has ended."""
        return self._study.store.cancel(self._study.get(run).id)

    def pause(self, run: int) -> State:
        """Exclude a run from claiming until resumed; a running run is released."""
        return self._study.store.pause(self._study.get(run).id)

    def resume(self, run: int) -> State:
        """Put a paused run back into the queue."""
        return self._study.store.resume(self._study.get(run).id)

    def requeue(self, run: int) -> State:
        """Queue a finished run again; its earlier attempts are kept."""
        return self._study.store.requeue(self._study.get(run).id)
