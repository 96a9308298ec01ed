"""A run as it is stored, and the pieces that stores and workers exchange about it.

Times are aware UTC and for display only. Trees are JSON-able (see `records.codec`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import UsageError
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.states import Command, Outcome, State

Goal = Literal["maximize", "minimize"]
LONGEST_REST_S = 1e9           # thirty years; a wall clock ends somewhere


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The number that decides a task: a key of what `single_run` returns, and which way is better."""

    name: str = "result"
    goal: Goal = "maximize"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Which process holds a run. A dead pid proves death only where boot and pid namespace are one's own."""

    worker: str                    # unique name of the worker, for display
    host: str
    user: str = ""
    boot_id: str = ""              # empty where the system has none: then nothing is ever proved dead locally
    pid_namespace: str = ""
    pid: int = 0
    process_started: float = 0.0   # seconds, as the system counts; tells a reused pid from the old one


@dataclass(frozen=True, kw_only=True)
class Late:
    """What an owner that had been fenced off brought afterwards: evidence, never the outcome."""

    outcome: Outcome
    reason: str | None = None
    result: float | None = None
    metrics: Tree = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a run by one worker."""

    number: int                            # the fencing number: +1 at every claim, never reset
    outcome: Outcome | None = None         # None while it goes on
    reason: str | None = None
    worker: Owner | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    traceback: str | None = None
    provenance: Tree = field(default_factory=dict)    # section name -> what was captured
    late: Late | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class RunRecord:
    """One execution of a task with one config, with all that is known of it."""

    id: int                                # small, per store: people type it
    uid: str                               # made by the submitter: the same run in every store
    project: str
    task: str
    state: State
    reason: str | None = None              # why it is in this state: "pruned", "worker lost 3 times"
    priority: int = 0                      # higher goes first
    tags: tuple[str, ...] = ()
    note: str = ""
    submitted: Tree = field(default_factory=dict)     # what the user wrote
    submitted_by: str = ""                 # user@host
    scenario: Tree | None = None           # completed scenario of the task; None until a worker fills it in
    config: Tree | None = None             # completed hyper-parameters; None until a worker fills them in
    metric: Metric = Metric()
    seed: int | None = None                # None until a worker fills it in
    validated: bool = True                 # False: submitted where the project is not installed
    progress: Progress | None = None
    result: float | None = None            # the value of the task's metric
    metrics: Tree = field(default_factory=dict)       # all that single_run returned
    info: Tree = field(default_factory=dict)          # what the user noted while it ran
    attempts: tuple[Attempt, ...] = ()
    losses: int = 0
    max_losses: int = 3
    failures: int = 0
    max_failures: int = 0
    command: Command | None = None         # what its owner has been asked to do
    parent: int | None = None              # the run that this one repeats with changes
    search: str | None = None
    code: Tree = field(default_factory=dict)          # what was pinned at submission; see `records.code`
    migrated: tuple[str, ...] = ()         # migrations that have rewritten scenario and config, in order
    submitted_at: datetime | None = None
    started_at: datetime | None = None     # of the current attempt
    finished_at: datetime | None = None

    @property
    def attempt(self) -> Attempt | None:
        """The current or last attempt."""
        return self.attempts[-1] if self.attempts else None

    def __repr__(self) -> str:
        # at a prompt: its provenance alone fills a screen
        outcome = f"{self.metric.name} {self.result!r}" if self.result is not None else self.reason
        return f"<run {self.id} of {self.task}: {self.state}{f', {outcome}' if outcome else ''}>"


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """What a submitter hands to the store; a repeat with the same `uid` changes nothing."""

    uid: str
    project: str
    task: str
    submitted: Tree
    submitted_by: str = ""
    scenario: Tree | None = None
    config: Tree | None = None
    metric: Metric = Metric()
    seed: int | None = None
    validated: bool = True
    priority: int = 0
    tags: tuple[str, ...] = ()
    note: str = ""
    max_losses: int = 3
    max_failures: int = 0
    parent: int | None = None
    search: str | None = None
    code: Tree = field(default_factory=dict)   # `snapshot`: the code to execute it on; else why there is none


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to write to a run: whoever holds it names it in every write."""

    run: int
    attempt: int
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that has just been taken: the right to write to it, and what it says."""

    lease: Lease
    record: RunRecord


@dataclass(frozen=True, kw_only=True)
class Held:
    """What an observer sees of a running run. `beat` only ever grows."""

    run: int
    attempt: int
    token: str = field(repr=False)
    beat: int
    owner: Owner


@dataclass(frozen=True, kw_only=True)
class BeatAnswer:
    """The store's answer to a beat: the owner's standing, and what it is asked to do."""

    held: bool                     # False: fenced; the run is somebody else's or nobody's
    command: Command | None = None


@dataclass(frozen=True, kw_only=True)
class Update:
    """What an owner learns about its run while it goes on; None leaves a field as it is."""

    provenance: Tree | None = None
    info: Tree | None = None
    scenario: Tree | None = None           # filled in by the worker where the submission could not
    config: Tree | None = None
    metric: Metric | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How an attempt ended, as its owner tells it (T4, T5, T6, T10)."""

    outcome: Outcome
    reason: str | None = None
    result: float | None = None
    metrics: Tree = field(default_factory=dict)
    info: Tree | None = None
    traceback: str | None = None
    retry: bool = True             # False: a failure that another try cannot mend (a bad config)
    retry_after_s: float = 0.0     # back-off before a retry may be claimed

    def check(self) -> None:
        """Raises `UsageError` for an outcome as which no owner ends its attempt."""
        if self.outcome in (Outcome.RELEASED, Outcome.LOST):
            raise UsageError(f"finish: an owner cannot end its attempt as {self.outcome}; to give the run "
                             "back, release it")

    def not_before(self, now: datetime) -> datetime | None:
        """When a retry may be claimed; None where it need not rest."""
        if not self.retry_after_s > 0:
            return None
        return now + timedelta(seconds=min(self.retry_after_s, LONGEST_REST_S))


@dataclass(frozen=True, kw_only=True)
class OutputChunk:
    """A piece of what a run printed, stdout and stderr in the order they came; at most 64 KiB of text."""

    seq: int
    text: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A stored file: a label that the user chose, and the content it names."""

    run: int
    attempt: int
    name: str
    digest: str                    # SHA-256 of the content, hexadecimal
    size: int                      # bytes


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """A worker as it presents itself; renewed with its beat."""

    owner: Owner
    project: str
    tasks: tuple[str, ...] = ()
    state: str = "idle"            # "idle", "busy", "draining", "uncertain"
    slots: int = 1
    running: tuple[int, ...] = ()  # ids of runs
    refused: tuple[int, ...] = ()  # ids of runs that it gave back because its code is older
    started_at: datetime | None = None
    seen_at: datetime | None = None        # the store's wall clock, for display
    beat: int = 0
