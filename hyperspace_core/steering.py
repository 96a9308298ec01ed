"""`study.queue`: what a person does to a project's queue and to single runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperspace_core.records.states import State

if TYPE_CHECKING:
    from hyperspace_core.study import Study


class QueueControl:
    """`study.queue`: steer the project's queue and single runs.

    What is done to a run gives back its state then. Raises `NotFound`, `Refused` where its state does not
    allow it.
    """

    def __init__(self, study: Study) -> None:
        self._study = study

    def pause_all(self) -> None:
        """Nothing is claimed any more, also of what is submitted later; running runs go on."""
        self._study.store.change_settings(self._study.name, paused=True)

    def resume_all(self) -> None:
        """Claiming goes on; runs that were paused one by one stay paused."""
        self._study.store.change_settings(self._study.name, paused=False)

    def cancel(self, run: int) -> State:
        """CANCELLED at once; a running run is asked to end, and stays RUNNING until it has."""
        return self._study.store.cancel(self._study.get(run).id)

    def pause(self, run: int) -> State:
        """Not to be claimed until it is resumed; a running run is given back first."""
        return self._study.store.pause(self._study.get(run).id)

    def resume(self, run: int) -> State:
        """Back into the queue."""
        return self._study.store.resume(self._study.get(run).id)

    def requeue(self, run: int) -> State:
        """A finished run once more; what it did before is kept with its earlier attempts."""
        return self._study.store.requeue(self._study.get(run).id)
