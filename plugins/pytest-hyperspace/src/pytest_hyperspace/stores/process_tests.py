"""Several processes on one store: races, and kills in the middle of a verb."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hyperspace_core.records import Command, Outcome, RunRecord, State
from hyperspace_core.storage import Maintenance, new_token
from pytest_hyperspace.stores.base import StoreTests, for_stores_with
from pytest_hyperspace.stores.harness import (
    BATCH,
    COMPLETED,
    Harness,
    ProcessGroup,
    claim_all,
    claim_or_cancel,
    collect_often,
    put_files,
    submit_batches,
    submit_these,
    work_all,
)

StartProcesses = Callable[..., ProcessGroup]


def named(count: int) -> list[tuple[str]]:
    return [(f"worker {number}",) for number in range(count)]


def kill_when(group: ProcessGroup, reports: list[int]) -> None:
    """SIGKILL each process once it has sent this many reports."""
    while not all(member.over for member in group.members):
        group.hear()
        for member, limit in zip(group.members, reports, strict=True):
            if not member.over and len(member.reports) >= limit:
                member.kill()


class ProcessTests(StoreTests):
    def test_many_processes_claim_many_runs_and_each_run_once(self, harness: Harness,
                                                              start_processes: StartProcesses) -> None:
        runs = harness.submit_many(self.claim_runs)

        taken = start_processes(claim_all, named(self.claim_processes)).answers()

        assert Counter(claim for each in taken for claim in each) == Counter((run, 1) for run in runs)
        held = harness.store.held(harness.project)
        owners = {run: f"worker {number}" for number, each in enumerate(taken) for run, _ in each}
        assert {row.run: row.owner.worker for row in held} == owners

    def test_one_run_goes_to_one_of_very_many(self, harness: Harness,
                                              start_processes: StartProcesses) -> None:
        run = harness.submit()

        taken = start_processes(claim_all, named(self.max_claimers)).answers()

        assert [each for each in taken if each] == [[(run, 1)]]
        assert taken[int(harness.held(run).owner.worker.split()[1])] == [(run, 1)]

    def test_submitters_of_the_same_uids_store_each_once(self, harness: Harness,
                                                         start_processes: StartProcesses) -> None:
        uids = [new_token() for _ in range(40)]
        orders = [(random.Random(seed).sample(uids, len(uids)),) for seed in range(4)]

        answers = start_processes(submit_these, orders).answers()

        assert answers == [answers[0]] * 4
        assert sorted(answers[0].values()) == harness.ids()
        assert set(answers[0]) == set(uids)

    def test_a_cancel_reaches_the_queue_or_the_owner(
            self, harness: Harness, start_processes: StartProcesses) -> None:
        runs = harness.submit_many(150)
        racing = start_processes(claim_or_cancel, [("worker", []), ("another", []), ("", runs[::-1])])

        taken = [run for each in racing.answers()[:2] for run, _ in each]

        assert len(taken) == len(set(taken))
        for run in runs:
            record = harness.get(run)
            expected = (State.RUNNING, Command.CANCEL, 1) if run in taken else (State.CANCELLED, None, 0)
            assert (record.state, record.command, len(record.attempts)) == expected

    def test_killed_workers_leave_runs_owned_or_claimable(
            self, harness: Harness, start_processes: StartProcesses) -> None:
        runs = harness.submit_many(150, max_losses=100)
        workers = start_processes(work_all, named(4))
        kill_when(workers, [3, 10, 21, 34])

        self.nothing_is_lost_so_far(harness, runs, workers)
        for seen in harness.store.held(harness.project):
            assert harness.store.reap(seen, "killed") is State.QUEUED
        while (claim := harness.claim()) is not None:
            assert harness.store.finish(claim.lease, COMPLETED)

        records = [harness.get(run) for run in runs]
        assert {record.state for record in records} == {State.COMPLETED}
        for record in records:
            outcomes = [attempt.outcome for attempt in record.attempts]
            assert outcomes == [Outcome.LOST] * record.losses + [Outcome.COMPLETED]
        harness.assert_undamaged()

    def nothing_is_lost_so_far(self, harness: Harness, runs: list[int], workers: ProcessGroup) -> None:
        """C1 to C3: all runs exist, acknowledged writes are stored, points are complete."""
        reports = [report for member in workers.members for report in member.reports]
        finished = {run for kind, run, _ in reports if kind == "finished"}
        assert harness.ids() == runs
        held, records = self.at_rest(harness, runs, len(workers.members))
        for run, record in records.items():
            assert record.state in (State.QUEUED, State.RUNNING, State.COMPLETED)
            assert (run in held) == (record.state is State.RUNNING)
            assert record.state is State.COMPLETED or run not in finished
            if record.state is State.COMPLETED:
                assert (record.result, len(record.attempts)) == (1.0, 1)
                assert [point.value for point in harness.store.points(run)] == [0.0, 1.0, 2.0, 3.0, 4.0]
        claims = Counter(run for kind, run, _ in reports if kind == "claimed")
        assert set(claims.values()) == {1}

    def at_rest(self, harness: Harness, runs: list[int],
                killed: int) -> tuple[set[int], dict[int, RunRecord]]:
        """The held runs and all records, of one moment.

        A server may still carry out the last write of each killed process: so many readings may be disturbed.
        """
        held = {row.run for row in harness.store.held(harness.project)}
        for _ in range(killed + 1):
            before, records = held, {run: harness.get(run) for run in runs}
            held = {row.run for row in harness.store.held(harness.project)}
            if held == before:
                break
        assert held == before, "the store changes although no process uses it"
        return held, records

    @for_stores_with(Maintenance)
    def test_named_contents_survive_races_and_kills(
            self, harness: Harness, start_processes: StartProcesses, tmp_path: Path) -> None:
        runs = [harness.start().run for _ in range(2)]
        collector = start_processes(collect_often, [(100,)])
        putters = start_processes(put_files, [(run, str(tmp_path)) for run in runs])
        kill_when(putters, [40, 60])
        collector.answers()

        for member, run in zip(putters.members, runs, strict=True):
            named = harness.store.artifacts(run)
            assert {artifact.name for artifact in named} == {f"label {number}" for number in range(7)}
            assert set(member.reports[-6:]) <= set(named)      # one may have been in progress
            for artifact in named:
                with harness.store.open_artifact(artifact) as file:
                    assert hashlib.sha256(file.read()).hexdigest() == artifact.digest
        harness.assert_undamaged()

    def test_a_killed_submitter_leaves_whole_batches(self, harness: Harness,
                                                     start_processes: StartProcesses) -> None:
        submitters = start_processes(submit_batches, [("first",), ("second",), ("third",)])
        kill_when(submitters, [2, 4, 7])

        sizes: Counter[str | None] = Counter()
        for run in harness.ids():
            sizes[harness.get(run).search] += 1
        assert set(sizes.values()) == {BATCH}
        for member, name in zip(submitters.members, ("first", "second", "third"), strict=True):
            assert all(f"{name}-{number}" in sizes for number in member.reports)
        harness.assert_undamaged()
