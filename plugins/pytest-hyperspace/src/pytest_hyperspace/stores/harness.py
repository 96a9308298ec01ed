"""Bring runs into any state, and work on a store from several processes.

Worker processes import this module, so it imports neither pytest nor Hypothesis.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier, Semaphore
from pathlib import Path
from typing import Any

from hyperspace_core.records import (
    Attempt,
    Claim,
    Command,
    Finish,
    Held,
    Lease,
    Migration,
    NewRun,
    Outcome,
    Owner,
    Point,
    Rewrite,
    RunFilter,
    RunRecord,
    Snapshot,
    SourceFile,
    State,
)
from hyperspace_core.storage import Maintenance, Migrations, Searches, Sources, Store, new_token

PROJECT = "conformance"
PATIENCE_S = 60.0
UNKNOWN_ID = 4711                          # an id that does not exist

COMPLETED = Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5})
FAILED = Finish(outcome=Outcome.FAILED, reason="ValueError: no", traceback="Traceback: no")
CANCELLED = Finish(outcome=Outcome.CANCELLED, reason="cancelled")
COMMANDS = (None, Command.PAUSE, Command.CANCEL)       # the commands that a running run may have


def owner(worker: str = "first") -> Owner:
    """A process that holds runs; it need not exist."""
    return Owner(worker=worker, host="host", user="user", boot_id="boot", pid_namespace="4026531836",
                 pid=17, process_started=1234.5)


def new_run(**fields: Any) -> NewRun:
    return NewRun(**{"uid": new_token(), "project": PROJECT, "task": "task", "submitted": {}} | fields)


def forged(run: int, attempt: int = 1) -> Lease:
    """A lease that no store has given out."""
    return Lease(run=run, attempt=attempt, token=new_token())


def until(met: Callable[[], Any], what: str) -> Any:
    """Poll until the condition is met."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while time.monotonic() < end:
        found = met()
        if found:
            return found
        pause.wait(0.01)
    raise AssertionError(f"waited {PATIENCE_S:g} s for: {what}")


class Harness:
    """One store and one project."""

    def __init__(self, store: Store, project: str = PROJECT) -> None:
        self.store = store
        self.project = project

    @property
    def sources(self) -> Sources:
        return Sources.of(self.store)

    @property
    def searches(self) -> Searches:
        return Searches.of(self.store)

    @property
    def migrations(self) -> Migrations:
        return Migrations.of(self.store)

    @property
    def maintenance(self) -> Maintenance:
        return Maintenance.of(self.store)

    # -- runs ------------------------------------------------------------------------------------------------

    def submit(self, **fields: Any) -> int:
        """Queue one run."""
        return self.submit_many(1, **fields)[0]

    def submit_many(self, count: int, **fields: Any) -> list[int]:
        return self.store.submit([new_run(**{"project": self.project} | fields) for _ in range(count)])

    def claim(self, run: int | None = None, worker: str = "first") -> Claim | None:
        """Claim this run, or any run."""
        only = None if run is None else [run]
        return self.store.claim(self.project, owner(worker), new_token(), only=only)

    def take(self, run: int | None = None, worker: str = "first") -> Claim:
        """Claim a run that is known to be queued."""
        claim = self.claim(run, worker)
        assert claim is not None, f"run {run} cannot be claimed"
        return claim

    def start(self, **fields: Any) -> Lease:
        """Submit a run and claim it."""
        return self.take(self.submit(**fields)).lease

    def ask(self, run: int, command: Command | None) -> None:
        """Send a command to a running run, or none."""
        if command is not None:
            verb = self.store.pause if command is Command.PAUSE else self.store.cancel
            assert verb(run) is State.RUNNING, f"run {run} does not accept the command {command}"

    def lose(self, run: int, reason: str = "gone") -> State:
        """Reap a running run, as if its worker were dead."""
        state = self.store.reap(self.held(run), reason)
        assert state is not None, f"run {run} was not reaped"
        return state

    def zombie(self, **fields: Any) -> Lease:
        """The lease of an owner whose run was reaped and is queued again."""
        lease = self.start(**fields)
        self.lose(lease.run)
        return lease

    def bring(self, run: int, state: State) -> Lease | None:
        """Bring a queued run into a state; the lease of its current or last owner, if any."""
        if state is State.QUEUED:
            return None
        if state in (State.PAUSED, State.CANCELLED):
            (self.store.pause if state is State.PAUSED else self.store.cancel)(run)
            return None
        lease = self.take(run, "second").lease
        if state is not State.RUNNING:
            assert self.store.finish(lease, COMPLETED if state is State.COMPLETED else FAILED)
        return lease

    def in_state(self, state: State, **fields: Any) -> int:
        """A new run in a state."""
        run = self.submit(**fields)
        self.bring(run, state)
        return run

    # -- reading ---------------------------------------------------------------------------------------------

    def get(self, run: int) -> RunRecord:
        return self.store.get(run)

    def state(self, run: int) -> State:
        return self.store.get(run).state

    def last(self, run: int) -> Attempt:
        attempt = self.store.get(run).attempt
        assert attempt is not None, f"run {run} has no attempt"
        return attempt

    def held(self, run: int) -> Held:
        return next(held for held in self.store.held(self.project) if held.run == run)

    def beat(self, run: int) -> int:
        return self.held(run).beat

    def ids(self, **fields: Any) -> list[int]:
        """The ids of the runs that match, oldest first."""
        wanted = RunFilter(**{"project": self.project} | fields)
        return sorted(record.id for record in self.store.find(wanted))

    def assert_undamaged(self) -> None:
        """Assert that the store finds no damage in itself, if it can check that."""
        assert not isinstance(self.store, Maintenance) or self.store.check() == ()

    def picture(self, *runs: int) -> str:
        """The whole content of some runs as text, so that NaN equals NaN."""
        return "\n".join(repr(self.store.get(run)) for run in runs)


# -- Processes that open one store, begin together and answer over pipes ----

Report = Callable[[Any], None]
Work = Callable[..., Any]              # (store, report, *arguments) -> answer


class Member:
    """One process of a group and its reports."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.reports: list[Any] = []
        self.answer: Any = None
        self.over = False

    def hear(self) -> None:
        """Read one pending message. Raises `AssertionError` with the traceback if the process failed."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            self.over = True               # the process was killed
            return
        if kind == "failed":
            raise AssertionError(f"in another process:\n{content}")
        if kind == "answer":
            self.answer, self.over = content, True
        else:
            self.reports.append(content)

    def kill(self) -> None:
        """SIGKILL: no handler runs, no transaction is ended."""
        self.process.kill()
        self.process.join(PATIENCE_S)
        while not self.over:
            self.hear()


class ProcessGroup:
    """`work(store, report, *arguments)` in one process for each of `arguments`."""

    def __init__(self, opener: Callable[[str], Store], url: str, work: Work,
                 arguments: Sequence[tuple[Any, ...]]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._start = spawn.Barrier(len(arguments))    # kept: the barrier is freed with its last reference
        self.members: list[Member] = []
        for each in arguments:
            here, there = spawn.Pipe()
            process = spawn.Process(target=_attend, args=((opener, url), (work, each), self._start, there),
                                    daemon=True)
            process.start()
            there.close()
            self.members.append(Member(process, here))

    def hear(self) -> list[Member]:
        """Wait for messages; the members that sent some."""
        open_ones = {member.pipe: member for member in self.members if not member.over}
        ready = connection.wait(list(open_ones), PATIENCE_S)
        assert ready or not open_ones, f"{len(open_ones)} processes have sent nothing for {PATIENCE_S:g} s"
        heard = [open_ones[pipe] for pipe in ready if isinstance(pipe, Connection)]
        for member in heard:
            member.hear()
        return heard

    def answers(self) -> list[Any]:
        """Wait for the answers of all members; in order."""
        while not all(member.over for member in self.members):
            self.hear()
        for member in self.members:
            member.process.join(PATIENCE_S)
            assert member.process.exitcode == 0, f"a process ended with {member.process.exitcode}"
        return [member.answer for member in self.members]

    def end(self) -> None:
        """Kill the processes that still run."""
        for member in self.members:
            member.process.kill()
            member.process.join(PATIENCE_S)
            member.pipe.close()


def _attend(place: tuple[Callable[[str], Store], str], job: tuple[Work, tuple[Any, ...]], start: Barrier,
            pipe: Connection) -> None:
    (opener, url), (work, arguments) = place, job
    try:
        with opener(url) as store:
            start.wait(PATIENCE_S)
            answer = work(store, lambda content: pipe.send(("report", content)), *arguments)
        pipe.send(("answer", answer))
    except BaseException:      # noqa: BLE001 - reported to the test
        pipe.send(("failed", traceback.format_exc()))


# -- What other processes do: `work(store, report, *arguments) -> answer` ----

BATCH = 20


def claim_all(store: Store, report: Report, worker: str) -> list[tuple[int, int]]:
    """Claim until the queue is empty; the runs and attempts."""
    harness = Harness(store)
    taken = []
    while (claim := harness.claim(worker=worker)) is not None:
        taken.append((claim.lease.run, claim.lease.attempt))
    return taken


def work_all(store: Store, report: Report, worker: str) -> None:
    """Claim, log and finish until the queue is empty; report each claim and each end once it is stored."""
    harness = Harness(store)
    while (claim := harness.claim(worker=worker)) is not None:
        lease = claim.lease
        report(("claimed", lease.run, lease.attempt))
        store.append(lease.run, lease.attempt, points=[
            Point(seq=seq, name="loss", step=seq, value=float(seq), at=0.0) for seq in range(5)])
        store.beat(lease)
        assert store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=float(lease.attempt)))
        report(("finished", lease.run, lease.attempt))


def submit_these(store: Store, report: Report, uids: list[str]) -> dict[str, int]:
    """Submit half of the runs one by one and the others in one batch; the id of each."""
    half = len(uids) // 2
    ids = {uid: store.submit([new_run(uid=uid)])[0] for uid in uids[:half]}
    return ids | dict(zip(uids[half:], store.submit([new_run(uid=uid) for uid in uids[half:]]), strict=True))


def submit_batches(store: Store, report: Report, name: str) -> None:
    """Submit batch after batch, each as its own search, until killed."""
    for number in range(1_000_000):
        store.submit([new_run(search=f"{name}-{number}") for _ in range(BATCH)])
        report(number)


def restore_these(store: Store, report: Report, records: list[RunRecord]) -> dict[str, int]:
    """Restore half of the records one by one and the others in one batch; the id of each uid."""
    half = len(records) // 2
    restore = Maintenance.of(store).restore
    ids = [restore([record])[0] for record in records[:half]] + restore(records[half:])
    return {record.uid: run for record, run in zip(records, ids, strict=True)}


def restore_batches(store: Store, report: Report, name: str, record: RunRecord) -> None:
    """Restore batches of copies of this record, each as its own search, until killed."""
    for number in range(1_000_000):
        Maintenance.of(store).restore([
            replace(record, uid=new_token(), search=f"{name}-{number}") for _ in range(BATCH)])
        report(number)


def submit_on_request(store: Store, report: Report, go: Semaphore, times: int) -> None:
    """Submit a run on each request, and report the time when it was stored, by the shared clock."""
    for _ in range(times):
        assert go.acquire(timeout=PATIENCE_S)
        store.submit([new_run(project=PROJECT)])
        report(time.monotonic())


def put_files(store: Store, report: Report, run: int, folder: str) -> None:
    """Store files under a few labels repeatedly until killed; report each once it is stored."""
    path = Path(folder) / f"file of {run}"
    for number in range(1_000_000):
        path.write_text(f"content {number % 5}")
        report(store.put_artifact(run, 1, f"label {number % 7}", path))


def collect_often(store: Store, report: Report, times: int) -> int:
    """Collect garbage repeatedly; the number of removed contents."""
    return sum(Maintenance.of(store).collect_garbage(dry_run=False).blobs for _ in range(times))


def put_snapshots(store: Store, report: Report, code: dict[str, bytes], times: int) -> None:
    """Store the same snapshot repeatedly, collecting garbage in between."""
    files = tuple(SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))
                  for path, content in code.items())
    for _ in range(times):
        Sources.of(store).put_snapshot(Snapshot(files=files), code.__getitem__)
        if isinstance(store, Maintenance):
            store.collect_garbage(dry_run=False)


def migrate_all(store: Store, report: Report, migration: Migration, rewrites: list[Rewrite]) -> list[int]:
    """Migrate one run in each step; the ids of those rewritten here."""
    return [run for change in rewrites for run in Migrations.of(store).migrate(migration, [change])]


def claim_or_cancel(store: Store, report: Report, worker: str, runs: list[int]) -> list[tuple[int, int]]:
    """Cancel some runs; a worker claims instead."""
    for run in runs:
        store.cancel(run)
    return claim_all(store, report, worker) if worker else []


def propose_all(store: Store, report: Report, search: int, name: str, until: int) -> list[int]:
    """Propose until the search has proposed this many; the runs proposed by this process."""
    mine, searches = [], Searches.of(store)
    while (found := searches.get_search(search)).proposed < until:
        number = found.proposed
        run = searches.propose(search, number, new_run(
            uid=found.run_uid(number), search=found.uid, note=name, config={"by": name}, seed=number))
        if run is not None:
            mine.append(run)
            report(run)
    return mine
