"""Documents damaged by hand: named in an error, and no worker stops.

A damaged run is never guessed. Reading it raises an error with its id; a worker that finds it in the queue
marks it FAILED and claims the next one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hyperspace_core.errors import HyperspaceError, StoreError
from hyperspace_core.records import State
from hyperspace_mongodb.connection import Database, Document

CANNOT_BE_READ = "its document is damaged; `hyperspace store check` names the place"

# server errors of a claim: a field is not an array, or not a number
_BAD_VALUE, _TYPE_MISMATCH = 2, 14
# collections by kind, and the plural of each kind
_PLACES = {"run": ("runs", "runs"), "search": ("hyperspace.searches", "searches")}


class Damaged(StoreError):
    """A document of ours with content that no version of ours has written."""


@contextmanager
def decoding(document: Mapping[str, Any], kind: str = "run") -> Iterator[None]:
    """Around decoding a document of ours. Raises `Damaged`."""
    try:
        yield
    except HyperspaceError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = " ".join(str(error).split())
        if isinstance(error, KeyError):
            what = f"`{error.args[0]}` is missing"
        place, several = _PLACES[kind]
        raise Damaged(f"{kind} {document.get('_id')}: its document is damaged ({what[:120]}); repair "
                      f"it in the collection `{place}`, or delete it there; `hyperspace store check` names "
                      f"all such {several}") from error


def set_aside(database: Database, run: int, token: str) -> None:
    """Mark a claimed run that cannot be read as FAILED: its lease was not given out."""
    database.runs.update_one(
        {"_id": run, "status": State.RUNNING.value, "hyperspace.token": {"$eq": token}},
        {"$set": {"status": State.FAILED.value, "hyperspace.reason": CANNOT_BE_READ},
         "$unset": {"hyperspace.token": ""}, "$inc": {"hyperspace.attempt": -1},
         "$pull": {"hyperspace.attempts": {"token": token}}})


def is_misfit(error: BaseException) -> bool:
    """Whether the server could not apply the claim to the document that it found."""
    return getattr(error, "code", None) in (_BAD_VALUE, _TYPE_MISMATCH)


def set_misfits_aside(database: Database, project: str) -> bool:
    """Mark the runs that the server cannot claim because of their content; whether there were any."""
    found = database.runs.find(
        {"hyperspace.project": {"$eq": project}, "status": State.QUEUED.value},
        {"hyperspace.attempts": 1, "hyperspace.attempt": 1, "hyperspace.beat": 1})
    misfits = [one["_id"] for one in found if not _fits(one["hyperspace"])]
    return bool(misfits) and database.runs.update_many(
        {"_id": {"$in": misfits}, "status": State.QUEUED.value},
        {"$set": {"status": State.FAILED.value, "hyperspace.reason": CANNOT_BE_READ}}).matched_count > 0


def _fits(ours: Document) -> bool:
    return isinstance(ours.get("attempts", []), list) and all(
        isinstance(ours.get(name, 0), int | float) for name in ("attempt", "beat"))
