"""Move long texts of ended attempts out of the document (limit 16 MB).

A claim moves them when the earlier attempts hold more than `ROOM` characters. Each text is copied first and
removed afterwards, in a step that requires it to be unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence

from hyperspace_mongodb.connection import Database, Document
from hyperspace_mongodb.corrupt import decoding
from hyperspace_mongodb.documents import Moved, numbers

ROOM = 1_000_000
TEXTS = ("traceback", "provenance")


def make_room(database: Database, document: Document) -> None:
    """Move long texts of ended attempts; `document` is changed accordingly."""
    ours = document["hyperspace"]
    attempts = ours.get("attempts", [])[:-1]
    if sum(len(found.get(name, "")) for found in attempts for name in TEXTS) <= ROOM:
        return
    for place, (number, found) in enumerate(zip(numbers(ours), attempts, strict=False)):
        texts = {name: found[name] for name in TEXTS if name in found}
        if not texts or not found.get("outcome"):
            continue
        run = document["_id"]
        database.attempts.replace_one({"_id": f"{run}:{number}"}, {"run": run, "number": number, **texts},
                                      upsert=True)
        path = f"hyperspace.attempts.{place}"
        database.runs.update_one(
            {"_id": run, f"{path}.token": {"$eq": found["token"]}, f"{path}.outcome": found["outcome"]},
            {"$set": {f"{path}.moved": True}, "$unset": {f"{path}.{name}": "" for name in texts}})
        found["moved"] = True
        for name in texts:
            del found[name]


def moved_texts(database: Database, documents: Sequence[Document]) -> Moved:
    """The moved texts of all attempts of some runs."""
    keys = [key for document in documents for key in _moved_keys(document)]
    if not keys:
        return {}
    return {(found["run"], found["number"]): found
            for found in database.attempts.find({"_id": {"$in": keys}})}


def _moved_keys(document: Document) -> list[str]:
    with decoding(document):
        ours = document["hyperspace"]
        return [f"{document['_id']}:{number}" for number, found in
                zip(numbers(ours), ours.get("attempts", ()), strict=True) if found.get("moved")]
