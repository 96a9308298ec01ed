"""The part of a worker in searches: it proposes runs, and answers the pruners of its runs."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_core.plugin import WorkerContext
    from hyperspace_core.records import Owner, RunRecord, WorkerInfo
    from hyperspace_tuning.proposals import Proposals
    from hyperspace_tuning.proposer_client import ProposerClient
    from hyperspace_tuning.search_curves import Curves, SearchCurves

PATIENCE_S = 2.0               # how long an idle slot waits for a proposal that is being made


# the part of each worker of this process; a plugin is a module, so its state is here
_WORKERS: dict[Owner, WorkerSearches] = {}
_LOCK = threading.Lock()


def part_of(worker: WorkerContext) -> WorkerSearches:
    """The part of a worker in searches, made at its first use."""
    with _LOCK:
        known = _WORKERS.get(worker.owner) or WorkerSearches(worker)
        _WORKERS[worker.owner] = known
        return known


def follow(worker: WorkerInfo, state: str) -> None:
    """End the proposer of a worker that claims nothing more, and forget one that has stopped."""
    if state in ("draining", "stopped") and worker.owner in _WORKERS:
        _WORKERS[worker.owner].close()
    if state == "stopped":
        _WORKERS.pop(worker.owner, None)


class WorkerSearches:
    """The part of one worker in all searches of its project."""

    def __init__(self, worker: WorkerContext) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._closed = False
        self._round: _Round | None = None
        self._proposals: Proposals | None = None
        self._curves: Curves | None = None
        self._attempts: OrderedDict[tuple[int, int], SearchCurves] = OrderedDict()

    def propose(self, tasks: Collection[str], *, queued: bool) -> None:
        """Start a proposal where none is being made; wait for it, but not long.

        Raises `StoreError`."""
        until = time.monotonic() + PATIENCE_S
        while (made := self._joined(tasks, queued)) is not None:
            if not made.over.wait(max(0.0, until - time.monotonic())):
                return
            if made.error is not None:
                raise made.error
            if made.proposed or made.queued == queued:
                return

    def _joined(self, tasks: Collection[str], queued: bool) -> _Round | None:
        """The proposal that is being made, else a new one; None where the queue need not wait."""
        with self._lock:
            made = self._round
            if made is None or made.over.is_set():
                if self._closed:
                    return None
                self._proposals = self._proposals or _proposals(self._worker)
                made = self._round = _Round(self._worker, self._proposals, tasks, queued=queued)
                made.start()
            elif queued:
                return None
            return made

    def pruner(self, record: RunRecord) -> Any:
        """The pruner of the run's search; None without one or where reading it fails."""
        from hyperspace_core.errors import StoreError

        try:
            return self._known().pruner_of(record)
        except StoreError as error:
            self._worker.tell(f"run {record.id} is not pruned, its search cannot be read: {error}",
                              logging.WARNING)
            return None

    def curves(self, record: RunRecord, series: str) -> Any:
        """The news of the other runs' curves, as plain values."""
        import msgspec

        return msgspec.to_builtins(self._of(record).answer(series))

    def close(self) -> None:
        """End the proposer; idempotent."""
        with self._lock:
            self._closed = True
        if self._proposals is not None:
            self._proposals.close()

    def _known(self) -> Curves:
        from hyperspace_tuning.search_curves import Curves

        with self._lock:
            self._curves = self._curves or Curves(self._worker.store, self._worker.project)
            return self._curves

    def _of(self, record: RunRecord) -> SearchCurves:
        """The state of an attempt; without it, everything is sent again."""
        from hyperspace_tuning.search_curves import SearchCurves

        key = record.id, 0 if record.attempt is None else record.attempt.number
        curves = self._known()
        with self._lock:
            if key not in self._attempts:
                self._attempts[key] = SearchCurves(curves, self._worker.store, record, self._worker.clock)
            self._attempts.move_to_end(key)
            while len(self._attempts) > self._worker.options.slots:
                self._attempts.popitem(last=False)
            return self._attempts[key]


class _Round(threading.Thread):
    """One proposal. A tuner may think for longer than a slot waits."""

    def __init__(self, worker: WorkerContext, proposals: Proposals, tasks: Collection[str], *,
                 queued: bool) -> None:
        super().__init__(name=f"{worker.owner.worker}-proposal", daemon=True)
        self.over = threading.Event()
        self.proposed = False
        self.error: BaseException | None = None
        self.queued = queued
        self._worker, self._proposals, self._tasks = worker, proposals, tasks

    def run(self) -> None:
        try:
            with self._worker.preparing():
                ask = self._proposals.before_queue if self.queued else self._proposals.after_queue
                self.proposed = ask(self._tasks)
                if self.proposed:
                    self._worker.wake()
        except BaseException as error:     # noqa: BLE001 - raised again where the slot waits
            self.error = error
        finally:
            self.over.set()


def _proposals(worker: WorkerContext) -> Proposals:
    from hyperspace_tuning.proposals import Proposals

    return Proposals(worker.store, worker.project, _client(worker), clock=worker.clock, tell=worker.tell,
                     over=worker.stopping)


def _client(worker: WorkerContext) -> ProposerClient:
    from hyperspace_tuning.proposer_client import ChildProposer, InlineProposer
    from hyperspace_tuning.proposer_protocol import OpenProject
    from hyperspace_tuning.proposer_server import ProposerServer

    if worker.opened is not None:
        return InlineProposer(ProposerServer(worker.opened))
    options = worker.options
    tasks_dir = None if options.tasks_dir is None else str(options.tasks_dir.absolute())
    code = None if options.base is None else str(options.base)
    return ChildProposer(OpenProject(worker.project, tasks_dir, options.no_plugins, code), options.python)
