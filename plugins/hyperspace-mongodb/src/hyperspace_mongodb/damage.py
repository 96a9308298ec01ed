"""Documents that somebody has damaged by hand: each is named, and none of them stops a worker.

Such a run is not guessed at. Whoever asks for it hears which one it is; a worker that meets it in the queue
sets it aside as FAILED and takes the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hyperspace_core.errors import HyperspaceError, StoreError
from hyperspace_core.records.states import State
from hyperspace_mongodb.connection import Database, Document

CANNOT_BE_READ = "its document is damaged; `hyperspace store check` says where"

# of a claim: what the server says of an array that is none, and of a number that is none
_BAD_VALUE, _TYPE_MISMATCH = 2, 14
# where documents of a kind lie, and what several of them are called
_PLACES = {"run": ("runs", "runs"), "search": ("hyperspace.searches", "searches")}


class Damaged(StoreError):
    """A document that is ours and says what no version of ours has written."""


@contextmanager
def decoding(document: Mapping[str, Any], kind: str = "run") -> Iterator[None]:
    """Around what takes a document of ours apart. Raises `Damaged`."""
    try:
        yield
    except HyperspaceError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        what = " ".join(str(error).split())
        if isinstance(error, KeyError):
            what = f"`{error.args[0]}` is missing"
        place, several = _PLACES[kind]
        raise Damaged(f"{kind} {document.get('_id')}: its document is damaged ({what[:120]}); mend it in the "
                      f"collection `{place}`, or remove it there; `hyperspace store check` names all such "
                      f"{several}") from error


def set_aside(database: Database, run: int, token: str) -> None:
    """A run that was claimed and cannot be read: nobody got its lease, so the claim is taken back."""
    database.runs.update_one(
        {"_id": run, "status": State.RUNNING.value, "hyperspace.token": {"$eq": token}},
        {"$set": {"status": State.FAILED.value, "hyperspace.reason": CANNOT_BE_READ},
         "$unset": {"hyperspace.token": ""}, "$inc": {"hyperspace.attempt": -1},
         "$pull": {"hyperspace.attempts": {"token": token}}})


def is_misfit(error: BaseException) -> bool:
    """Whether the server could not make the change of a claim in the document that it had found."""
    return getattr(error, "code", None) in (_BAD_VALUE, _TYPE_MISMATCH)


def set_misfits_aside(database: Database, project: str) -> bool:
    """The runs that the server cannot claim because of what stands in them; whether there were any."""
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
