"""Runs are copied from one store to another, completely and once; nothing is overwritten."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import Migration, Rewrite
from hyperspace_core.records.states import State
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_migrate.copy import WAS_QUEUED, Copied, Fate, copy_runs, missing, preview
from hyperspace_migrate.digest import batches
from hyperspace_migrate.testing import CODE, CONFIG, DEEPEST, ELSEWHERE, SCENARIO, assert_the_same
from pytest_hyperspace.stores.harness import COMPLETED, PROJECT, Harness

Runs = dict[str, int]


def copied(source: Store, target: Store, **where: object) -> dict[int, Copied]:
    """The result of each run."""
    return {one.run: one for one in copy_runs(source, target, RunFilter(**where))}  # type: ignore[arg-type]


def fates(copies: dict[int, Copied]) -> Counter[Fate]:
    return Counter(one.fate for one in copies.values())


def by_uid(source: Store, run: int, target: Store) -> int:
    """The id of a run in the other store."""
    found, = target.find(RunFilter(uids=(source.get(run).uid,)))
    return found.id


def content_of(url: str, digest: str) -> Path:
    """The embedded store's file of a content."""
    return Path(url.removeprefix("sqlite:///") + ".artifacts", digest[:2], digest)


def test_every_run_arrives_complete(source: Store, target: Store, runs: Runs) -> None:
    copies = copied(source, target)

    assert fates(copies) == {Fate.COPIED: len(runs) - 1, Fate.RUNNING: 1}
    assert all(one.problems == () for one in copies.values())
    assert_the_same(source, target)
    assert missing(target, [one.uid for one in copies.values()]) == 1


def test_a_second_copy_changes_nothing(source: Store, target: Store, there: Harness, runs: Runs) -> None:
    first = copied(source, target)
    before = there.picture(*there.ids(project=None))

    second = copied(source, target)

    assert fates(second) == {Fate.THERE: len(runs) - 1, Fate.RUNNING: 1}
    assert there.picture(*there.ids(project=None)) == before
    assert {run: one.digest for run, one in first.items()} == {run: one.digest for run, one in second.items()}


def test_a_copy_of_a_copy_has_the_same_digests(source: Store, target: Store, runs: Runs,
                                               tmp_path: Path) -> None:
    first = copied(source, target)
    with open_store(f"sqlite:///{tmp_path}/third.db") as third:
        second = copied(target, third)
        assert_the_same(target, third)

    digests = {one.uid: one.digest for one in first.values() if one.there is not None}
    assert {one.uid: one.digest for one in second.values()} == digests
    assert len(set(digests.values())) == len(digests)


def test_many_points_are_copied_in_batches(source: Store, target: Store, harness: Harness,
                                           tmp_path: Path) -> None:
    lease = harness.start()
    for seqs in batches(range(20_001), 5000):
        source.append(lease.run, 1, points=[
            Point(seq=seq, name="loss", step=seq, value=seq / 7, at=float(seq)) for seq in seqs])
    source.finish(lease, COMPLETED)

    copied(source, target)

    assert_the_same(source, target)
    assert sum(1 for _ in target.points(1)) == 20_001


# -- the queue -----------------------------------------------------------------------------------------------


def test_a_queued_run_arrives_paused(source: Store, target: Store, there: Harness, harness: Harness) -> None:
    run = harness.submit()

    assert copied(source, target)[run].waits

    record = there.get(1)
    assert (record.state, record.reason) == (State.PAUSED, WAS_QUEUED)
    assert there.claim() is None and harness.state(run) is State.QUEUED
    target.resume(1)
    assert there.take().lease.run == 1


def test_a_running_run_is_copied_only_after_its_end(source: Store, target: Store, there: Harness,
                                                    harness: Harness) -> None:
    lease = harness.start()
    assert copied(source, target)[lease.run].fate is Fate.RUNNING
    assert there.ids() == []

    source.finish(lease, COMPLETED)

    assert copied(source, target)[lease.run].fate is Fate.COPIED
    assert_the_same(source, target)


def test_a_run_ended_since_replaces_its_waiting_copy(
        source: Store, target: Store, there: Harness, harness: Harness) -> None:
    run = harness.submit()
    copied(source, target)
    harness.bring(run, State.COMPLETED)

    one = copied(source, target)[run]

    assert (one.fate, one.there, there.state(1)) == (Fate.COPIED, 1, State.COMPLETED)
    assert_the_same(source, target)


def test_a_run_that_continued_there_is_reported_and_kept(source: Store, target: Store, there: Harness,
                                                         harness: Harness) -> None:
    waits, retried = harness.submit(), harness.start(max_failures=1)
    source.finish(retried, replace(COMPLETED, outcome="failed"))  # type: ignore[arg-type]
    copied(source, target)
    for run in there.ids():
        target.resume(run)
        there.bring(run, State.COMPLETED)
    before = there.picture(*there.ids())

    copies = copied(source, target)

    assert {run: one.fate for run, one in copies.items()} == {waits: Fate.AHEAD, retried.run: Fate.AHEAD}
    assert there.picture(*there.ids()) == before


def test_queue_settings_are_copied_to_an_empty_store(source: Store, target: Store, harness: Harness) -> None:
    harness.submit()
    source.change_settings(PROJECT, paused=True, heartbeat_s=2.0, ttl_s=40.0)

    copied(source, target)

    assert target.settings(PROJECT) == QueueSettings(paused=True, heartbeat_s=2.0, ttl_s=40.0)


@pytest.mark.parametrize("of_its_own", ["settings", "runs"])
def test_existing_settings_stay(source: Store, target: Store, harness: Harness, there: Harness,
                                of_its_own: str) -> None:
    harness.submit()
    source.change_settings(PROJECT, paused=True)
    if of_its_own == "settings":
        target.change_settings(PROJECT, ttl_s=99.0)
    else:
        there.submit()
    before = target.settings(PROJECT)

    copied(source, target)

    assert target.settings(PROJECT) == before


# -- parents -------------------------------------------------------------------------------------------------


def test_children_name_their_parents_by_the_new_ids(source: Store, target: Store, there: Harness,
                                                    harness: Harness) -> None:
    there.submit_many(3)
    parent = harness.in_state(State.COMPLETED)
    child = harness.in_state(State.COMPLETED, parent=parent)
    grandchild = harness.in_state(State.COMPLETED, parent=child)

    copies = copied(source, target)

    new = [copies[run].there for run in (parent, child, grandchild)]
    assert [there.get(run).parent for run in new if run] == [None, *new[:2]]


def test_a_parent_goes_first_even_where_its_id_is_higher(source: Store, target: Store, there: Harness,
                                                         harness: Harness) -> None:
    first, second, third = (harness.get(harness.in_state(State.COMPLETED)) for _ in range(3))
    source.delete([first.id, second.id, third.id])
    # possible after another copy: 4 repeats 6, which repeats 5; 7 is its own parent
    source.restore([replace(first, parent=6), second, replace(third, parent=5)])
    source.restore([replace(first, uid="own", parent=7)])

    copies = copied(source, target)

    assert there.get(copies[4].there or 0).parent == copies[6].there
    assert there.get(copies[6].there or 0).parent == copies[5].there
    assert copies[7].there is not None
    assert len(copies) == 4 and fates(copies) == {Fate.COPIED: 4}


def test_a_missing_parent_is_reported_and_left_out(source: Store, target: Store, there: Harness,
                                                   harness: Harness) -> None:
    parent = harness.in_state(State.COMPLETED, task="other")
    child = harness.in_state(State.COMPLETED, parent=parent)

    one = copied(source, target, tasks=("task",))[child]

    assert (one.fate, one.lost_parent) == (Fate.COPIED, parent)
    assert there.get(1).parent is None


def test_a_parent_that_an_earlier_copy_brought_is_found(source: Store, target: Store, there: Harness,
                                                        harness: Harness) -> None:
    parent = harness.in_state(State.COMPLETED, task="other")
    child = harness.in_state(State.COMPLETED, parent=parent)
    copied(source, target, tasks=("other",))

    one = copied(source, target, tasks=("task",))[child]

    assert one.lost_parent is None
    assert there.get(2).parent == 1


# -- code and migrations -------------------------------------------------------------------------------------


def test_a_run_s_code_is_copied(source: Store, target: Store, runs: Runs) -> None:
    copied(source, target)

    snapshot = target.snapshot(source.get(runs["rich"]).code["snapshot"])
    for file in snapshot.files:
        with target.open_content(file.digest) as content:
            assert content.read() == CODE[file.path]


def test_a_migration_can_be_undone_in_the_copy(source: Store, target: Store, runs: Runs) -> None:
    copied(source, target)
    run = by_uid(source, runs["migrated"], target)
    assert target.get(run).config == DEEPEST
    assert target.rewritten(run) == source.rewritten(runs["migrated"])

    target.unmigrate(PROJECT, "rename depth")
    target.unmigrate(PROJECT, "add depth")

    assert repr(target.get(run).config) == repr(CONFIG) and target.get(run).migrated == ()


def test_a_migration_after_the_copy_is_applied_there(source: Store, target: Store, harness: Harness) -> None:
    run = harness.in_state(State.COMPLETED, scenario=SCENARIO, config={"a": 1})
    copied(source, target)
    source.migrate(Migration(name="m", project=PROJECT, steps=()), [Rewrite(
        run=run, old_scenario=SCENARIO, old_config={"a": 1}, scenario=SCENARIO, config={"b": 1})])

    assert copied(source, target)[run].fate is Fate.COPIED
    assert target.get(1).config == {"b": 1}
    assert_the_same(source, target)


def test_a_migration_with_other_steps_there_is_reported(source: Store, target: Store, harness: Harness,
                                                        there: Harness) -> None:
    for store, steps in ((source, ()), (target, ({"op": "add"},))):
        run = Harness(store).in_state(State.COMPLETED, scenario=SCENARIO, config={"a": 1})
        store.migrate(Migration(name="m", project=PROJECT, steps=steps), [Rewrite(
            run=run, old_scenario=SCENARIO, old_config={"a": 1}, scenario=SCENARIO, config={"b": 1})])

    one = copied(source, target)[1]

    assert one.fate is Fate.DIFFERS
    assert any("'m' has been applied" in problem for problem in one.problems)


# -- differences between the stores --------------------------------------------------------------------------


def test_changes_there_are_named_and_not_overwritten(source: Store, target: Store, there: Harness,
                                                     runs: Runs, tmp_path: Path) -> None:
    copied(source, target)
    rich, child = (by_uid(source, runs[name], target) for name in ("rich", "child"))
    target.annotate(child, note="from there", add_tags=["x"])
    target.append(rich, 2, points=[Point(seq=99, name="loss", step=None, value=0.0, at=0.0)])
    (tmp_path / "other").write_text("other")
    target.put_artifact(rich, 2, "weights", tmp_path / "other")
    target.requeue(by_uid(source, runs["failed"], target))
    before = there.picture(*there.ids())

    copies = copied(source, target)

    assert copies[runs["child"]].problems == ("tags", "note")
    assert copies[runs["rich"]].problems == ("points of attempt 2", "artifact 'weights' of attempt 2")
    assert "state" in copies[runs["failed"]].problems
    assert fates(copies)[Fate.DIFFERS] == 3
    assert there.picture(*there.ids()) == before
    assert [one.size for one in target.artifacts(rich) if one.name == "weights"] == [5]


def test_data_is_not_added_to_a_different_attempt_there(source: Store, target: Store, there: Harness,
                                                        harness: Harness) -> None:
    waits = harness.submit()
    copied(source, target)
    target.resume(1)
    there.bring(1, State.COMPLETED)
    lease = harness.take(waits).lease
    source.append(waits, 1, points=[Point(seq=0, name="loss", step=0, value=1.0, at=0.0)])
    source.finish(lease, COMPLETED)

    one = copied(source, target)[waits]

    assert one.fate is Fate.DIFFERS and "points of attempt 1" in one.problems
    assert list(target.points(1)) == []


def test_a_missing_content_is_reported_and_the_rest_copied(source: Store, target: Store, runs: Runs) -> None:
    weights = next(one for one in source.artifacts(runs["rich"]) if one.name == "weights")
    content_of(source.url, weights.digest).unlink()

    copies = copied(source, target)

    one = copies[runs["rich"]]
    assert one.fate is Fate.DAMAGED and all("'weights'" in problem for problem in one.problems)
    assert [kept.name for kept in target.artifacts(one.there or 0)] == ["plots/roc.png"]
    assert fates(copies)[Fate.COPIED] == len(runs) - 2
    assert sum(1 for _ in target.points(one.there or 0)) == 50


@pytest.mark.parametrize("at_source", [True, False], ids=["here", "there"])
def test_a_damaged_content_is_reported(source: Store, target: Store, runs: Runs, at_source: bool) -> None:
    weights = next(one for one in source.artifacts(runs["rich"]) if one.name == "weights")
    if not at_source:
        copied(source, target)
    file = content_of(source.url if at_source else target.url, weights.digest)
    file.chmod(0o600)
    file.write_bytes(b"v" * weights.size)

    one = copied(source, target)[runs["rich"]]

    assert one.fate is Fate.DAMAGED
    assert "its content does not match its digest" in one.problems[0]


def test_missing_code_is_reported(source: Store, target: Store, runs: Runs) -> None:
    snapshot = source.snapshot(source.get(runs["rich"]).code["snapshot"])
    content_of(source.url, snapshot.files[1].digest).unlink()

    one = copied(source, target)[runs["rich"]]

    assert one.fate is Fate.DAMAGED
    assert one.problems[0].startswith(f"snapshot {snapshot.digest[:12]}… of source code")


def test_a_run_deleted_during_the_copy_is_reported(source: Store, target: Store, harness: Harness) -> None:
    runs = [harness.in_state(State.COMPLETED) for _ in range(3)]
    copying = copy_runs(source, target)
    first = next(copying)
    source.delete(runs[1:2])

    rest = {one.run: one for one in copying}

    assert first.fate is Fate.COPIED
    assert (rest[runs[1]].fate, rest[runs[2]].fate) == (Fate.DAMAGED, Fate.COPIED)
    assert "no run 2" in rest[runs[1]].problems[0]


# -- filter and preview --------------------------------------------------------------------------------------


def test_only_matching_runs_are_copied(source: Store, target: Store, runs: Runs) -> None:
    copied(source, target, project=ELSEWHERE)
    assert target.info().runs == {ELSEWHERE: 1}

    copied(source, target, project=PROJECT, states=(State.FAILED,), tags=("t",))

    assert target.info().runs == {ELSEWHERE: 1, PROJECT: 1}


def test_a_preview_equals_the_copy_and_changes_nothing(source: Store, target: Store, there: Harness,
                                                       runs: Runs) -> None:
    copied(source, target, states=(State.CANCELLED, State.QUEUED))
    Harness(source).bring(runs["queued"], State.FAILED)
    before = there.picture(*there.ids(project=None))

    expected = preview(source, target)

    assert there.picture(*there.ids(project=None)) == before
    assert expected.running == (runs["running"],)
    assert (expected.artifacts, expected.bytes) == (4, 300_003)
    copies = copied(source, target)
    assert sum(expected.runs.values()) == fates(copies)[Fate.COPIED]
    assert expected.there == fates(copies)[Fate.THERE]
    assert preview(source, None).there == 0
