"""A sample store with every kind of content, for tests of store copies."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hyperspace_core.records import (
    Claim,
    Finish,
    Lease,
    Migration,
    NewRun,
    Outcome,
    OutputChunk,
    Owner,
    Point,
    Progress,
    Rewrite,
    RunFilter,
    Snapshot,
    SourceFile,
    State,
    Update,
)
from hyperspace_core.storage import Maintenance, Migrations, Sources, Store, new_token
from hyperspace_migrate.copy import arriving, copy_runs
from hyperspace_migrate.digest import batches, run_digest

PROJECT, ELSEWHERE = "conformance", "elsewhere"        # two projects in one store
COMPLETED = Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5})
FAILED = Finish(outcome=Outcome.FAILED, reason="ValueError: no", traceback="Traceback: no")
SCENARIO = {"className": "Holdout", "share": 0.25}
CONFIG = {"classifier": {"className": "Forest", "trees": 100, "a.b": [-0.0, math.nan, 1, 1.0, None, "$x"]}}
DEEPER = {"classifier": {"className": "Forest", "trees": 100, "depth": 3}}
DEEPEST = {"classifier": {"className": "Forest", "trees": 100, "max_depth": 3}}
CODE = {"study/__init__.py": b"", "study/model.py": b"TREES = 100\n"}
WRITES = {"restore", "append", "put_artifact", "put_snapshot", "migrate", "change_settings"}


class SampleRuns:
    """Brings runs of one project into any state, by the verbs of the store."""

    def __init__(self, store: Store, project: str = PROJECT) -> None:
        self.store, self.project = store, project

    def start(self, **fields: Any) -> Lease:
        """Submit a run and claim it."""
        return self.take(self._submit(**fields)).lease

    def take(self, run: int, worker: str = "first") -> Claim:
        """Claim a queued run."""
        owner = Owner(worker=worker, host="host", user="user", boot_id="boot", pid_namespace="4026531836",
                      pid=17, process_started=1234.5)
        claim = self.store.claim(self.project, owner, new_token(), only=[run])
        assert claim is not None, f"run {run} cannot be claimed"
        return claim

    def lose(self, run: int) -> None:
        """Reap a running run, as if its worker were dead."""
        held = next(held for held in self.store.held(self.project) if held.run == run)
        assert self.store.reap(held, "gone") is not None, f"run {run} was not reaped"

    def in_state(self, state: State, **fields: Any) -> int:
        """A new run in a state."""
        run = self._submit(**fields)
        if state is State.PAUSED:
            self.store.pause(run)
        elif state is State.CANCELLED:
            self.store.cancel(run)
        elif state is not State.QUEUED:
            lease = self.take(run, "second").lease
            if state is not State.RUNNING:
                assert self.store.finish(lease, COMPLETED if state is State.COMPLETED else FAILED)
        return run

    def _submit(self, **fields: Any) -> int:
        given = {"uid": new_token(), "project": self.project, "task": "task", "submitted": {}}
        return self.store.submit([NewRun(**given | fields)])[0]


def fill_sample_store(store: Store, folder: Path, *, points: int = 50) -> dict[str, int]:
    """Store runs in every state, with all kinds of content; their ids by name."""
    sample = SampleRuns(store)
    runs = {"rich": rich(sample, folder, points=points), "migrated": migrated(sample)}
    runs["child"] = sample.in_state(State.FAILED, parent=runs["rich"], tags=("t", "ü"), note="a\nb",
                                  priority=-2)
    runs |= {state.lower(): sample.in_state(state, scenario=SCENARIO, config=CONFIG) for state in State}
    retried = sample.start(max_failures=1)
    store.append(retried.run, 1, points=[Point(seq=0, name="loss", step=0, value=1.0, at=0.5)])
    store.finish(retried, FAILED)
    elsewhere = SampleRuns(store, ELSEWHERE).in_state(State.CANCELLED, search="s")
    return runs | {"retried": retried.run, "elsewhere": elsewhere}


def rich(sample: SampleRuns, folder: Path, *, points: int) -> int:
    """A run with two attempts, a late note, series, output, files and its code."""
    store = sample.store
    code = put_code(store)
    lost = sample.start(scenario=SCENARIO, config=CONFIG, submitted=CONFIG, code={"snapshot": code.digest})
    sample.lose(lost.run)
    lease = sample.take(lost.run, "second").lease
    store.late(lost, Finish(outcome=Outcome.COMPLETED, result=-0.0, metrics={"x": math.inf}))
    store.beat(lease, Progress(done=1, total=3, note="half"))
    provenance = {"source": {"snapshot": code.digest}, "git": {"a": 1}}
    store.update(lease, Update(info={"n": 1}, provenance=provenance))
    odd = [math.nan, math.inf, -math.inf, -0.0, 5e-324]
    for number, count in ((1, 7), (2, points)):
        for seqs in batches(range(count), 5000):
            store.append(lost.run, number, points=[
                Point(seq=seq, name="loss.$x" if seq % 2 else "λ", step=seq if seq % 3 else None,
                      value=odd[seq] if seq < len(odd) else seq / 7, at=1.7e9 + seq / 8) for seq in seqs])
        store.append(lost.run, number, output=[
            OutputChunk(seq=seq, text=f"{seq} ü\0\n" * 3000, at=seq / 4) for seq in range(25)])
        for name, content in (("weights", b"w" * 300_000), ("plots/roc.png", b"p" * number)):
            (folder / "file").write_bytes(content)
            store.put_artifact(lost.run, number, name, folder / "file")
    store.finish(lease, COMPLETED)
    return lost.run


def migrated(sample: SampleRuns) -> int:
    """A run whose config was rewritten by two migrations."""
    run = sample.in_state(State.COMPLETED, scenario=SCENARIO, config=CONFIG)
    for name, old, new in (("add depth", CONFIG, DEEPER), ("rename depth", DEEPER, DEEPEST)):
        migration = Migration(name=name, project=PROJECT, author="ann@host", steps=({"op": name},))
        assert Migrations.of(sample.store).migrate(migration, [Rewrite(
            run=run, old_scenario=SCENARIO, old_config=old, scenario=SCENARIO, config=new)]) == [run]
    return run


def put_code(store: Store) -> Snapshot:
    snapshot = Snapshot(files=tuple(
        SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))
        for path, content in CODE.items()))
    Sources.of(store).put_snapshot(snapshot, CODE.__getitem__)
    return snapshot


def assert_the_same(source: Store, target: Store) -> None:
    """Assert that every run of the source that is not running is at the target, with equal content."""
    there = {record.uid: record for record in target.find(RunFilter())}
    here = [record for record in source.find(RunFilter()) if record.state is not State.RUNNING]
    assert {record.uid for record in here} == set(there)
    for record in here:
        found = there[record.uid]
        differing = run_digest(source, arriving(record)).differences(run_digest(target, found))
        assert differing == (), f"run {record.id}: {differing}"
        for attempt in found.attempts:
            for artifact in target.artifacts(found.id, attempt=attempt.number):
                with target.open_artifact(artifact) as content:
                    assert hashlib.sha256(content.read()).hexdigest() == artifact.digest
    assert Maintenance.of(target).check() == ()


# -- A copy in another process, which may be killed at any write ------------------------------------------

def copy_to(store: Store, report: Callable[[str], None], opener: Callable[[str], Store],
            url: str) -> Counter[str]:
    """Copy the whole store to another one and report each write; return the runs' fates."""
    with opener(url) as target:
        reporting: Any = ReportingStore(target, report)
        return Counter(one.fate.value for one in copy_runs(store, reporting))


class ReportingStore:
    """A store that reports each write, before and after."""

    def __init__(self, store: Store, report: Callable[[str], None]) -> None:
        self._store, self._report = store, report

    @property  # type: ignore[misc]
    def __class__(self) -> Any:            # it has the capabilities of its store
        return type(self._store)

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._store, name)
        if name not in WRITES:
            return verb

        def reported(*given: Any, **named: Any) -> Any:
            self._report(f"{name} begins")
            answer = verb(*given, **named)
            self._report(f"{name} is done")
            return answer

        return reported
