"""Stored runs, and the records that stores and workers exchange about them.

Times are aware UTC and for display only. Trees are JSON-compatible (see `records.codec`).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import UsageError
from hyperspace_core.records.logged import Progress
from hyperspace_core.records.states import Command, Outcome, State

Goal = Literal["maximize", "minimize"]
LONGEST_REST_S = 1e9           # thirty years; keeps dates in the range of `datetime`


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The metric that ranks runs: a key of `single_run`'s result, and its goal."""

    name: str = "result"
    goal: Goal = "maximize"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """The process that holds a run; its pid counts within its boot and namespace."""

    worker: str                    # unique name of the worker, for display
    host: str
    user: str = ""
    boot_id: str = ""              # empty where the system has none: then no death is proved locally
    pid_namespace: str = ""
    pid: int = 0
    process_started: float = 0.0   # seconds on the system's clock; distinguishes a reused pid


@dataclass(frozen=True, kw_only=True)
class Late:
    """An outcome that a fenced owner reported too late; kept only as a note."""

    outcome: Outcome
    reason: str | None = None
    result: float | None = None
    metrics: Tree = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a run by one worker."""

    number: int                            # the fencing number: +1 at every claim, never reset
    outcome: Outcome | None = None         # None while it is in progress
    reason: str | None = None
    worker: Owner | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    traceback: str | None = None
    provenance: Tree = field(default_factory=dict)    # section name -> what was captured
    late: Late | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class RunRecord:
    """One execution of a task with one config, as it is stored."""

    id: int                                # small, unique in its store
    uid: str                               # made by the submitter; the same in every store
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
    metrics: Tree = field(default_factory=dict)       # everything that single_run returned
    info: Tree = field(default_factory=dict)          # notes that the user's code logged
    attempts: tuple[Attempt, ...] = ()
    losses: int = 0
    max_losses: int = 3
    failures: int = 0
    max_failures: int = 0
    command: Command | None = None         # pending request to its owner
    parent: int | None = None              # the run that this one repeats with changes
    search: str | None = None
    code: Tree = field(default_factory=dict)          # the code pinned at submission; see `records.code`
    migrated: tuple[str, ...] = ()         # migrations that have rewritten scenario and config, in order
    submitted_at: datetime | None = None
    started_at: datetime | None = None     # of the current attempt
    finished_at: datetime | None = None

    @property
    def effective_config(self) -> Tree:
        """The completed config; as submitted if it was never completed."""
        return self.submitted if self.config is None else self.config

    @property
    def finite_result(self) -> float | None:
        """The result of a completed run; None without one, and where it diverged (NaN, inf, -inf)."""
        found = self.result if self.state is State.COMPLETED else None
        return found if found is not None and math.isfinite(found) else None

    @property
    def attempt(self) -> Attempt | None:
        """The current or last attempt."""
        return self.attempts[-1] if self.attempts else None

    def __repr__(self) -> str:
        # short, because the provenance alone fills a screen
        outcome = f"{self.metric.name} {self.result!r}" if self.result is not None else self.reason
        return f"<run {self.id} of {self.task}: {self.state}{f', {outcome}' if outcome else ''}>"


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A run to submit; submitting the same `uid` again changes nothing."""

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
    code: Tree = field(default_factory=dict)   # `snapshot`: the code to execute; else why there is none


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to write to a run; its holder passes it with every write."""

    run: int
    attempt: int
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that was just claimed: its lease and its record."""

    lease: Lease
    record: RunRecord


@dataclass(frozen=True, kw_only=True)
class Held:
    """A running run as an observer sees it. `beat` only grows."""

    run: int
    attempt: int
    token: str = field(repr=False)
    beat: int
    owner: Owner


@dataclass(frozen=True, kw_only=True)
class BeatAnswer:
    """The answer to a heartbeat: whether the lease is valid, and a command."""

    held: bool                     # False: fenced; the run has another owner or none
    command: Command | None = None


@dataclass(frozen=True, kw_only=True)
class Update:
    """Changes to a running run from its owner; None leaves a field unchanged."""

    provenance: Tree | None = None
    info: Tree | None = None
    scenario: Tree | None = None           # completed by the worker where the submission was not validated
    config: Tree | None = None
    metric: Metric | None = None
    seed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Finish:
    """How an attempt ended, reported by its owner (T4, T5, T6, T10)."""

    outcome: Outcome
    reason: str | None = None
    result: float | None = None
    metrics: Tree = field(default_factory=dict)
    info: Tree | None = None
    traceback: str | None = None
    retry: bool = True             # False: a retry would fail again (a bad config)
    retry_after_s: float = 0.0     # back-off before a retry may be claimed

    def check(self) -> None:
        """Check the outcome. Raises `UsageError` for one that an owner cannot report."""
        if self.outcome in (Outcome.RELEASED, Outcome.LOST):
            raise UsageError(f"finish: an owner cannot end its attempt as {self.outcome}; to give the run "
                             "back, release it")

    def not_before(self, now: datetime) -> datetime | None:
        """When a retry may be claimed; None where it may be claimed at once."""
        if not self.retry_after_s > 0:
            return None
        return now + timedelta(seconds=min(self.retry_after_s, LONGEST_REST_S))


@dataclass(frozen=True, kw_only=True)
class OutputChunk:
    """A piece of a run's output, stdout and stderr together; at most 64 KiB."""

    seq: int
    text: str
    at: float


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A stored file: the user's label and the digest of the content."""

    run: int
    attempt: int
    name: str
    digest: str                    # SHA-256 of the content, hexadecimal
    size: int                      # bytes


@dataclass(frozen=True, kw_only=True)
class WorkerInfo:
    """A worker's description of itself; updated with its heartbeat."""

    owner: Owner
    project: str
    tasks: tuple[str, ...] = ()
    state: str = "idle"            # "idle", "busy", "draining", "uncertain"
    slots: int = 1
    running: tuple[int, ...] = ()  # ids of runs
    refused: tuple[int, ...] = ()  # ids of runs that it released because its code is older
    started_at: datetime | None = None
    seen_at: datetime | None = None        # the store's wall clock, for display
    beat: int = 0


# -- Migrations: named changes that adapt the configs of runs; each can be undone --

@dataclass(frozen=True, kw_only=True)
class Migration:
    """A named list of steps, with author, time and number of rewritten runs."""

    name: str
    project: str
    steps: tuple[Tree, ...]            # see `config.migration`
    author: str = ""                   # user@host
    at: datetime | None = None         # when it was first applied
    runs: int = 0                      # number of rewritten runs; 0 after it was undone
    undone_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Rewrite:
    """One run's scenario and config before and after a migration."""

    run: int
    old_scenario: Tree | None
    old_config: Tree | None
    scenario: Tree | None
    config: Tree | None


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A run's scenario and config from before a migration."""

    migration: str
    scenario: Tree | None
    config: Tree | None


# -- Snapshots of source code, so that a run can be executed again --

SNAPSHOT = "snapshot"          # key in a run's `code` and provenance: the snapshot of the imported code
CHANGES = "changes"            # likewise: the snapshot of uncommitted changes, a patch and untracked files


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file of a snapshot."""

    path: str                  # "digits_study/components.py": relative to a folder on `sys.path`
    digest: str                # SHA-256 of the content, hexadecimal
    size: int                  # bytes


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A set of files with unique paths."""

    files: tuple[SourceFile, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all paths and contents in any order, hexadecimal."""
        hasher = hashlib.sha256()
        for file in sorted(self.files, key=lambda one: one.path):
            name = file.path.encode("utf-8", "surrogateescape")
            hasher.update(b"%d:%s%s" % (len(name), name, file.digest.encode()))
        return hasher.hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all contents."""
        return sum(file.size for file in self.files)


def named_snapshots(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Digests of the snapshots in a run's `code` or in a section of its provenance."""
    return tuple(digest for key in (SNAPSHOT, CHANGES) if isinstance(digest := section.get(key), str))
