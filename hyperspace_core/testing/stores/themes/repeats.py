"""I8: a verb repeated after a lost answer has the effect of one call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import Refused
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.migration import Migration, Rewrite
from hyperspace_core.records.run import OutputChunk, Update
from hyperspace_core.records.search import NewSearch
from hyperspace_core.records.source import Snapshot
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store, new_token
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import CANCELLED, COMPLETED, FAILED, PROJECT, Desk, new_run, owner
from hyperspace_core.testing.stores.themes.presence import worker

Again = Callable[[], Any]
Prepare = Callable[[Desk, Path], Again]
READING = {"info", "check", "get", "find", "count", "ids", "held", "points", "output", "artifacts",
           "open_artifact", "workers", "wait_for_change", "close", "snapshot", "open_content", "migrations",
           "rewritten", "get_search", "searches"}
# the answer is needed for the next verb of an owner or a submitter
SAME_ANSWER = {"submit", "restore", "claim", "beat", "update", "finish", "release", "readopt", "late",
               "put_artifact", "annotate", "amend", "settings", "change_settings",
               "add_search", "propose", "change_search", "restore_search"}
CHANGES_NOTHING = {"beat, fenced", "finish, fenced", "settings", "upgrade", "put_snapshot",
                   "amend, taken away"}


def claim(desk: Desk, **limits: Any) -> Again:
    token = new_token()
    return lambda: desk.store.claim(PROJECT, owner(), token, **limits)


def reap(desk: Desk) -> Again:
    seen = desk.held(desk.start().run)
    return lambda: desk.store.reap(seen, "gone")


def submit_here(desk: Desk) -> Again:
    new, token = new_run(), new_token()
    return lambda: desk.store.submit([new], owner=owner(), tokens=[token])


def artifact(desk: Desk, path: Path) -> Again:
    run = desk.start().run
    return lambda: desk.store.put_artifact(run, 1, "file", path)


def garbage(desk: Desk, path: Path) -> Again:
    again = artifact(desk, path)
    again()
    path.write_text("other")
    again()
    return lambda: desk.store.collect_garbage(dry_run=False)


def deletion(desk: Desk) -> Again:
    runs = desk.submit_many(2)
    return lambda: desk.store.delete(runs)


def restoration(desk: Desk) -> Again:
    """Restore a run of another store; it replaces one that waits here."""
    ended = desk.get(desk.in_state(State.FAILED))
    waits = desk.get(desk.in_state(State.PAUSED))
    records = [replace(ended, uid="e" * 32), replace(ended, uid=waits.uid)]
    return lambda: desk.store.restore(records)


def migration(desk: Desk, *, undone: bool = False) -> Again:
    run = desk.in_state(State.COMPLETED, config={"trees": 1})
    change = Rewrite(run=run, old_scenario=None, old_config={"trees": 1}, scenario=None, config={"trees": 2})
    named = Migration(name="m", project=PROJECT, steps=({"op": "map_values"},))
    if not undone:
        return lambda: desk.store.migrate(named, [change])
    desk.store.migrate(named, [change])
    return lambda: desk.store.unmigrate(PROJECT, "m")


def append(desk: Desk) -> Again:
    run = desk.start().run
    return lambda: desk.store.append(run, 1, points=[Point(seq=0, name="m", step=0, value=1.0, at=0.0)],
                                     output=[OutputChunk(seq=0, text="out", at=0.0)])


def by_lease(verb: str, *arguments: Any, zombie: bool = False, **fields: Any) -> Prepare:
    """A verb of an owner, or of an owner that has lost its lease."""
    def prepare(desk: Desk, path: Path) -> Again:
        lease = desk.zombie(**fields) if zombie else desk.start(**fields)
        return lambda: getattr(desk.store, verb)(lease, *arguments)

    return prepare


def by_person(verb: str, state: State, **named: Any) -> Prepare:
    def prepare(desk: Desk, path: Path) -> Again:
        run = desk.in_state(state)
        return lambda: getattr(desk.store, verb)(run, **named)

    return prepare


SEARCH = NewSearch(uid="e" * 32, project=PROJECT, task="task", scenario={}, tuner={"className": "Random"})


def by_search(call: Callable[[Store, int], Any]) -> Prepare:
    def prepare(desk: Desk, path: Path) -> Again:
        search = desk.store.add_search(SEARCH)
        return lambda: call(desk.store, search)

    return prepare


# "verb, circumstances" -> the preparation, and the call that is repeated
VERBS: dict[str, Prepare] = {
    "submit": lambda desk, path: lambda: desk.store.submit([new_run(uid="e" * 32), new_run(uid="f" * 32)]),
    "submit, executed here": lambda desk, path: submit_here(desk),
    "claim": lambda desk, path: claim(desk),
    "claim, limited": lambda desk, path: claim(desk, tasks=["task"], exclude=[99]),
    "claim, one run": lambda desk, path: claim(desk, only=[desk.submit()]),
    "beat": by_lease("beat", Progress(done=1)),
    "beat, fenced": by_lease("beat", Progress(done=1), zombie=True),
    "update": by_lease("update", Update(info={"a": 1}, provenance={"git": {}}, seed=3)),
    "finish, completed": by_lease("finish", COMPLETED),
    "finish, cancelled": by_lease("finish", CANCELLED),
    "finish, failed": by_lease("finish", FAILED),
    "finish, to be tried again": by_lease("finish", FAILED, max_failures=2),
    "finish, fenced": by_lease("finish", COMPLETED, zombie=True),
    "release": by_lease("release", "drained"),
    "reap": lambda desk, path: reap(desk),
    "readopt": by_lease("readopt", owner("again"), zombie=True),
    "late": by_lease("late", COMPLETED, zombie=True),
    "cancel": by_person("cancel", State.QUEUED),
    "cancel, running": by_person("cancel", State.RUNNING),
    "pause": by_person("pause", State.QUEUED),
    "pause, running": by_person("pause", State.RUNNING),
    "resume": by_person("resume", State.PAUSED),
    "requeue": by_person("requeue", State.FAILED),
    "annotate": by_person("annotate", State.FAILED, add_tags=["a"], remove_tags=["b"], note="n", priority=2),
    "amend": by_person("amend", State.COMPLETED, name="f1", entry={"value": 0.5}),
    "amend, taken away": by_person("amend", State.COMPLETED, name="f1", entry=None),
    "delete": lambda desk, path: deletion(desk),
    "restore": lambda desk, path: restoration(desk),
    "append": lambda desk, path: append(desk),
    "put_artifact": artifact,
    "put_snapshot": lambda desk, path: lambda: desk.store.put_snapshot(Snapshot(files=()), lambda path: b""),
    "migrate": lambda desk, path: migration(desk),
    "unmigrate": lambda desk, path: migration(desk, undone=True),
    "collect_garbage": garbage,
    "present": lambda desk, path: lambda: desk.store.present(worker("second", beat=2)),
    "absent": lambda desk, path: lambda: desk.store.absent("first"),
    "settings": lambda desk, path: lambda: desk.store.settings("a new one"),
    "change_settings": lambda desk, path: lambda: desk.store.change_settings(PROJECT, paused=True, ttl_s=50),
    "upgrade": lambda desk, path: desk.store.upgrade,
    "add_search": lambda desk, path: lambda: desk.store.add_search(SEARCH),
    "propose": by_search(lambda store, search: store.propose(
        search, 0, new_run(uid=f"{SEARCH.uid}-0", search=SEARCH.uid, config={"x": 1}, seed=0), redrawn=2)),
    "end_search": by_search(lambda store, search: store.end_search(search, "enough")),
    "end_search, as it was seen": by_search(lambda store, search: store.end_search(search, "x", proposed=0)),
    "change_search": by_search(lambda store, search: store.change_search(search, priority=3)),
    "restore_search": by_search(lambda store, search: store.restore_search(
        replace(store.get_search(search), uid="f" * 32))),
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
    yield store.settings(PROJECT), store.settings("a new one"), store.collect_garbage(), store.check()
    yield store.info().runs
    yield [replace(found, at=None, undone_at=None) for found in store.migrations(PROJECT)]
    yield [store.rewritten(record.id) for record in store.find(RunFilter())]
    yield store.searches(PROJECT)


class Repeats(StoreTests):
    def test_every_verb_is_repeated(self) -> None:
        assert {name.partition(",")[0] for name in VERBS} | READING == set(Store.__abstractmethods__)

    @pytest.mark.parametrize("name", VERBS)
    def test_a_repeated_verb_changes_nothing(
            self, desk: Desk, tmp_path: Path, name: str) -> None:
        path = tmp_path / "content"
        path.write_text("content")
        desk.store.present(worker("first"))
        desk.submit_many(2)
        again = VERBS[name](desk, path)
        before = list(everything(desk.store))
        first = again()
        once = list(everything(desk.store))

        try:
            second = again()
        except Refused:                # a user's verb: the repeat reports that it has happened already
            second = None

        assert list(everything(desk.store)) == once
        assert name in CHANGES_NOTHING or once != before
        if name.partition(",")[0] in SAME_ANSWER:
            assert second == first
