"""Snapshots of source code: contents stored once and kept while named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records.run import Update
from hyperspace_core.records.source import Snapshot, SourceFile
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.crowd import Crowd
from hyperspace_core.testing.stores.desk import COMPLETED, Desk
from hyperspace_core.testing.stores.others import put_snapshots

CODE = {"study/__init__.py": b"", "study/model.py": b"TREES = 100\n", "study/data.bin": b"\0\xff" * 40_000,
        "study/copy of a.b $ü.py": b"TREES = 100\n"}


def snapshot_of(code: Mapping[str, bytes]) -> Snapshot:
    return Snapshot(files=tuple(
        SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))
        for path, content in code.items()))


def put(store: Store, code: Mapping[str, bytes]) -> Snapshot:
    snapshot = snapshot_of(code)
    store.put_snapshot(snapshot, code.__getitem__)
    return snapshot


def contents(store: Store, digest: str) -> dict[str, bytes]:
    found = {}
    for file in store.snapshot(digest).files:
        with store.open_content(file.digest) as content:
            found[file.path] = content.read()
    return found


class Snapshots(StoreTests):
    def test_a_snapshot_is_read_back_file_by_file(self, desk: Desk, other: Store) -> None:
        snapshot = put(desk.store, CODE)

        assert desk.store.snapshot(snapshot.digest).digest == snapshot.digest
        assert contents(desk.store, snapshot.digest) == contents(other, snapshot.digest) == CODE

    def test_only_new_contents_are_read(self, desk: Desk) -> None:
        put(desk.store, CODE)
        changed = CODE | {"study/model.py": b"TREES = 200\n"}
        asked: list[str] = []

        def read(path: str) -> bytes:
            asked.append(path)
            return changed[path]

        desk.store.put_snapshot(snapshot_of(changed), read)

        assert asked == ["study/model.py"]
        assert contents(desk.store, snapshot_of(changed).digest) == changed
        assert contents(desk.store, snapshot_of(CODE).digest) == CODE

    def test_a_file_changed_meanwhile_is_refused(self, desk: Desk) -> None:
        snapshot = snapshot_of({"study/model.py": b"one"})

        with pytest.raises(UsageError, match=r"study/model\.py"):
            desk.store.put_snapshot(snapshot, lambda path: b"two")
        with pytest.raises(NotFound):
            desk.store.snapshot(snapshot.digest)

    def test_an_unknown_snapshot_is_not_found(self, desk: Desk) -> None:
        for digest in ("0" * 64, "", "../x", "ü"):
            with pytest.raises(NotFound):
                desk.store.snapshot(digest)
            with pytest.raises(NotFound):
                desk.store.open_content(digest)

    def test_a_run_keeps_its_pinned_code(self, desk: Desk) -> None:
        snapshot = put(desk.store, CODE)
        code: dict[str, Any] = {"snapshot": snapshot.digest, "commit": None, "untracked": ["a.b", "$c"]}
        run = desk.submit(code=code)

        assert desk.get(run).code == desk.take(run).record.code == code
        assert desk.get(desk.submit()).code == {}

    @pytest.mark.parametrize("key", ["snapshot", "changes"])
    def test_a_named_snapshot_is_never_collected(self, desk: Desk, key: str) -> None:
        pinned, ran = put(desk.store, CODE), put(desk.store, {"a.py": b"ran"})
        lease = desk.start(code={key: pinned.digest})
        desk.store.update(lease, Update(provenance={"source": {key: ran.digest}}))
        desk.store.finish(lease, COMPLETED)

        desk.store.collect_garbage(dry_run=False)

        assert contents(desk.store, pinned.digest) == CODE
        assert contents(desk.store, ran.digest) == {"a.py": b"ran"}
        assert desk.store.check() == ()

    def test_a_new_snapshot_is_not_collected(self, desk: Desk) -> None:
        snapshot = put(desk.store, CODE)

        assert desk.store.collect_garbage(dry_run=False).blobs == 0
        assert contents(desk.store, snapshot.digest) == CODE

    def test_many_processes_put_the_same_snapshot(self, desk: Desk, crowd: Callable[..., Crowd]) -> None:
        snapshot = snapshot_of(CODE)
        crowd(put_snapshots, [(CODE, 5)] * min(4, self.claim_processes)).answers()

        assert contents(desk.store, snapshot.digest) == CODE
