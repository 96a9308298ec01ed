"""Each verb may be repeated after an unknown outcome; the state is as if it ran once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import Refused
from hyperspace_core.records import (
    Migration,
    NewSearch,
    OutputChunk,
    Point,
    Progress,
    Rewrite,
    RunFilter,
    Snapshot,
    State,
    Update,
)
from hyperspace_core.storage import Maintenance, Migrations, Searches, Sources, Store, new_token
from pytest_hyperspace.stores.base import CAPABILITIES, StoreTests, for_stores_with
from pytest_hyperspace.stores.harness import CANCELLED, COMPLETED, FAILED, PROJECT, Harness, new_run, owner
from pytest_hyperspace.stores.lease_tests import worker

Again = Callable[[], Any]
Prepare = Callable[[Harness, Path], Again]
READING = {"info", "check", "get", "find", "count", "ids", "held", "points", "output", "artifacts",
           "open_artifact", "workers", "wait_for_change", "close", "snapshot", "open_content", "migrations",
           "rewritten", "get_search", "searches"}
# the answer is needed for the next verb of an owner or a submitter
SAME_ANSWER = {"submit", "restore", "claim", "beat", "update", "finish", "release", "readopt", "late",
               "put_artifact", "annotate", "amend", "settings", "change_settings",
               "add_search", "propose", "change_search", "restore_search"}
CHANGES_NOTHING = {"beat, fenced", "finish, fenced", "settings", "upgrade", "put_snapshot",
                   "amend, taken away"}


def claim(harness: Harness, **limits: Any) -> Again:
    token = new_token()
    return lambda: harness.store.claim(PROJECT, owner(), token, **limits)


def reap(harness: Harness) -> Again:
    seen = harness.held(harness.start().run)
    return lambda: harness.store.reap(seen, "gone")


def submit_here(harness: Harness) -> Again:
    new, token = new_run(), new_token()
    return lambda: harness.store.submit([new], owner=owner(), tokens=[token])


def artifact(harness: Harness, path: Path) -> Again:
    run = harness.start().run
    return lambda: harness.store.put_artifact(run, 1, "file", path)


def garbage(harness: Harness, path: Path) -> Again:
    again = artifact(harness, path)
    again()
    path.write_text("other")
    again()
    return lambda: harness.maintenance.collect_garbage(dry_run=False)


def deletion(harness: Harness) -> Again:
    runs = harness.submit_many(2)
    return lambda: harness.store.delete(runs)


def restoration(harness: Harness) -> Again:
    """Restore a run of another store; it replaces one that waits here."""
    ended = harness.get(harness.in_state(State.FAILED))
    waits = harness.get(harness.in_state(State.PAUSED))
    records = [replace(ended, uid="e" * 32), replace(ended, uid=waits.uid)]
    return lambda: harness.maintenance.restore(records)


def migration(harness: Harness, *, undone: bool = False) -> Again:
    run = harness.in_state(State.COMPLETED, config={"trees": 1})
    change = Rewrite(run=run, old_scenario=None, old_config={"trees": 1}, scenario=None, config={"trees": 2})
    named = Migration(name="m", project=PROJECT, steps=({"op": "map_values"},))
    if not undone:
        return lambda: harness.migrations.migrate(named, [change])
    harness.migrations.migrate(named, [change])
    return lambda: harness.migrations.unmigrate(PROJECT, "m")


def append(harness: Harness) -> Again:
    run = harness.start().run
    return lambda: harness.store.append(run, 1, points=[Point(seq=0, name="m", step=0, value=1.0, at=0.0)],
                                        output=[OutputChunk(seq=0, text="out", at=0.0)])


def by_lease(verb: str, *arguments: Any, zombie: bool = False, **fields: Any) -> Prepare:
    """A verb of an owner, or of an owner that has lost its lease."""
    def prepare(harness: Harness, path: Path) -> Again:
        lease = harness.zombie(**fields) if zombie else harness.start(**fields)
        return lambda: getattr(harness.store, verb)(lease, *arguments)

    return prepare


def by_person(verb: str, state: State, **named: Any) -> Prepare:
    def prepare(harness: Harness, path: Path) -> Again:
        run = harness.in_state(state)
        return lambda: getattr(harness.store, verb)(run, **named)

    return prepare


SEARCH = NewSearch(uid="e" * 32, project=PROJECT, task="task", scenario={}, tuner={"className": "Random"})


def by_search(call: Callable[[Searches, int], Any]) -> Prepare:
    def prepare(harness: Harness, path: Path) -> Again:
        search = harness.searches.add_search(SEARCH)
        return lambda: call(harness.searches, search)

    return prepare


# "verb, circumstances" -> the preparation, and the call that is repeated
VERBS: dict[str, Prepare] = {
    "submit": lambda harness, path: lambda: harness.store.submit(
        [new_run(uid="e" * 32), new_run(uid="f" * 32)]),
    "submit, executed here": lambda harness, path: submit_here(harness),
    "claim": lambda harness, path: claim(harness),
    "claim, limited": lambda harness, path: claim(harness, tasks=["task"], exclude=[99]),
    "claim, one run": lambda harness, path: claim(harness, only=[harness.submit()]),
    "beat": by_lease("beat", Progress(done=1)),
    "beat, fenced": by_lease("beat", Progress(done=1), zombie=True),
    "update": by_lease("update", Update(info={"a": 1}, provenance={"git": {}}, seed=3)),
    "finish, completed": by_lease("finish", COMPLETED),
    "finish, cancelled": by_lease("finish", CANCELLED),
    "finish, failed": by_lease("finish", FAILED),
    "finish, to be tried again": by_lease("finish", FAILED, max_failures=2),
    "finish, fenced": by_lease("finish", COMPLETED, zombie=True),
    "release": by_lease("release", "drained"),
    "reap": lambda harness, path: reap(harness),
    "readopt": by_lease("readopt", owner("again"), zombie=True),
    "late": by_lease("late", COMPLETED, zombie=True),
    "cancel": by_person("cancel", State.QUEUED),
    "cancel, running": by_person("cancel", State.RUNNING),
    "pause": by_person("pause", State.QUEUED),
    "pause, running": by_person("pause", State.RUNNING),
    "resume": by_person("resume", State.PAUSED),
    "requeue": by_person("requeue", State.FAILED),
    "annotate": by_person("annotate", State.FAILED, add_tags=["a"], remove_tags=["b"], note="n", priority=2),
    "delete": lambda harness, path: deletion(harness),
    "append": lambda harness, path: append(harness),
    "put_artifact": artifact,
    "present": lambda harness, path: lambda: harness.store.present(worker("second", beat=2)),
    "absent": lambda harness, path: lambda: harness.store.absent("first"),
    "settings": lambda harness, path: lambda: harness.store.settings("a new one"),
    "change_settings": lambda harness, path: lambda: harness.store.change_settings(
        PROJECT, paused=True, ttl_s=50),
}

OF_SOURCES: dict[str, Prepare] = {
    "put_snapshot": lambda harness, path: lambda: harness.sources.put_snapshot(
        Snapshot(files=()), lambda path: b""),
}
OF_SEARCHES: dict[str, Prepare] = {
    "add_search": lambda harness, path: lambda: harness.searches.add_search(SEARCH),
    "propose": by_search(lambda searches, search: searches.propose(
        search, 0, new_run(uid=f"{SEARCH.uid}-0", search=SEARCH.uid, config={"x": 1}, seed=0), redrawn=2)),
    "end_search": by_search(lambda searches, search: searches.end_search(search, "enough")),
    "end_search, as it was seen": by_search(
        lambda searches, search: searches.end_search(search, "x", proposed=0)),
    "change_search": by_search(lambda searches, search: searches.change_search(search, priority=3)),
    "restore_search": by_search(lambda searches, search: searches.restore_search(
        replace(searches.get_search(search), uid="f" * 32))),
}
OF_MIGRATIONS: dict[str, Prepare] = {
    "amend": by_person("amend", State.COMPLETED, name="f1", entry={"value": 0.5}),
    "amend, taken away": by_person("amend", State.COMPLETED, name="f1", entry=None),
    "migrate": lambda harness, path: migration(harness),
    "unmigrate": lambda harness, path: migration(harness, undone=True),
}
OF_MAINTENANCE: dict[str, Prepare] = {
    "restore": lambda harness, path: restoration(harness),
    "collect_garbage": garbage,
    "upgrade": lambda harness, path: harness.maintenance.upgrade,
}


def everything(store: Store) -> Iterator[Any]:
    """The whole content of a store without beats and times."""
    for record in store.find(RunFilter()):
        yield replace(record, attempts=())
        for attempt in record.attempts:
            yield replace(attempt, late=attempt.late and replace(attempt.late, at=None))
        for number in range(1, len(record.attempts) + 1):
            yield from store.points(record.id, attempt=number)
            yield from store.output(record.id, attempt=number)
            yield from store.artifacts(record.id, attempt=number)
    yield [replace(held, beat=0) for held in store.held(PROJECT)]
    yield [replace(found, seen_at=None, beat=0) for found in store.workers(PROJECT)]
    yield store.settings(PROJECT), store.settings("a new one"), store.info().runs
    if isinstance(store, Maintenance):
        yield store.collect_garbage(), store.check()
    if isinstance(store, Migrations):
        yield [replace(found, at=None, undone_at=None) for found in store.migrations(PROJECT)]
        yield [store.rewritten(record.id) for record in store.find(RunFilter())]
    if isinstance(store, Searches):
        yield store.searches(PROJECT)


def check_repeat(harness: Harness, folder: Path, name: str, prepare: Prepare) -> None:
    """Assert that a verb changes the store once, and that its repeat changes nothing."""
    path = folder / "content"
    path.write_text("content")
    harness.store.present(worker("first"))
    harness.submit_many(2)
    again = prepare(harness, path)
    before = list(everything(harness.store))
    first = again()
    once = list(everything(harness.store))

    try:
        second = again()
    except Refused:                    # a user's verb: the repeat reports that it has happened already
        second = None

    assert list(everything(harness.store)) == once
    assert name in CHANGES_NOTHING or once != before
    if name.partition(",")[0] in SAME_ANSWER:
        assert second == first


class RepeatTests(StoreTests):
    def test_every_verb_is_repeated(self) -> None:
        every = (*VERBS, *OF_SOURCES, *OF_SEARCHES, *OF_MIGRATIONS, *OF_MAINTENANCE)
        repeated = {name.partition(",")[0] for name in every}
        verbs = {name for port in (Store, *CAPABILITIES) for name, verb in vars(port).items()
                 if inspect.isfunction(verb) and not name.startswith("_")}
        assert repeated | READING == verbs

    @pytest.mark.parametrize("name", VERBS)
    def test_a_repeated_verb_changes_nothing(self, harness: Harness, tmp_path: Path, name: str) -> None:
        check_repeat(harness, tmp_path, name, VERBS[name])

    @for_stores_with(Sources)
    @pytest.mark.parametrize("name", OF_SOURCES)
    def test_a_repeated_verb_of_sources_changes_nothing(self, harness: Harness, tmp_path: Path,
                                                        name: str) -> None:
        check_repeat(harness, tmp_path, name, OF_SOURCES[name])

    @for_stores_with(Searches)
    @pytest.mark.parametrize("name", OF_SEARCHES)
    def test_a_repeated_verb_of_searches_changes_nothing(self, harness: Harness, tmp_path: Path,
                                                         name: str) -> None:
        check_repeat(harness, tmp_path, name, OF_SEARCHES[name])

    @for_stores_with(Migrations)
    @pytest.mark.parametrize("name", OF_MIGRATIONS)
    def test_a_repeated_migration_changes_nothing(self, harness: Harness, tmp_path: Path, name: str) -> None:
        check_repeat(harness, tmp_path, name, OF_MIGRATIONS[name])

    @for_stores_with(Maintenance)
    @pytest.mark.parametrize("name", OF_MAINTENANCE)
    def test_repeated_maintenance_changes_nothing(self, harness: Harness, tmp_path: Path, name: str) -> None:
        check_repeat(harness, tmp_path, name, OF_MAINTENANCE[name])
