"""Verbs of users on runs: cancel, pause, resume, requeue, annotate, delete."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator

from hyperspace_core.config.tree import Tree
from hyperspace_core.errors import Refused
from hyperspace_core.records.codec import plain_text, storable
from hyperspace_core.records.info import amended, check_ended
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import Command, State, Verb, next_state
from hyperspace_mongodb.base import TRIES, Standing, Verbs, foreign_refused
from hyperspace_mongodb.batches import SUBMITTING
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.documents import checked_tags, note_of, record_of, tags_of, tree
from hyperspace_mongodb.rooms import moved_texts
from hyperspace_mongodb.sacred import moment_of, shaped

SLICE = 1000


class PeoplesVerbs(Verbs):
    """T9, T11 and T14, annotations, and deletion."""

    def cancel(self, run: int) -> State:
        return self._ask(run, Verb.CANCEL, lambda before: Command.CANCEL)

    def pause(self, run: int) -> State:
        return self._ask(run, Verb.PAUSE, lambda before: before.command or Command.PAUSE)

    def resume(self, run: int) -> State:
        def step(before: Standing) -> tuple[State, Document]:
            if before.state is State.RUNNING and before.command is Command.PAUSE:
                return State.RUNNING, {"$unset": {"hyperspace.command": ""}}
            return self._moved(before, Verb.RESUME)

        return self._stepped(run, step)

    def requeue(self, run: int) -> State:
        def step(before: Standing) -> tuple[State, Document]:
            state = next_state(before.run, before.state, Verb.REQUEUE)
            gone = ("result", "reason", "progress", "not_before", "finished_at")
            return state, {
                "$set": {"status": state.value, "hyperspace.losses": 0, "hyperspace.failures": 0,
                         "hyperspace.metrics": "{}", "hyperspace.ranked": 0, "hyperspace.rank": 0.0,
                         "result": None, "stop_time": None, "fail_trace": []},
                "$unset": {f"hyperspace.{name}": "" for name in gone}}

        return self._stepped(run, step)

    def annotate(self, run: int, *, add_tags: Collection[str] = (), remove_tags: Collection[str] = (),
                 note: str | None = None, priority: int | None = None) -> RunRecord:
        plain_text(note, "note")
        change: Document = {}
        if priority is not None:
            change["hyperspace.priority"] = storable(priority, "priority")
        checked_tags(list(add_tags))
        with self._changing(run):
            for _ in range(TRIES):
                before = self._document(run)
                if "hyperspace" not in before:
                    raise foreign_refused(run)
                tags = dict.fromkeys([*tags_of(before), *add_tags])
                kept = [tag for tag in tags if tag not in remove_tags]
                board = before.get("omniboard")
                board = board if isinstance(board, dict) else {}
                notes = note_of(before) if note is None else note
                change["omniboard"] = board | {"tags": kept, "notes": notes}
                # Omniboard writes there, too
                found = self._database.runs.find_one_and_update(
                    {"_id": run, "omniboard": {"$eq": before.get("omniboard")}}, {"$set": change},
                    return_document=True)
                if found is not None:
                    return record_of(found, moved_texts(self._database, [found]))
        raise self._too_busy(run)

    def amend(self, run: int, name: str, entry: Tree | None) -> RunRecord:
        plain_text(name, "metric")
        with self._changing(run):
            for _ in range(TRIES):
                before = self._document(run)
                if "hyperspace" not in before:
                    raise foreign_refused(run)
                record = record_of(before, moved_texts(self._database, [before]))
                check_ended(record)
                info = amended(record.info, name, entry)
                shown = shaped(info) | {"metrics": before["hyperspace"].get("series", [])}
                found = self._database.runs.find_one_and_update(
                    {"_id": run, "status": before["status"],
                     "hyperspace.attempt": before["hyperspace"]["attempt"],
                     "hyperspace.info": {"$eq": before["hyperspace"]["info"]}},
                    {"$set": {"hyperspace.info": tree(info, "info"), "info": shown}}, return_document=True)
                if found is not None:
                    return record_of(found, moved_texts(self._database, [found]))
        raise self._too_busy(run)

    def delete(self, runs: Collection[int], *, dry_run: bool = False) -> list[int]:
        wanted = list(runs)
        with self._database.using():
            self._batches.settle()
            found: dict[int, Document] = {}
            for part in _slices(wanted):
                found |= {one["_id"]: one for one in self._database.runs.find(
                    {"_id": {"$in": part}, "status": {"$ne": SUBMITTING}},
                    {"status": 1, "hyperspace.project": 1})}
            for run, one in found.items():
                if "hyperspace" not in one:
                    raise foreign_refused(run)
            _refuse_running([run for run, one in found.items() if one["status"] == State.RUNNING])
        if found and not dry_run:
            with self._database.writing():
                self._delete(sorted(found))
        return sorted(found)

    def _delete(self, runs: list[int]) -> None:
        """Hide the runs first, so that none can be claimed; if one was claimed before, show all again."""
        table, name = self._database.runs, f"deleted {secrets.token_hex(8)}"
        for part in _slices(runs):
            table.update_many({"_id": {"$in": part}, "status": State.QUEUED.value},
                              {"$set": {"status": SUBMITTING, "hyperspace.batch": name}})
        running = [one["_id"] for part in _slices(runs) for one in table.find(
            {"_id": {"$in": part}, "status": State.RUNNING.value}, {"_id": 1})]
        if running:
            table.update_many({"hyperspace.batch": name}, {
                "$set": {"status": State.QUEUED.value}, "$unset": {"hyperspace.batch": ""}})
            _refuse_running(running)
        for part in _slices(runs):
            table.delete_many({"_id": {"$in": part}, "status": {"$ne": State.RUNNING.value}})
            left = [one["_id"] for one in table.find({"_id": {"$in": part}}, {"_id": 1})]
            forget(self._database, [run for run in part if run not in left])
            _refuse_running(left)              # requeued and claimed within these milliseconds

    def _ask(self, run: int, verb: Verb, command: Callable[[Standing], Command]) -> State:
        """At once if the run has no owner, else as a command to its owner."""
        def step(before: Standing) -> tuple[State, Document]:
            if before.state is State.RUNNING:
                return State.RUNNING, {"$set": {"hyperspace.command": command(before).value}}
            return self._moved(before, verb)

        return self._stepped(run, step)

    def _moved(self, before: Standing, verb: Verb) -> tuple[State, Document]:
        state = next_state(before.run, before.state, verb)
        moment = self._now()
        new: Document = {"status": state.value}
        gone = ["hyperspace.reason", "hyperspace.not_before"]
        if state.terminal:
            new |= {"hyperspace.finished_at": moment, "stop_time": moment_of(moment)}
        else:
            gone.append("hyperspace.finished_at")
        return state, {"$set": new, "$unset": dict.fromkeys(gone, "")}

    def _stepped(self, run: int, step: Callable[[Standing], tuple[State, Document]]) -> State:
        with self._changing(run):
            for _ in range(TRIES):
                before = self._standing(run)
                state, change = step(before)
                if self._database.runs.update_one(before.unchanged(), change).matched_count == 1:
                    if state is State.QUEUED:
                        self._batches.ring(before.project)
                    return state
        raise self._too_busy(run)


def forget(database: Database, runs: list[int]) -> None:
    """Delete the data of deleted runs; contents of artifacts wait for the next collection."""
    for collection, name in ((database.points, "run"), (database.heads, "run"),
                              (database.output, "run"), (database.artifacts, "run"),
                             (database.attempts, "run"), (database.metrics, "run_id")):
        collection.delete_many({name: {"$in": runs}})


def _slices(runs: list[int]) -> Iterator[list[int]]:
    return (runs[start:start + SLICE] for start in range(0, len(runs), SLICE))


def _refuse_running(running: list[int]) -> None:
    if running:
        which = (f"run {running[0]} is" if len(running) == 1
                 else f"runs {', '.join(map(str, running[:10]))} are")
        raise Refused(f"{which} RUNNING: cancel first, then delete; nothing was deleted")
