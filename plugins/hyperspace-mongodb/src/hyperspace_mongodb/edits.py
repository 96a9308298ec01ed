"""Verbs of users on runs: cancel, pause, resume, requeue, annotate, delete."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.plugin import Tree, codec, info as info_, states
from hyperspace_core.records import Command, Migration, Rewrite, Rewritten, RunRecord, State, Verb
from hyperspace_mongodb.base import TRIES, Standing, Verbs, foreign_refused
from hyperspace_mongodb.batches import SUBMITTING
from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.documents import checked_tags, note_of, record_of, restored_document, tags_of, tree
from hyperspace_mongodb.errors import is_duplicate
from hyperspace_mongodb.overflow import moved_texts
from hyperspace_mongodb.sacred import host_from, moment_of, origin_fields, shaped, shaped_config
from hyperspace_mongodb.storing import further, stored

SLICE = 1000


class EditVerbs(Verbs):
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
            state = states.next_state(before.run, before.state, Verb.REQUEUE)
            gone = ("result", "reason", "progress", "not_before", "finished_at")
            return state, {
                "$set": {"status": state.value, "hyperspace.losses": 0, "hyperspace.failures": 0,
                         "hyperspace.metrics": "{}", "hyperspace.ranked": 0, "hyperspace.rank": 0.0,
                         "result": None, "stop_time": None, "fail_trace": []},
                "$unset": {f"hyperspace.{name}": "" for name in gone}}

        return self._stepped(run, step)

    def annotate(self, run: int, *, add_tags: Collection[str] = (), remove_tags: Collection[str] = (),
                 note: str | None = None, priority: int | None = None) -> RunRecord:
        codec.plain_text(note, "note")
        change: Document = {}
        if priority is not None:
            change["hyperspace.priority"] = codec.storable(priority, "priority")
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
        codec.plain_text(name, "metric")
        with self._changing(run):
            for _ in range(TRIES):
                before = self._document(run)
                if "hyperspace" not in before:
                    raise foreign_refused(run)
                record = record_of(before, moved_texts(self._database, [before]))
                info_.check_ended(record)
                info = info_.amended(record.info, name, entry)
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
        state = states.next_state(before.run, before.state, verb)
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


# -- Store records of another store unchanged, under new ids --

class RestoringVerbs(Verbs):
    """The verb that stores runs which did not begin here."""

    def restore(self, records: Sequence[RunRecord]) -> list[int]:
        found = [(record, restored_document(record)) for record in records]
        if not records:
            return []
        with self._database.writing():
            documents: dict[str, list[Document]] = {}
            for record, document in found:
                self._show_origin(record, document)
                documents.setdefault(record.uid, []).append(document)
            # of the same uid twice, the second finds the first, and replaces it if it is further on
            chosen = [next(filter(further, each), each[0]) for each in documents.values()]
            ids = stored(self._database, self._batches, chosen)
        return [ids[record.uid] for record in records]

    def _show_origin(self, record: RunRecord, document: Document) -> None:
        """Set the dashboard fields; the snapshot of its source code may be stored already."""
        if record.attempt is not None:
            provenance = record.attempt.provenance
            document["experiment"] |= origin_fields(self._database, provenance)
            document["host"] = host_from(provenance, record.attempt.worker)


# -- Migrations of stored configs: applied run by run, undone exactly --

_ENDED = [state.value for state in states.TERMINAL]


class RewritingVerbs(Verbs):
    """Migrations; the previous values of a run are kept as the original text."""

    def migrations(self, project: str) -> list[Migration]:
        with self._database.using():
            found = list(self._database.migrations.find({"project": {"$eq": project}}).sort("number", 1))
            return [_migration_of(one, self._runs_of(project, one["name"])) for one in found]

    def migrate(self, migration: Migration, rewrites: Sequence[Rewrite]) -> list[int]:
        name, project = codec.plain_text(migration.name,
                                         "migration"), codec.plain_text(migration.project, "project")
        author = codec.plain_text(migration.author, "author")
        steps = codec.to_text(codec.storable(list(migration.steps), "steps"))
        changes = [(rewrite, _condition(migration, rewrite), _change(migration, rewrite))
                   for rewrite in rewrites]
        with self._database.writing():
            self._keep({"project": project, "name": name, "steps": steps, "author": author,
                        "at": self._now()})
            done = []
            for rewrite, condition, change in changes:
                found = self._database.runs.find_one({"_id": {"$eq": rewrite.run}}, {"hyperspace.seed": 1})
                seed = (found or {}).get("hyperspace", {}).get("seed")
                change["$set"]["config"] = shaped_config(rewrite.config, seed)
                if self._database.runs.update_one(condition, change).matched_count:
                    done.append(rewrite.run)
            return done

    def unmigrate(self, project: str, name: str) -> list[int]:
        with self._database.writing():
            if self._database.migrations.find_one(_named(project, name)) is None:
                known = [one["name"] for one in self._database.migrations.find(
                    {"project": {"$eq": project}}).sort("number", 1)]
                raise NotFound(f"no migration '{name}' of project '{project}'"
                               f" (applied: {', '.join(known) or 'none'})")
            runs = list(self._database.runs.find(
                {"hyperspace.project": {"$eq": project}, "hyperspace.rewrites.migration": {"$eq": name}},
                {"hyperspace.rewrites": 1, "hyperspace.seed": 1}).sort("_id", 1))
            self._refuse_later(name, runs)
            done = [run["_id"] for run in runs if self._undone(run, name)]
            self._database.migrations.update_one(_named(project, name), {"$set": {"undone_at": self._now()}})
            return done

    def rewritten(self, run: int) -> list[Rewritten]:
        with self._database.using():
            found = self._document(run, {"status": 1, "hyperspace.rewrites": 1})
        return [Rewritten(migration=one["migration"], scenario=codec.stored_tree(one.get("scenario")),
                          config=codec.stored_tree(one.get("config")))
                for one in found.get("hyperspace", {}).get("rewrites", ())]

    # -- helpers ---------------------------------------------------------------------------------------------

    def _runs_of(self, project: str, name: str) -> int:
        return self._database.runs.count_documents(
            {"hyperspace.project": {"$eq": project}, "hyperspace.rewrites.migration": {"$eq": name}})

    def _keep(self, wanted: Document) -> None:
        """Record a migration; applied again after an undo, it gets a new entry at the end."""
        project, name = wanted["project"], wanted["name"]
        table = self._database.migrations
        for _ in range(2):
            found = table.find_one(_named(project, name))
            runs = self._runs_of(project, name) if found else 0
            if found and found["steps"] != wanted["steps"] and runs:
                raise Refused(f"migration '{name}' has been applied to {runs} runs with other steps; give "
                              "this one another name, or undo that one first")
            if found and not found.get("undone_at") and found["steps"] == wanted["steps"]:
                return
            last = table.find_one({}, {"number": 1}, sort=[("number", -1)])
            number = {"number": 1 + (last["number"] if last else 0)}
            if found:
                table.update_one({"_id": found["_id"]},
                                 {"$set": wanted | number, "$unset": {"undone_at": ""}})
                return
            try:
                table.insert_one(wanted | number)
                return
            except Exception as error:
                if not is_duplicate(error):    # another process was faster: read again
                    raise

    def _refuse_later(self, name: str, runs: Sequence[Document]) -> None:
        for run in runs:
            last = run["hyperspace"]["rewrites"][-1]["migration"]
            if last != name:
                raise Refused(f"migration '{name}': run {run['_id']} was rewritten by '{last}' after it; "
                              f"undo '{last}' first")

    def _undone(self, run: Document, name: str) -> bool:
        before = run["hyperspace"]["rewrites"][-1]
        new, gone = {}, {}
        for field in ("scenario", "config"):
            if before.get(field) is None:
                gone[f"hyperspace.{field}"] = ""
            else:
                new[f"hyperspace.{field}"] = before[field]
        new["config"] = shaped_config(codec.stored_tree(before.get("config")), run["hyperspace"].get("seed"))
        place = len(run["hyperspace"]["rewrites"]) - 1
        condition = {"_id": run["_id"], "hyperspace.rewrites": {"$size": place + 1},
                     f"hyperspace.rewrites.{place}.migration": {"$eq": name}}
        return self._database.runs.update_one(condition, {
            "$set": new, "$unset": gone, "$pop": {"hyperspace.rewrites": 1}}).matched_count == 1


def _condition(migration: Migration, rewrite: Rewrite) -> Document:
    """The run has ended, is unchanged since it was read, and does not have the migration yet."""
    return {"_id": {"$eq": rewrite.run}, "status": {"$in": _ENDED},
            "hyperspace.project": {"$eq": migration.project},
            "hyperspace.rewrites.migration": {"$ne": migration.name},
            "hyperspace.scenario": {"$eq": tree(rewrite.old_scenario, "scenario")},
            "hyperspace.config": {"$eq": tree(rewrite.old_config, "config")}}


def _change(migration: Migration, rewrite: Rewrite) -> dict[str, Any]:
    kept = {"migration": migration.name, "scenario": tree(rewrite.old_scenario, "scenario"),
            "config": tree(rewrite.old_config, "config")}
    new = {"scenario": tree(rewrite.scenario, "scenario"), "config": tree(rewrite.config, "config")}
    change: dict[str, Any] = {
        "$set": {f"hyperspace.{name}": value for name, value in new.items() if value is not None},
        "$push": {"hyperspace.rewrites": kept}}
    gone = {f"hyperspace.{name}": "" for name, value in new.items() if value is None}
    return change | ({"$unset": gone} if gone else {})


def _named(project: str, name: str) -> Document:
    return {"project": {"$eq": project}, "name": {"$eq": name}}


def _migration_of(found: Document, runs: int) -> Migration:
    undone = found.get("undone_at")
    return Migration(name=found["name"], project=found["project"],
                     steps=tuple(codec.from_text(found["steps"])), author=found["author"] or "", runs=runs,
                     at=datetime.fromisoformat(found["at"]),
                     undone_at=datetime.fromisoformat(undone) if undone else None)
