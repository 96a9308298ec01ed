"""Migrations of stored configs: applied run by run, undone exactly.

Each run is rewritten in one step; its previous values are kept in the same document. A killed migration
leaves some runs rewritten and others not; apply it again, or undo it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from hyperspace_core.errors import NotFound, Refused
from hyperspace_core.records.codec import from_text, plain_text, storable, to_text, tree_of
from hyperspace_core.records.migration import Migration, Rewrite, Rewritten
from hyperspace_core.records.states import TERMINAL
from hyperspace_mongodb.base import Verbs
from hyperspace_mongodb.complaints import is_duplicate
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.documents import tree
from hyperspace_mongodb.sacred import shaped_config

_ENDED = [state.value for state in TERMINAL]


class RewritingVerbs(Verbs):
    """Migrations; the previous values of a run are kept as the original text."""

    def migrations(self, project: str) -> list[Migration]:
        with self._database.using():
            found = list(self._database.migrations.find({"project": {"$eq": project}}).sort("number", 1))
            return [_migration_of(one, self._runs_of(project, one["name"])) for one in found]

    def migrate(self, migration: Migration, rewrites: Sequence[Rewrite]) -> list[int]:
        name, project = plain_text(migration.name, "migration"), plain_text(migration.project, "project")
        author = plain_text(migration.author, "author")
        steps = to_text(storable(list(migration.steps), "steps"))
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
        return [Rewritten(migration=one["migration"], scenario=tree_of(one.get("scenario")),
                          config=tree_of(one.get("config")))
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
        new["config"] = shaped_config(tree_of(before.get("config")), run["hyperspace"].get("seed"))
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
    return Migration(name=found["name"], project=found["project"], steps=tuple(from_text(found["steps"])),
                     author=found["author"] or "", runs=runs, at=datetime.fromisoformat(found["at"]),
                     undone_at=datetime.fromisoformat(undone) if undone else None)
