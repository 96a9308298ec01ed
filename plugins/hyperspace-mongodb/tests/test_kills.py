"""Kill a process between any two commands of a verb: nothing is lost or half done.

Each verb is repeated in a process that is killed before its first, second, third, … command.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from guillotine import each_kill
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import (
    Lease,
    Migration,
    NewRun,
    OutputChunk,
    Rewrite,
    RunRecord,
    Snapshot,
    SourceFile,
)
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_mongodb import storing
from hyperspace_mongodb.store import open_store
from pytest_hyperspace.stores.harness import COMPLETED, PROJECT, Harness, new_run, owner

POINTS = [Point(seq=seq, name="loss", step=seq, value=float(seq), at=0.0) for seq in range(4)]
OUTPUT = [OutputChunk(seq=seq, text=f"line {seq}\n", at=0.0) for seq in range(2)]
CODE = b"print('hello')\n"


@pytest.fixture
def store(mongodb_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(storing, "PATIENCE_S", 0.1)        # with the rest of the killed processes
    with open_store(mongodb_url, PROJECT) as opened:
        Harness(opened).submit(note="makes the schema", project="elsewhere")
        yield opened


@pytest.fixture
def harness(store: Store) -> Harness:
    return Harness(store)


def sound(store: Store) -> None:
    assert store.check() == ()


# -- the killed work, imported by name in the other process --------------------------------------------------


def submit(store: Store, runs: list[NewRun], tokens: list[str]) -> None:
    store.submit(runs, owner=owner() if tokens else None, tokens=tokens)


def claim(store: Store, token: str) -> None:
    assert store.claim(PROJECT, owner(), token) is not None


def finish(store: Store, lease: Lease) -> None:
    assert store.finish(lease, COMPLETED)


def release(store: Store, lease: Lease) -> None:
    assert store.release(lease)


def reap(store: Store, run: int) -> None:
    (seen,) = [held for held in store.held(PROJECT) if held.run == run]
    store.reap(seen)


def append(store: Store, run: int) -> None:
    store.append(run, 1, points=POINTS, output=OUTPUT)


def put(store: Store, run: int, path: str) -> None:
    store.put_artifact(run, 1, "file", Path(path))


def delete(store: Store, runs: list[int]) -> None:
    store.delete(runs)


def restore(store: Store, records: list[RunRecord]) -> None:
    store.restore(records)


def collect(store: Store) -> None:
    store.collect_garbage(dry_run=False)


def keep_code(store: Store, snapshot: Snapshot) -> None:
    store.put_snapshot(snapshot, lambda path: CODE)


def rewrite(store: Store, name: str, runs: list[int]) -> None:
    store.migrate(Migration(name=name, project=PROJECT, steps=()), [rewriting(run) for run in runs])


def rewriting(run: int) -> Rewrite:
    return Rewrite(run=run, old_scenario=None, old_config={"a": 1}, scenario=None, config={"b": 1})


# -- checks after the kills ----------------------------------------------------------------------------------


@pytest.mark.parametrize("here", [False, True])
def test_a_killed_submitter_leaves_all_of_its_runs_or_none(harness: Harness, mongodb_url: str,
                                                           here: bool) -> None:
    def arguments() -> tuple[Any, ...]:
        runs = [new_run() for _ in range(5)]
        return runs, [run.uid for run in runs] if here else []

    there = 0
    state = State.RUNNING if here else State.QUEUED
    for runs, tokens in each_kill(mongodb_url, submit, arguments):
        assert len(harness.ids()) - there in (0, 5)
        assert harness.store.count(RunFilter(project=PROJECT)).get(state, 0) in (there, there + 5)

        ids = harness.store.submit(runs, owner=owner() if here else None, tokens=tokens)

        there += 5
        assert len(set(ids)) == 5 and len(harness.ids()) == there
        assert {harness.get(run).uid for run in ids} == {run.uid for run in runs}
        assert {harness.state(run) for run in ids} == {state}
        sound(harness.store)


def test_a_repeated_claim_after_a_kill_gives_the_same_run(harness: Harness, mongodb_url: str) -> None:
    tokens = iter(f"{number:032x}" for number in range(1000))

    def arguments() -> tuple[str]:
        harness.submit()
        return (next(tokens),)

    for (token,) in each_kill(mongodb_url, claim, arguments):
        assert len(harness.store.held(PROJECT)) in (0, 1)
        claimed = harness.store.claim(PROJECT, owner(), token)
        assert claimed is not None and len(claimed.record.attempts) == 1
        assert len(harness.store.held(PROJECT)) == 1
        assert harness.store.finish(claimed.lease, COMPLETED)
        sound(harness.store)


@pytest.mark.parametrize(("act", "outcome"), [(finish, Outcome.COMPLETED), (release, Outcome.RELEASED)])
def test_a_killed_finish_can_be_repeated(
        harness: Harness, mongodb_url: str, act: Callable[..., Any], outcome: Outcome) -> None:
    for (lease,) in each_kill(mongodb_url, act, lambda: (harness.start(),)):
        assert harness.state(lease.run) is State.RUNNING or harness.last(lease.run).outcome is outcome
        act(harness.store, lease)
        record = harness.get(lease.run)
        assert [attempt.outcome for attempt in record.attempts] == [outcome]
        if act is release:
            assert record.state is State.QUEUED
            harness.store.cancel(lease.run)
        sound(harness.store)


def test_a_killed_observer_has_reaped_or_not(harness: Harness, mongodb_url: str) -> None:
    for (run,) in each_kill(mongodb_url, reap, lambda: (harness.start().run,)):
        record = harness.get(run)
        assert (record.state, record.losses) in ((State.RUNNING, 0), (State.QUEUED, 1))
        if record.state is State.QUEUED:
            harness.store.cancel(run)
        sound(harness.store)


def test_a_killed_append_can_be_repeated(
        harness: Harness, mongodb_url: str) -> None:
    for (run,) in each_kill(mongodb_url, append, lambda: (harness.start().run,)):
        append(harness.store, run)
        assert list(harness.store.points(run)) == POINTS and list(harness.store.output(run)) == OUTPUT
        sound(harness.store)


def test_a_killed_put_leaves_the_old_or_the_new_content(
        harness: Harness, mongodb_url: str, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("old")
    numbers = iter(range(1000))

    def arguments() -> tuple[int, str]:
        run = harness.start().run
        new.write_text(f"new {next(numbers)}")
        harness.store.put_artifact(run, 1, "file", old)
        return run, str(new)

    for run, path in each_kill(mongodb_url, put, arguments):
        harness.store.collect_garbage(dry_run=False)
        (found,) = harness.store.artifacts(run)
        with harness.store.open_artifact(found) as file:
            assert file.read() in (b"old", new.read_bytes())
        put(harness.store, run, path)
        (found,) = harness.store.artifacts(run)
        with harness.store.open_artifact(found) as file:
            assert file.read() == new.read_bytes()
        sound(harness.store)


def test_a_killed_deletion_can_be_repeated(
        harness: Harness, mongodb_url: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")

    def arguments() -> tuple[list[int]]:
        lease = harness.start()
        append(harness.store, lease.run)
        put(harness.store, lease.run, str(tmp_path / "file"))
        finish(harness.store, lease)
        return ([lease.run, *harness.submit_many(2)],)

    for (runs,) in each_kill(mongodb_url, delete, arguments):
        harness.store.delete(runs)
        assert harness.ids() == []
        harness.store.collect_garbage(dry_run=False)
        sound(harness.store)


def test_a_run_hidden_by_a_killed_deletion_can_be_resubmitted(harness: Harness, mongodb_url: str) -> None:
    def arguments() -> tuple[list[int]]:
        return (harness.submit_many(2),)

    for (runs,) in each_kill(mongodb_url, delete, arguments):
        uids = [record.uid for record in harness.store.find(RunFilter(project=PROJECT))]
        assert len(uids) in (0, 2)
        again = harness.store.submit([new_run(uid=uid) for uid in uids or [f"uid of {run}" for run in runs]])
        assert harness.ids() == sorted(again)
        harness.store.delete(again)
        harness.store.collect_garbage(dry_run=False)
        sound(harness.store)


def test_a_killed_deletion_frees_the_uid(harness: Harness, mongodb_url: str) -> None:
    new = new_run()
    (run,) = harness.store.submit([new])
    with MongoClient(mongodb_url) as client:
        client.get_default_database()["runs"].update_one(
            {"_id": run}, {"$set": {"status": "SUBMITTING", "hyperspace.batch": "deleted 1"}})
    assert harness.ids() == []

    (again,) = harness.store.submit([new])

    assert again != run and harness.ids() == [again]


def test_a_killed_restorer_leaves_all_of_its_records_or_none(harness: Harness, mongodb_url: str) -> None:
    model = harness.get(harness.in_state(State.FAILED))
    waits: list[int] = []

    def arguments() -> tuple[list[RunRecord]]:
        waits.append(harness.in_state(State.PAUSED))
        mine = [replace(model, uid=new_run().uid) for _ in range(3)]
        return ([*mine, replace(model, uid=harness.get(waits[-1]).uid)],)

    for (records,) in each_kill(mongodb_url, restore, arguments):
        uids = tuple(record.uid for record in records)
        found = harness.store.count(RunFilter(uids=uids))
        assert found in ({State.FAILED: 4}, {State.PAUSED: 1})
        ids = harness.store.restore(records)
        assert ids[-1] == waits[-1] and {harness.state(run) for run in ids} == {State.FAILED}
        sound(harness.store)


def test_a_killed_collection_removes_nothing_that_is_named(
        harness: Harness, mongodb_url: str, tmp_path: Path) -> None:
    numbers = iter(range(1000))

    def arguments() -> tuple[()]:
        run = harness.start().run
        for content in (f"old {next(numbers)}", f"kept {run}"):
            (tmp_path / "file").write_text(content)
            put(harness.store, run, str(tmp_path / "file"))
        return ()

    for _ in each_kill(mongodb_url, collect, arguments):
        sound(harness.store)
        harness.store.collect_garbage(dry_run=False)
        sound(harness.store)
        for run in harness.ids():
            (found,) = harness.store.artifacts(run)
            with harness.store.open_artifact(found) as file:
                assert file.read().decode() == f"kept {run}"


def test_a_killed_migration_has_rewritten_each_run_or_not(harness: Harness, mongodb_url: str) -> None:
    numbers = iter(range(1000))

    def arguments() -> tuple[str, list[int]]:
        runs = harness.submit_many(2, config={"a": 1})
        for run in runs:
            harness.bring(run, State.COMPLETED)
        return f"migration {next(numbers)}", runs

    for name, runs in each_kill(mongodb_url, rewrite, arguments):
        rewrite(harness.store, name, runs)
        for run in runs:
            assert (harness.get(run).config, harness.get(run).migrated) == ({"b": 1}, (name,))
        assert sorted(harness.store.unmigrate(PROJECT, name)) == runs
        assert {repr(harness.get(run).config) for run in runs} == {"{'a': 1}"}


def test_a_killed_snapshot_is_complete_or_missing(harness: Harness, mongodb_url: str) -> None:
    numbers = iter(range(1000))

    def arguments() -> tuple[Snapshot]:
        digest = hashlib.sha256(CODE).hexdigest()
        file = SourceFile(path=f"{next(numbers)}.py", digest=digest, size=len(CODE))
        return (Snapshot(files=(file,)),)

    for (snapshot,) in each_kill(mongodb_url, keep_code, arguments):
        sound(harness.store)
        keep_code(harness.store, snapshot)
        assert harness.store.snapshot(snapshot.digest) == snapshot
        with harness.store.open_content(snapshot.files[0].digest) as file:
            assert file.read() == CODE


def test_an_abandoned_submission_starts_again(harness: Harness, mongodb_url: str) -> None:
    """Another process abandons a batch while its submitter still writes it: its commit is refused."""
    runs = [new_run() for _ in range(3)]
    with open_store(mongodb_url, PROJECT) as slow:
        batches = slow._batches                # type: ignore[attr-defined]
        commit, given_up = batches.commit, []

        def late(name: str) -> bool:
            if not given_up:
                given_up.append(harness.store.submit(runs))
            return bool(commit(name))

        batches.commit = late
        ids = slow.submit(runs)

    assert ids == given_up[0] == harness.ids()
    assert {harness.state(run) for run in ids} == {State.QUEUED}
    sound(harness.store)


def test_a_reader_sees_a_batch_completely_or_not_at_all(
        harness: Harness, mongodb_url: str) -> None:
    seen: list[int] = []
    with open_store(mongodb_url, PROJECT) as slow:
        batches = slow._batches                # type: ignore[attr-defined]
        carry_on = batches.carry_on

        def look(name: str) -> None:
            seen.append(len(harness.ids()))       # decided, and not completed yet
            carry_on(name)
            seen.append(len(harness.ids()))

        batches.carry_on = look
        slow.submit([new_run() for _ in range(4)])

    assert seen == [4, 4]

