"""Work for other processes on a store: functions imported by name.

Each is called as `work(store, report, *arguments)`; its return value is the process's answer.
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from multiprocessing.synchronize import Semaphore
from pathlib import Path

from hyperspace_core.records.logged import Point
from hyperspace_core.records.migration import Migration, Rewrite
from hyperspace_core.records.run import Finish, RunRecord
from hyperspace_core.records.source import Snapshot, SourceFile
from hyperspace_core.records.states import Outcome
from hyperspace_core.storage import Store, new_token
from hyperspace_core.testing.stores.crowd import Report
from hyperspace_core.testing.stores.desk import PATIENCE_S, PROJECT, Desk, new_run

BATCH = 20


def claim_all(store: Store, report: Report, worker: str) -> list[tuple[int, int]]:
    """Claim until the queue is empty; the runs and attempts."""
    desk = Desk(store)
    taken = []
    while (claim := desk.claim(worker=worker)) is not None:
        taken.append((claim.lease.run, claim.lease.attempt))
    return taken


def work_all(store: Store, report: Report, worker: str) -> None:
    """Claim, log and finish until the queue is empty; report each claim and each end once it is stored."""
    desk = Desk(store)
    while (claim := desk.claim(worker=worker)) is not None:
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
    ids = [store.restore([record])[0] for record in records[:half]] + store.restore(records[half:])
    return {record.uid: run for record, run in zip(records, ids, strict=True)}


def restore_batches(store: Store, report: Report, name: str, record: RunRecord) -> None:
    """Restore batches of copies of this record, each as its own search, until killed."""
    for number in range(1_000_000):
        store.restore([replace(record, uid=new_token(), search=f"{name}-{number}") for _ in range(BATCH)])
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
    return sum(store.collect_garbage(dry_run=False).blobs for _ in range(times))


def put_snapshots(store: Store, report: Report, code: dict[str, bytes], times: int) -> None:
    """Store the same snapshot repeatedly, collecting garbage in between."""
    files = tuple(SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))
                  for path, content in code.items())
    for _ in range(times):
        store.put_snapshot(Snapshot(files=files), code.__getitem__)
        store.collect_garbage(dry_run=False)


def migrate_all(store: Store, report: Report, migration: Migration, rewrites: list[Rewrite]) -> list[int]:
    """Migrate one run in each step; the ids of those rewritten here."""
    return [run for change in rewrites for run in store.migrate(migration, [change])]


def claim_or_cancel(store: Store, report: Report, worker: str, runs: list[int]) -> list[tuple[int, int]]:
    """Cancel some runs; a worker claims instead."""
    for run in runs:
        store.cancel(run)
    return claim_all(store, report, worker) if worker else []


def propose_all(store: Store, report: Report, search: int, name: str, until: int) -> list[int]:
    """Propose until the search has proposed this many; the runs proposed by this process."""
    mine = []
    while (found := store.get_search(search)).proposed < until:
        number = found.proposed
        run = store.propose(search, number, new_run(
            uid=found.run_uid(number), search=found.uid, note=name, config={"by": name}, seed=number))
        if run is not None:
            mine.append(run)
            report(run)
    return mine
