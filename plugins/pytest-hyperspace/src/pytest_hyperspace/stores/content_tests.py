"""Artifacts and code snapshots: contents stored once and kept while named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, UsageError
from hyperspace_core.records import Artifact, Snapshot, SourceFile, Update
from hyperspace_core.storage import Maintenance, Sources, Store
from pytest_hyperspace.stores.base import ODD_TEXTS, StoreTests, for_stores_with, short
from pytest_hyperspace.stores.harness import COMPLETED, UNKNOWN_ID, Harness, ProcessGroup, put_snapshots

ODD_NAMES = [
    "model.bin", "a/b/c.txt", "../../../etc/passwd", "/etc/passwd", "..", ".", "C:\\x", "\\\\host\\share",
    "CON", "nul", "~", "-rf", "a b", "%2e%2e%2f", "x" * 255,
    *(name for name in ODD_TEXTS if 0 < len(name) < 200 and "\0" not in name),
]


def read(store: Store, artifact: Artifact) -> bytes:
    with store.open_artifact(artifact) as file:
        return file.read()


class ArtifactTests(StoreTests):
    @pytest.fixture
    def put(self, harness: Harness, tmp_path: Path) -> Callable[..., Artifact]:
        """Store a file with this content."""

        def one(run: int, content: bytes, name: str = "file", attempt: int = 1) -> Artifact:
            path = tmp_path / "to keep"
            path.write_bytes(content)
            artifact = harness.store.put_artifact(run, attempt, name, path)
            path.unlink()              # the content was copied
            return artifact

        return one

    @pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", b"weights" * 1_000_000], ids=len)
    def test_a_file_comes_back_byte_by_byte(
            self, harness: Harness, other: Store, put: Callable[..., Artifact], content: bytes) -> None:
        run = harness.start().run

        artifact = put(run, content, "model.bin")

        assert (artifact.run, artifact.attempt, artifact.name) == (run, 1, "model.bin")
        assert (artifact.size, artifact.digest) == (len(content), hashlib.sha256(content).hexdigest())
        assert harness.store.artifacts(run) == other.artifacts(run) == [artifact]
        assert read(harness.store, artifact) == read(other, artifact) == content

    def test_the_same_label_again_replaces_the_content(
            self, harness: Harness, put: Callable[..., Artifact]) -> None:
        run = harness.start().run
        put(run, b"old")
        new = put(run, b"newer")

        assert harness.store.artifacts(run) == [new]
        assert read(harness.store, new) == b"newer"

    def test_putting_the_same_again_changes_nothing(self, harness: Harness,
                                                    put: Callable[..., Artifact]) -> None:
        run = harness.start().run

        assert put(run, b"same") == put(run, b"same")
        assert len(harness.store.artifacts(run)) == 1

    def test_they_are_sorted_by_name(self, harness: Harness, put: Callable[..., Artifact]) -> None:
        run = harness.start().run
        for name in ("b", "a", "C", "ä", "a/b"):
            put(run, b"x", name)

        assert [found.name for found in harness.store.artifacts(run)] == sorted(["b", "a", "C", "ä", "a/b"])

    def test_each_attempt_has_its_own_files(
            self, harness: Harness, put: Callable[..., Artifact]) -> None:
        lease = harness.start()
        first = put(lease.run, b"one")
        harness.store.release(lease)
        assert harness.store.artifacts(lease.run) == [first]
        harness.take(lease.run)
        assert harness.store.artifacts(lease.run) == []
        second = put(lease.run, b"two", attempt=2)

        assert harness.store.artifacts(lease.run) == [second]
        assert harness.store.artifacts(lease.run, attempt=1) == [first]
        assert (read(harness.store, first), read(harness.store, second)) == (b"one", b"two")

    @pytest.mark.parametrize("name", ODD_NAMES, ids=short)
    def test_a_name_is_a_label_and_never_a_path(
            self, harness: Harness, put: Callable[..., Artifact], tmp_path: Path, name: str) -> None:
        run = harness.start().run
        artifact = put(run, b"content", name)

        assert harness.store.artifacts(run) == [artifact]
        assert artifact.name == name
        assert read(harness.store, artifact) == b"content"
        # in any folder of the store, but not at the label's path
        assert not (tmp_path.parent / "etc/passwd").exists() and not (tmp_path / "passwd").exists()

    @for_stores_with(Maintenance)
    def test_unnamed_contents_are_collected(
            self, harness: Harness, put: Callable[..., Artifact]) -> None:
        lease = harness.start()
        old = put(lease.run, b"old one")
        new = put(lease.run, b"new")

        for _ in range(2):             # a dry run changes nothing
            report = harness.maintenance.collect_garbage()
            assert (report.blobs, report.bytes, report.dry_run) == (1, len(b"old one"), True)
        assert read(harness.store, old) == b"old one"
        report = harness.maintenance.collect_garbage(dry_run=False)
        assert (report.blobs, report.bytes, report.dry_run) == (1, len(b"old one"), False)
        with pytest.raises(NotFound):
            harness.store.open_artifact(old)
        assert read(harness.store, new) == b"new"
        assert harness.maintenance.collect_garbage(dry_run=False).blobs == 0
        harness.assert_undamaged()

    @for_stores_with(Maintenance)
    def test_named_contents_are_never_collected(
            self, harness: Harness, put: Callable[..., Artifact]) -> None:
        leases = [harness.start() for _ in range(3)]
        same = [put(lease.run, b"shared", f"name {lease.run}") for lease in leases]
        for lease in leases:
            harness.store.finish(lease, COMPLETED)

        for lease, artifact in zip(leases[:2], same[:2], strict=True):
            harness.store.delete([lease.run])
            assert harness.maintenance.collect_garbage(dry_run=False).blobs == 0
            assert read(harness.store, artifact) == b"shared"
        harness.store.delete([leases[2].run])
        assert harness.maintenance.collect_garbage(dry_run=False).blobs == 1

    @for_stores_with(Maintenance)
    def test_a_removed_content_may_come_again(self, harness: Harness, put: Callable[..., Artifact]) -> None:
        run = harness.start().run
        put(run, b"a")
        put(run, b"b")
        harness.maintenance.collect_garbage(dry_run=False)

        assert read(harness.store, put(run, b"a", "again")) == b"a"

    def test_an_open_file_can_be_read_to_its_end(self, harness: Harness,
                                                 put: Callable[..., Artifact]) -> None:
        run = harness.start().run
        content = b"0123456789" * 300_000
        with harness.store.open_artifact(put(run, content)) as file:
            pieces = [file.read(7)]
            put(run, b"replaced")
            pieces += iter(lambda: file.read(1_000_000), b"")

        assert b"".join(pieces) == content

    def test_a_run_that_does_not_exist_has_no_files(self, harness: Harness,
                                                    put: Callable[..., Artifact]) -> None:
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            put(UNKNOWN_ID, b"x")
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            harness.store.artifacts(UNKNOWN_ID)


# -- Snapshots of source code ----

CODE = {"study/__init__.py": b"", "study/model.py": b"TREES = 100\n", "study/data.bin": b"\0\xff" * 40_000,
        "study/copy of a.b $ü.py": b"TREES = 100\n"}


def snapshot_of(code: Mapping[str, bytes]) -> Snapshot:
    return Snapshot(files=tuple(
        SourceFile(path=path, digest=hashlib.sha256(content).hexdigest(), size=len(content))
        for path, content in code.items()))


def put(store: Sources, code: Mapping[str, bytes]) -> Snapshot:
    snapshot = snapshot_of(code)
    store.put_snapshot(snapshot, code.__getitem__)
    return snapshot


def contents(store: Sources, digest: str) -> dict[str, bytes]:
    found = {}
    for file in store.snapshot(digest).files:
        with store.open_content(file.digest) as content:
            found[file.path] = content.read()
    return found


@for_stores_with(Sources)
class SnapshotTests(StoreTests):
    def test_a_snapshot_is_read_back_file_by_file(self, harness: Harness, other: Store) -> None:
        snapshot = put(harness.sources, CODE)

        assert harness.sources.snapshot(snapshot.digest).digest == snapshot.digest
        assert contents(harness.sources, snapshot.digest) == CODE
        assert contents(Sources.of(other), snapshot.digest) == CODE

    def test_only_new_contents_are_read(self, harness: Harness) -> None:
        put(harness.sources, CODE)
        changed = CODE | {"study/model.py": b"TREES = 200\n"}
        asked: list[str] = []

        def read(path: str) -> bytes:
            asked.append(path)
            return changed[path]

        harness.sources.put_snapshot(snapshot_of(changed), read)

        assert asked == ["study/model.py"]
        assert contents(harness.sources, snapshot_of(changed).digest) == changed
        assert contents(harness.sources, snapshot_of(CODE).digest) == CODE

    def test_a_file_changed_meanwhile_is_refused(self, harness: Harness) -> None:
        snapshot = snapshot_of({"study/model.py": b"one"})

        with pytest.raises(UsageError, match=r"study/model\.py"):
            harness.sources.put_snapshot(snapshot, lambda path: b"two")
        with pytest.raises(NotFound):
            harness.sources.snapshot(snapshot.digest)

    def test_an_unknown_snapshot_is_not_found(self, harness: Harness) -> None:
        for digest in ("0" * 64, "", "../x", "ü"):
            with pytest.raises(NotFound):
                harness.sources.snapshot(digest)
            with pytest.raises(NotFound):
                harness.sources.open_content(digest)

    def test_a_run_keeps_its_pinned_code(self, harness: Harness) -> None:
        snapshot = put(harness.sources, CODE)
        code: dict[str, Any] = {"snapshot": snapshot.digest, "commit": None, "untracked": ["a.b", "$c"]}
        run = harness.submit(code=code)

        assert harness.get(run).code == harness.take(run).record.code == code
        assert harness.get(harness.submit()).code == {}

    @for_stores_with(Maintenance)
    @pytest.mark.parametrize("key", ["snapshot", "changes"])
    def test_a_named_snapshot_is_never_collected(self, harness: Harness, key: str) -> None:
        pinned, ran = put(harness.sources, CODE), put(harness.sources, {"a.py": b"ran"})
        lease = harness.start(code={key: pinned.digest})
        harness.store.update(lease, Update(provenance={"source": {key: ran.digest}}))
        harness.store.finish(lease, COMPLETED)

        harness.maintenance.collect_garbage(dry_run=False)

        assert contents(harness.sources, pinned.digest) == CODE
        assert contents(harness.sources, ran.digest) == {"a.py": b"ran"}
        harness.assert_undamaged()

    @for_stores_with(Maintenance)
    def test_a_new_snapshot_is_not_collected(self, harness: Harness) -> None:
        snapshot = put(harness.sources, CODE)

        assert harness.maintenance.collect_garbage(dry_run=False).blobs == 0
        assert contents(harness.sources, snapshot.digest) == CODE

    def test_many_processes_put_the_same_snapshot(self, harness: Harness,
                                                  start_processes: Callable[..., ProcessGroup]) -> None:
        snapshot = snapshot_of(CODE)
        start_processes(put_snapshots, [(CODE, 5)] * min(4, self.claim_processes)).answers()

        assert contents(harness.sources, snapshot.digest) == CODE
