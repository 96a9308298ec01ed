"""Artifacts: labels name contents, each stored once and kept while named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core.errors import NotFound
from hyperspace_core.records.run import Artifact
from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.base import StoreTests
from hyperspace_core.testing.stores.desk import COMPLETED, UNKNOWN_ID, Desk
from hyperspace_core.testing.stores.strategies import ODD_TEXTS, short

ODD_NAMES = [
    "model.bin", "a/b/c.txt", "../../../etc/passwd", "/etc/passwd", "..", ".", "C:\\x", "\\\\host\\share",
    "CON", "nul", "~", "-rf", "a b", "%2e%2e%2f", "x" * 255,
    *(name for name in ODD_TEXTS if 0 < len(name) < 200 and "\0" not in name),
]


def read(store: Store, artifact: Artifact) -> bytes:
    with store.open_artifact(artifact) as file:
        return file.read()


class Artifacts(StoreTests):
    @pytest.fixture
    def put(self, desk: Desk, tmp_path: Path) -> Callable[..., Artifact]:
        """Store a file with this content."""

        def one(run: int, content: bytes, name: str = "file", attempt: int = 1) -> Artifact:
            path = tmp_path / "to keep"
            path.write_bytes(content)
            artifact = desk.store.put_artifact(run, attempt, name, path)
            path.unlink()              # the content was copied
            return artifact

        return one

    @pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", b"weights" * 1_000_000], ids=len)
    def test_a_file_comes_back_byte_by_byte(
            self, desk: Desk, other: Store, put: Callable[..., Artifact], content: bytes) -> None:
        run = desk.start().run

        artifact = put(run, content, "model.bin")

        assert (artifact.run, artifact.attempt, artifact.name) == (run, 1, "model.bin")
        assert (artifact.size, artifact.digest) == (len(content), hashlib.sha256(content).hexdigest())
        assert desk.store.artifacts(run) == other.artifacts(run) == [artifact]
        assert read(desk.store, artifact) == read(other, artifact) == content

    def test_the_same_label_again_replaces_the_content(
            self, desk: Desk, put: Callable[..., Artifact]) -> None:
        run = desk.start().run
        put(run, b"old")
        new = put(run, b"newer")

        assert desk.store.artifacts(run) == [new]
        assert read(desk.store, new) == b"newer"

    def test_putting_the_same_again_changes_nothing(self, desk: Desk, put: Callable[..., Artifact]) -> None:
        run = desk.start().run

        assert put(run, b"same") == put(run, b"same")
        assert len(desk.store.artifacts(run)) == 1

    def test_they_are_sorted_by_name(self, desk: Desk, put: Callable[..., Artifact]) -> None:
        run = desk.start().run
        for name in ("b", "a", "C", "ä", "a/b"):
            put(run, b"x", name)

        assert [found.name for found in desk.store.artifacts(run)] == sorted(["b", "a", "C", "ä", "a/b"])

    def test_each_attempt_has_its_own_files(
            self, desk: Desk, put: Callable[..., Artifact]) -> None:
        lease = desk.start()
        first = put(lease.run, b"one")
        desk.store.release(lease)
        assert desk.store.artifacts(lease.run) == [first]
        desk.take(lease.run)
        assert desk.store.artifacts(lease.run) == []
        second = put(lease.run, b"two", attempt=2)

        assert desk.store.artifacts(lease.run) == [second]
        assert desk.store.artifacts(lease.run, attempt=1) == [first]
        assert (read(desk.store, first), read(desk.store, second)) == (b"one", b"two")

    @pytest.mark.parametrize("name", ODD_NAMES, ids=short)
    def test_a_name_is_a_label_and_never_a_path(
            self, desk: Desk, put: Callable[..., Artifact], tmp_path: Path, name: str) -> None:
        run = desk.start().run
        artifact = put(run, b"content", name)

        assert desk.store.artifacts(run) == [artifact]
        assert artifact.name == name
        assert read(desk.store, artifact) == b"content"
        # in any folder of the store, but not at the label's path
        assert not (tmp_path.parent / "etc/passwd").exists() and not (tmp_path / "passwd").exists()

    def test_unnamed_contents_are_collected(
            self, desk: Desk, put: Callable[..., Artifact]) -> None:
        lease = desk.start()
        old = put(lease.run, b"old one")
        new = put(lease.run, b"new")

        for _ in range(2):             # a dry run changes nothing
            report = desk.store.collect_garbage()
            assert (report.blobs, report.bytes, report.dry_run) == (1, len(b"old one"), True)
        assert read(desk.store, old) == b"old one"
        report = desk.store.collect_garbage(dry_run=False)
        assert (report.blobs, report.bytes, report.dry_run) == (1, len(b"old one"), False)
        with pytest.raises(NotFound):
            desk.store.open_artifact(old)
        assert read(desk.store, new) == b"new"
        assert desk.store.collect_garbage(dry_run=False).blobs == 0
        assert desk.store.check() == ()

    def test_named_contents_are_never_collected(
            self, desk: Desk, put: Callable[..., Artifact]) -> None:
        leases = [desk.start() for _ in range(3)]
        same = [put(lease.run, b"shared", f"name {lease.run}") for lease in leases]
        for lease in leases:
            desk.store.finish(lease, COMPLETED)

        for lease, artifact in zip(leases[:2], same[:2], strict=True):
            desk.store.delete([lease.run])
            assert desk.store.collect_garbage(dry_run=False).blobs == 0
            assert read(desk.store, artifact) == b"shared"
        desk.store.delete([leases[2].run])
        assert desk.store.collect_garbage(dry_run=False).blobs == 1

    def test_a_removed_content_may_come_again(self, desk: Desk, put: Callable[..., Artifact]) -> None:
        run = desk.start().run
        put(run, b"a")
        put(run, b"b")
        desk.store.collect_garbage(dry_run=False)

        assert read(desk.store, put(run, b"a", "again")) == b"a"

    def test_an_open_file_can_be_read_to_its_end(self, desk: Desk, put: Callable[..., Artifact]) -> None:
        run = desk.start().run
        content = b"0123456789" * 300_000
        with desk.store.open_artifact(put(run, content)) as file:
            pieces = [file.read(7)]
            put(run, b"replaced")
            pieces += iter(lambda: file.read(1_000_000), b"")

        assert b"".join(pieces) == content

    def test_a_run_that_does_not_exist_has_no_files(self, desk: Desk, put: Callable[..., Artifact]) -> None:
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            put(UNKNOWN_ID, b"x")
        with pytest.raises(NotFound, match=str(UNKNOWN_ID)):
            desk.store.artifacts(UNKNOWN_ID)
