"""Verbs of owners on their runs, and reaping. Every write is fenced."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hyperspace_core.plugin import codec, states
from hyperspace_core.records import (
    BeatAnswer,
    Command,
    Finish,
    Held,
    Late,
    Lease,
    Outcome,
    Owner,
    Progress,
    State,
    Update,
)
from hyperspace_mongodb.base import TRIES, Standing, Verbs, mine
from hyperspace_mongodb.connection import Document
from hyperspace_mongodb.corrupt import Damaged, decoding
from hyperspace_mongodb.dashboards import Dashboards
from hyperspace_mongodb.documents import ranked, snapshots_of, text, tree
from hyperspace_mongodb.sacred import (
    host_from,
    host_of,
    moment_of,
    origin_fields,
    shaped,
    shaped_config,
    trace_of,
)


class LeaseVerbs(Verbs):
    """T3 to T8, T10, T12 and T13."""

    _dashboards: Dashboards

    def beat(self, lease: Lease, progress: Progress | None = None) -> BeatAnswer:
        kept = codec.stored_progress(progress)
        change: Document = {"$inc": {"hyperspace.beat": 1}, "$currentDate": {"heartbeat": True}}
        if kept is not None:
            change["$set"] = {"hyperspace.progress": kept}
        with self._changing(lease.run):
            found = self._database.runs.find_one_and_update(
                mine(lease), change, projection={"hyperspace.command": 1})
            if found is None:
                self._standing(lease.run)
                return BeatAnswer(held=False)
        asked = found.get("hyperspace", {}).get("command")
        return BeatAnswer(held=True, command=None if asked is None else Command(asked))

    def update(self, lease: Lease, change: Update) -> bool:
        new: Document = {f"hyperspace.{name}": kept for name in ("scenario", "config", "info")
                         if (kept := tree(getattr(change, name), name)) is not None}
        if change.metric is not None:
            new |= {"hyperspace.metric": codec.plain_text(change.metric.name, "metric.name"),
                    "hyperspace.goal": change.metric.goal}
        if change.seed is not None:
            new["hyperspace.seed"] = codec.storable(change.seed, "seed")
        if change.config is not None:
            new["config"] = shaped_config(change.config, change.seed)
        elif change.seed is not None:
            new["config.seed"] = change.seed
        sections = None if change.provenance is None else codec.storable(change.provenance, "provenance")
        with self._changing(lease.run):
            for _ in range(TRIES):
                run = self._standing(lease.run)
                if not run.held_by(lease):
                    return False
                snapshots = snapshots_of((sections or {}).get("source"))
                if self._updated(lease, run, new | self._added(run, sections, change.info), snapshots):
                    return True
        raise self._too_busy(lease.run)

    def finish(self, lease: Lease, finish: Finish) -> bool:
        finish.check()
        kept: Document = {"hyperspace.metrics": tree(finish.metrics, "metrics")}
        info = tree(finish.info, "info")
        reason, traceback = text(finish.reason, "reason"), text(finish.traceback, "traceback")
        result = None if finish.result is None else float(finish.result)
        if info is not None:
            kept["hyperspace.info"] = info

        def choice(run: Standing) -> tuple[State, Document]:
            state, failures = states.after_finish(finish.outcome, run.command, run.failures,
                                           run.max_failures, retry=finish.retry)
            more: Document = {} if finish.info is None else {
                "info": shaped(finish.info) | {"metrics": run.series}}
            if state is State.QUEUED and (moment := finish.not_before(self._database.now())) is not None:
                more["hyperspace.not_before"] = codec.moment_text(moment)
            return state, kept | more | _result(result, run.goal) | {
                "hyperspace.failures": failures, "hyperspace.reason": reason,
                "fail_trace": trace_of(traceback)}

        return self._settled(lease, choice, finish.outcome, reason, traceback)

    def release(self, lease: Lease, reason: str | None = None) -> bool:
        reason = text(reason, "reason")

        def choice(run: Standing) -> tuple[State, Document]:
            return states.after_release(run.command), {"hyperspace.reason": reason} | _result(None, run.goal)

        return self._settled(lease, choice, Outcome.RELEASED, reason)

    def held(self, project: str) -> list[Held]:
        with self._database.using():
            found = self._database.runs.find(
                {"hyperspace.project": {"$eq": project}, "status": State.RUNNING.value},
                {"hyperspace.attempt": 1, "hyperspace.token": 1, "hyperspace.beat": 1,
                 "hyperspace.attempts": {"$slice": -1}}).sort("_id", 1)
            rows = list(found)
        return [held for row in rows if (held := _held(row)) is not None]

    def reap(self, seen: Held, reason: str = "") -> State | None:
        codec.plain_text(reason, "reason")
        lease = Lease(run=seen.run, attempt=seen.attempt, token=seen.token)
        with self._database.writing():
            for _ in range(TRIES):
                found = self._database.runs.find_one(
                    mine(lease) | {"hyperspace.beat": seen.beat}, {"_id": 1})
                if found is None:
                    return None
                run = self._standing(seen.run)
                losses = run.losses + 1
                state = states.after_reap(run.command, losses, run.max_losses)
                change = {"hyperspace.losses": losses, "hyperspace.reason": states.reason_of_reap(state,
                                                                                                  losses)}
                if run.held_by(lease) and self._ended(run, state, change | _result(None, run.goal),
                                                      Outcome.LOST, reason=reason or None, beat=seen.beat):
                    return state
        raise self._too_busy(seen.run)

    def readopt(self, lease: Lease, owner: Owner) -> bool:
        worker = codec.owner_text(owner)
        with self._changing(lease.run):
            for _ in range(TRIES):
                run = self._standing(lease.run)
                if run.held_by(lease):         # a repeat
                    return True
                place = run.place(lease.attempt, lease.token)
                if (run.state is not State.QUEUED or run.attempt != lease.attempt or place is None
                        or run.outcome(lease) is not Outcome.LOST):
                    return False
                path = f"hyperspace.attempts.{place}"
                found = self._database.runs.find_one_and_update(
                    run.unchanged() | {f"{path}.outcome": Outcome.LOST.value},
                    {"$set": {"status": State.RUNNING.value, "hyperspace.token": lease.token,
                              f"{path}.worker": worker, "host": host_of(owner), "stop_time": None,
                              "hyperspace.losses": max(0, run.losses - 1)},
                     "$unset": dict.fromkeys((f"{path}.outcome", f"{path}.reason", f"{path}.ended_at",
                                              "hyperspace.reason", "hyperspace.not_before"), ""),
                     "$inc": {"hyperspace.beat": 1}, "$currentDate": {"heartbeat": True}})
                if found is not None:
                    return True
        raise self._too_busy(lease.run)

    def late(self, lease: Lease, finish: Finish) -> bool:
        with self._changing(lease.run):
            note = codec.late_text(Late(outcome=finish.outcome, reason=finish.reason, result=finish.result,
                                  metrics=finish.metrics, at=self._database.now()))
            place = self._standing(lease.run).place(lease.attempt, lease.token)
            if place is None:
                return False
            path = f"hyperspace.attempts.{place}"
            return self._database.runs.update_one(
                {"_id": lease.run, f"{path}.token": {"$eq": lease.token}},
                {"$set": {f"{path}.late": note}}).matched_count == 1

    # -- helpers ---------------------------------------------------------------------------------------------

    def _settled(self, lease: Lease, choice: Callable[[Standing], tuple[State, Document]], outcome: Outcome,
                 reason: str | None, traceback: str | None = None) -> bool:
        """T4 to T7 and T10: the new state is chosen from values that the write is conditional on."""
        with self._changing(lease.run):
            for _ in range(TRIES):
                run = self._standing(lease.run)
                if not run.held_by(lease):
                    return run.outcome(lease) is outcome
                state, change = choice(run)
                if self._ended(run, state, change, outcome, reason=reason, traceback=traceback):
                    self._dashboards.catch_up(lease.run, lease.attempt)
                    return True
        raise self._too_busy(lease.run)

    def _ended(self, run: Standing, state: State, change: Document, outcome: Outcome, *, reason: str | None,
               traceback: str | None = None, beat: int | None = None) -> bool:
        """End the attempt and its lease in one step, if the run is unchanged."""
        moment, path = self._now(), f"hyperspace.attempts.{len(run.attempts) - 1}"
        new = change | {"status": state.value, "stop_time": moment_of(moment),
                        f"{path}.outcome": outcome.value, f"{path}.reason": reason,
                        f"{path}.ended_at": moment, f"{path}.traceback": traceback,
                        "hyperspace.finished_at": moment if state.terminal else None}
        gone = [name for name, value in new.items() if value is None and name.startswith("hyperspace.")]
        gone += ["hyperspace.token", "hyperspace.command"]
        if "hyperspace.not_before" not in new:
            gone.append("hyperspace.not_before")
        if beat is None:                       # set by its owner; dashboards compute the duration from it
            new["heartbeat"] = moment_of(moment)
        condition = run.unchanged() | ({} if beat is None else {"hyperspace.beat": beat})
        done = self._database.runs.update_one(condition, {
            "$set": {name: value for name, value in new.items() if name not in gone},
            "$unset": dict.fromkeys(gone, "")}).matched_count == 1
        if done and state is State.QUEUED:
            self._batches.ring(run.project)
        return done

    def _added(self, run: Standing, sections: dict[str, Any] | None, info: Any) -> Document:
        """Merge an update into the stored values."""
        new: Document = {} if info is None else {"info": shaped(info) | {"metrics": run.series}}
        if sections is None:
            return new
        place = len(run.attempts) - 1
        found = self._database.runs.find_one({"_id": run.run}, {"hyperspace.attempts": {"$slice": -1}}) or {}
        last = (found.get("hyperspace", {}).get("attempts") or [{}])[-1]
        merged = codec.from_text(last.get("provenance", "{}")) | sections
        worker = last.get("worker")
        origin = origin_fields(self._database, merged)
        return new | {f"hyperspace.attempts.{place}.provenance": tree(merged, "provenance"),
                      "host": host_from(merged, codec.owner_of(worker) if worker else None),
                      **{f"experiment.{name}": value for name, value in origin.items()}}

    def _updated(self, lease: Lease, run: Standing, new: Document, snapshots: list[str] | None) -> bool:
        change: Document = {"$inc": {"hyperspace.edits": 1}} | ({"$set": new} if new else {})
        if snapshots:
            change["$addToSet"] = {"hyperspace.snapshots": {"$each": snapshots}}
        condition = mine(lease) | {"hyperspace.edits": run.edits}
        return self._database.runs.update_one(condition, change).matched_count == 1


def _held(row: Document) -> Held | None:
    """The lease; None for a run set to RUNNING by hand: it has no owner, and `check` lists it."""
    try:
        with decoding(row):
            ours = row["hyperspace"]
            return Held(run=row["_id"], attempt=ours["attempt"], token=ours["token"], beat=ours["beat"],
                        owner=codec.owner_of(ours["attempts"][-1]["worker"]))
    except Damaged:
        return None


def _result(result: float | None, goal: str) -> Document:
    rank = {f"hyperspace.{name}": value for name, value in ranked(result, goal).items()}
    return rank | {"result": result, "hyperspace.result": result}
