"""Convert between documents of `runs` and records; the only place that does.

Our data is the sub-document `hyperspace`, with each tree as the codec's exact text; the other fields have
Sacred's names and are for dashboards. Three of Sacred's fields are the only copy of their values: `status` is
the state, `experiment.name` the task, `omniboard` holds tags and note, so that tags and notes typed in
Omniboard are read here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hyperspace_core.errors import Refused
from hyperspace_core.plugin import codec, named_snapshots
from hyperspace_core.records import Attempt, Command, Metric, NewRun, Owner, Progress, RunRecord, State
from hyperspace_core.storage import new_token
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.corrupt import decoding
from hyperspace_mongodb.errors import too_large
from hyperspace_mongodb.sacred import begun, sacred_fields

LONGEST_TREE = 4_000_000       # characters of a tree; a run has five, a document at most 16 MB

# (run, number of the attempt) -> its texts in a separate collection
Moved = Mapping[tuple[int, int], Mapping[str, str]]

TREES = ("submitted", "scenario", "config", "metrics", "info", "code")
_PLAIN = ("uid", "project", "submitted_by", "search")
_NUMBERS = ("priority", "max_losses", "max_failures", "seed", "parent")


def tree(value: Any, path: str) -> str | None:
    """The exact text of a tree; None stays None. Raises `ValueNotStorable`."""
    text = codec.tree_text(value, path)
    if text is not None and len(text) > LONGEST_TREE:
        raise too_large(path)
    return text


def text(value: str | None, path: str) -> str | None:
    found = codec.plain_text(value, path)
    if found is not None and len(found) > LONGEST_TREE:
        raise too_large(path)
    return found


def new_document(run: NewRun, moment: str) -> Document:
    """The document of a submitted run, without its id. Raises `ValueNotStorable`."""
    ours = _common(run) | {"attempt": 0, "losses": 0, "failures": 0, "metrics": "{}", "info": "{}",
                           "submitted_at": moment} | ranked(None, run.metric.goal)
    waiting = {name: value for name, value in sacred_fields(run, moment).items() if name not in begun()}
    return waiting | {"status": State.QUEUED.value, "hyperspace": _known(ours)}


def new_attempt(token: str, owner: Owner, moment: str) -> Document:
    """A starting attempt; its number follows from its position (`numbers`), so that a claim is one step."""
    return {"token": token, "worker": codec.owner_text(owner), "started_at": moment,
            "provenance": "{}"}


def restored_document(record: RunRecord) -> Document:
    """The document of a restored record. Raises `Refused`, `ValueNotStorable`."""
    if record.state is State.RUNNING:
        raise Refused(f"run {record.id} ({record.uid}) is RUNNING: it can be restored when it has ended; "
                      "nothing was restored")
    moments = {name: None if moment is None else codec.moment_text(moment) for name, moment in (
        ("submitted_at", record.submitted_at), ("finished_at", record.finished_at))}
    ours = _common(record) | moments | ranked(record.result, record.metric.goal) | {
        "attempt": record.attempts[-1].number if record.attempts else 0, "losses": record.losses,
        "failures": record.failures, "reason": text(record.reason, "reason"), "result": record.result,
        "progress": codec.stored_progress(record.progress)}
    if record.attempts:
        ours["attempts"] = [_restored(attempt) for attempt in record.attempts]
    return sacred_fields(record, moments["submitted_at"]) | {
        "status": record.state.value, "hyperspace": _known(ours | {"beat": ours["attempt"]})}


def record_of(document: Mapping[str, Any], moved: Moved | None = None) -> RunRecord:
    """Raises `Damaged`."""
    with decoding(document):
        return _record(document, moved or {})


def _record(document: Mapping[str, Any], moved: Moved) -> RunRecord:
    ours = document["hyperspace"]
    attempts = tuple(_attempt(number, found, moved.get((document["_id"], number), {}))
                     for number, found in zip(numbers(ours), ours.get("attempts", ()), strict=True))
    command, progress = ours.get("command"), ours.get("progress")
    return RunRecord(id=document["_id"], uid=ours["uid"], project=ours["project"],
                     task=document["experiment"]["name"], state=State(document["status"]),
                     reason=ours.get("reason"), priority=ours["priority"], tags=tags_of(document),
                     note=note_of(document), submitted=codec.from_text(ours["submitted"]),
                     submitted_by=ours["submitted_by"], scenario=codec.stored_tree(ours.get("scenario")),
                     config=codec.stored_tree(ours.get("config")),
                     metric=Metric(name=ours["metric"], goal=ours["goal"]), seed=ours.get("seed"),
                     validated=ours["validated"],
                     progress=None if progress is None else Progress(**codec.from_text(progress)),
                     result=ours.get("result"), metrics=codec.from_text(ours["metrics"]),
                     info=codec.from_text(ours["info"]), attempts=attempts, losses=ours["losses"],
                     max_losses=ours["max_losses"], failures=ours["failures"],
                     max_failures=ours["max_failures"], command=None if command is None else Command(command),
                     parent=ours.get("parent"), search=ours.get("search"),
                     submitted_at=codec.moment_of(ours.get("submitted_at")),
                     started_at=attempts[-1].started_at if attempts else None,
                     finished_at=codec.moment_of(ours.get("finished_at")),
                     code=codec.from_text(ours.get("code") or "{}"),
                     migrated=tuple(found["migration"] for found in ours.get("rewrites", ())))


def numbers(ours: Mapping[str, Any]) -> list[int]:
    """The attempts' numbers: the last one has the highest number; restored attempts keep theirs."""
    attempts = ours.get("attempts", ())
    first = ours["attempt"] - len(attempts) + 1
    return [found.get("number", first + place) for place, found in enumerate(attempts)]


def tags_of(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags, from any value that a dashboard may have written."""
    tags = _omniboard(document).get("tags")
    return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()


def note_of(document: Mapping[str, Any]) -> str:
    note = _omniboard(document).get("notes")
    return note if isinstance(note, str) else ""


def ranked(result: float | None, goal: str) -> Document:
    """Two fields for sorting: the best first, missing numbers last."""
    if result is None or math.isnan(result):
        return {"ranked": 0, "rank": 0.0}
    return {"ranked": 1, "rank": float(result if goal == "minimize" else -result)}


def checked_tags(tags: Sequence[str]) -> list[str]:
    found: list[str] = codec.storable(list(tags), "tags")
    return found


def snapshots_of(*sections: Any) -> list[str] | None:
    """The snapshots of source code that they name; None if there are none, to keep the index small."""
    found = [digest for section in sections if isinstance(section, Mapping)
             for digest in named_snapshots(section)]
    return list(dict.fromkeys(found)) or None


def _common(run: NewRun | RunRecord) -> Document:
    trees = {name: tree(getattr(run, name, None), name) for name in TREES}
    if not run.code:
        trees["code"] = None
    sections = [run.code, *(attempt.provenance.get("source") for attempt in getattr(run, "attempts", ()))]
    codec.storable(run.task, "task")
    checked_tags(run.tags)
    codec.storable(run.note, "note")
    return {
        **{name: text(getattr(run, name), name) for name in _PLAIN},
        **{name: codec.storable(getattr(run, name), name) for name in _NUMBERS},
        **trees, "metric": text(run.metric.name, "metric.name"), "goal": run.metric.goal,
        "validated": run.validated, "beat": 0, "edits": 0, "format": 1,
        "snapshots": snapshots_of(*sections),
    }


def _known(ours: Document) -> Document:
    """The entries that are not None: the token index needs `attempts` missing until a claim."""
    return {name: value for name, value in ours.items() if value is not None}


def _restored(attempt: Attempt) -> Document:
    """A restored attempt with an unknown token."""
    return _known({
        "number": attempt.number, "token": new_token(),
        "worker": "" if attempt.worker is None else codec.owner_text(attempt.worker),
        "started_at": "" if attempt.started_at is None else codec.moment_text(attempt.started_at),
        "ended_at": None if attempt.ended_at is None else codec.moment_text(attempt.ended_at),
        "outcome": None if attempt.outcome is None else attempt.outcome.value,
        "reason": text(attempt.reason, "attempt.reason"),
        "traceback": text(attempt.traceback, "attempt.traceback"),
        "provenance": tree(attempt.provenance, "attempt.provenance"),
        "late": None if attempt.late is None else codec.late_text(attempt.late)})


def _attempt(number: int, found: Mapping[str, Any], moved: Mapping[str, str]) -> Attempt:
    return codec.attempt_of((number, found.get("outcome"), found.get("reason"), found["worker"],
                       found["started_at"], found.get("ended_at"),
                       found.get("traceback", moved.get("traceback")),
                       found.get("provenance", moved.get("provenance", "{}")), found.get("late")))


def _omniboard(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("omniboard")
    return found if isinstance(found, Mapping) else {}
