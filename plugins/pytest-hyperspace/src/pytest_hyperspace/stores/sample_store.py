"""A sample store with every kind of content, for tests of store copies."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from hyperspace_core.moving.copying import arriving
from hyperspace_core.moving.portrait import batches, run_digest
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.migration import Migration, Rewrite
from hyperspace_core.records.run import Finish, OutputChunk, Update
from hyperspace_core.records.source import Snapshot, SourceFile
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from pytest_hyperspace.stores.harness import COMPLETED, FAILED, PROJECT, Harness

ELSEWHERE = "elsewhere"        # another project in the same store
SCENARIO = {"className": "Holdout", "share": 0.25}
CONFIG = {"classifier": {"className": "Forest", "trees": 100, "a.b": [-0.0, math.nan, 1, 1.0, None, "$x"]}}
DEEPER = {"classifier": {"className": "Forest", "trees": 100, "depth": 3}}
DEEPEST = {"classifier": {"className": "Forest", "trees": 100, "max_depth": 3}}
CODE = {"study/__init__.py": b"", "study/model.py": b"TREES = 100\n"}


def fill_sample_store(store: Store, folder: Path, *, points: int = 50) -> dict[str, int]:
    """Store runs in every state, with all kinds of content; their ids by name."""
    harness = Harness(store)
    runs = {"rich": rich(harness, folder, points=points), "migrated": migrated(harness)}
    runs["child"] = harness.in_state(State.FAILED, parent=runs["rich"], tags=("t", "ü"), note="a\nb",
                                     priority=-2)
    runs |= {state.lower(): harness.in_state(state, scenario=SCENARIO, config=CONFIG) for state in State}
    retried = harness.start(max_failures=1)
    store.append(retried.run, 1, points=[Point(seq=0, name="loss", step=0, value=1.0, at=0.5)])
    store.finish(retried, FAILED)
    elsewhere = Harness(store, ELSEWHERE).in_state(State.CANCELLED, search="s")
    return runs | {"retried": retried.run, "elsewhere": elsewhere}


def rich(harness: Harness, folder: Path, *, points: int) -> int:
    """A run with two attempts, a late note, series, output, files and its code."""
    store = harness.store
    code = put_code(store)
    lost = harness.start(scenario=SCENARIO, config=CONFIG, submitted=CONFIG, code={"snapshot": code.digest})
    harness.lose(lost.run)
    lease = harness.take(lost.run, "second").lease
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


def migrated(harness: Harness) -> int:
    """A run whose config was rewritten by two migrations."""
    run = harness.in_state(State.COMPLETED, scenario=SCENARIO, config=CONFIG)
    for name, old, new in (("add depth", CONFIG, DEEPER), ("rename depth", DEEPER, DEEPEST)):
        migration = Migration(name=name, project=PROJECT, author="ann@host", steps=({"op": name},))
        assert harness.store.migrate(migration, [Rewrite(
            run=run, old_scenario=SCENARIO, old_config=old, scenario=SCENARIO, config=new)]) == [run]
    return run


def put_code(store: Store) -> Snapshot:
    snapshot = Snapshot(files=tuple(
        SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))
        for path, content in CODE.items()))
    store.put_snapshot(snapshot, CODE.__getitem__)
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
    assert target.check() == ()
