"""Contents beside the database: a content that is named, or will be, is never collected (I1)."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.errors import NotFound, StoreError, UsageError, ValueNotStorable
from hyperspace_core.records.run import Artifact, NewRun, Snapshot, SourceFile
from hyperspace_core.stores.sqlite import artifacts, artifacts as sources, open_store
from hyperspace_core.stores.sqlite.blobs import Blobs


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    with open_store(f"sqlite:///{tmp_path}/runs.db") as opened:
        opened.submit([NewRun(uid="u", project="p", task="t", submitted={})])
        yield opened


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs.db.artifacts"


def place(folder: Path, artifact: Artifact) -> Path:
    return folder / artifact.digest[:2] / artifact.digest


def read(store: Any, artifact: Artifact) -> bytes:
    with store.open_artifact(artifact) as file:
        return bytes(file.read())


def test_a_content_is_stored_under_its_digest(store: Any, content: Path, folder: Path) -> None:
    artifact = store.put_artifact(1, 1, "../../model.bin", content)
    assert artifact.digest == hashlib.sha256(b"weights").hexdigest()
    assert place(folder, artifact).read_bytes() == b"weights"
    assert [path for path in folder.rglob("*") if path.is_file()] == [place(folder, artifact)]


def test_an_existing_content_is_not_written_again(store: Any, content: Path, folder: Path) -> None:
    first = store.put_artifact(1, 1, "a", content)
    before = place(folder, first).stat()
    assert store.put_artifact(1, 1, "b", content).digest == first.digest
    after = place(folder, first).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_truncated_content_is_written_again(store: Any, content: Path, folder: Path) -> None:
    artifact = store.put_artifact(1, 1, "a", content)
    place(folder, artifact).write_bytes(b"wei")
    assert "cut off" in store.check()[0]
    store.put_artifact(1, 1, "a", content)
    assert read(store, artifact) == b"weights"
    assert store.check() == ()


def test_a_file_changed_during_the_copy_keeps_its_copied_bytes(
        store: Any, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    has = Blobs.has

    def changing(self: Blobs, digest: str, size: int) -> bool:
        content.write_bytes(b"other weights")
        return has(self, digest, size)

    monkeypatch.setattr(Blobs, "has", changing)
    artifact = store.put_artifact(1, 1, "a", content)
    assert (artifact.size, read(store, artifact)) == (13, b"other weights")
    assert artifact.digest == hashlib.sha256(b"other weights").hexdigest()


# -- collecting --------------------------------------------------------------------------------------------


def test_a_content_collected_before_it_is_named_is_written_again(
        store: Any, tmp_path: Path, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep, collected = Blobs.keep, []

    def keep_and_collect(self: Blobs, label: str, path: Path) -> tuple[str, int]:
        kept = keep(self, label, path)
        if len(collected) < 3:             # another process is faster, three times
            with open_store(f"sqlite:///{tmp_path}/runs.db") as other:
                collected.append(other.collect_garbage(dry_run=False).blobs)
        return kept

    monkeypatch.setattr(Blobs, "keep", keep_and_collect)
    artifact = store.put_artifact(1, 1, "a", content)
    assert collected == [1, 1, 1]
    assert read(store, artifact) == b"weights"
    assert store.check() == ()


def test_repeated_removal_by_another_program_is_reported(
        store: Any, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Blobs, "has", lambda self, digest, size: False)
    with pytest.raises(StoreError, match=r"artifact 'a' was removed 10 times .*cleans this folder"):
        store.put_artifact(1, 1, "a", content)
    assert store.artifacts(1, attempt=1) == []


def test_a_content_named_after_it_was_listed_is_not_collected(
        store: Any, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put_artifact(1, 1, "a", content)
    content.write_bytes(b"others")
    store.put_artifact(1, 1, "a", content)                     # no artifact names the first content now
    content.write_bytes(b"weights")
    all_there = Blobs.all

    def listed(self: Blobs) -> Iterator[tuple[str, int]]:
        yield from list(all_there(self))
        store.put_artifact(1, 1, "b", content)                 # the first content again, before a removal

    monkeypatch.setattr(Blobs, "all", listed)
    assert store.collect_garbage(dry_run=False).blobs == 0
    assert [read(store, artifact) for artifact in store.artifacts(1, attempt=1)] == [b"others", b"weights"]


def test_many_contents_are_collected_in_several_steps(
        store: Any, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "SLICE", 2)
    for number in range(7):
        content.write_text(f"weights {number}")
        store.put_artifact(1, 1, f"{number % 2}", content)
    assert store.collect_garbage() == replace(store.collect_garbage(dry_run=False), dry_run=True)
    assert store.collect_garbage().blobs == 0
    assert store.check() == ()


def test_files_of_a_killed_writer_are_removed_after_an_hour(store: Any, folder: Path, content: Path) -> None:
    store.put_artifact(1, 1, "a", content)
    left, fresh = folder / "incoming-1", folder / "incoming-2"
    left.write_bytes(b"half")
    fresh.write_bytes(b"half")
    old = time.time() - 4000
    os.utime(left, (old, old))
    found = store.collect_garbage()
    assert (found.blobs, found.bytes) == (1, 4) and left.exists()
    assert store.collect_garbage(dry_run=False).blobs == 1
    assert not left.exists() and fresh.exists()


def test_foreign_files_are_left_alone(store: Any, folder: Path, content: Path) -> None:
    artifact = store.put_artifact(1, 1, "a", content)
    notes = [folder / "README", place(folder, artifact).parent / "note.txt"]
    for note in notes:
        note.write_text("mine")
    store.delete([1])
    assert store.collect_garbage(dry_run=False).blobs == 1
    assert all(note.exists() for note in notes)


def test_a_failed_copy_leaves_nothing_behind(
        store: Any, folder: Path, content: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(StoreError, match=r"runs\.db\.artifacts: the disk is full"):
            store.put_artifact(1, 1, "a", content)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    assert store.artifacts(1, attempt=1) == []


# -- mistakes of users -------------------------------------------------------------------------------------


def test_a_missing_file_is_named(store: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"artifact 'a': .*missing: No such file"):
        store.put_artifact(1, 1, "a", tmp_path / "missing")
    with pytest.raises(UsageError, match=r"artifact 'a': .*: Is a directory"):
        store.put_artifact(1, 1, "a", tmp_path)


def test_an_invalid_label_is_refused(store: Any, content: Path) -> None:
    with pytest.raises(ValueNotStorable, match="artifact name"):
        store.put_artifact(1, 1, "\ud800", content)


def test_a_removed_content_is_not_found(store: Any, folder: Path, content: Path) -> None:
    artifact = store.put_artifact(1, 1, "a", content)
    place(folder, artifact).unlink()
    with pytest.raises(NotFound, match="is missing from"):
        store.open_artifact(artifact)
    (line,) = store.check()
    assert line == ("run 1, attempt 1: the content of artifact 'a' is missing or cut off "
                    f"({artifact.digest[:12]}… in {folder})")


@pytest.mark.parametrize("digest", ["../../secret", "", "ab" * 31, "AB" * 32, "/etc/passwd", "ab/" + "c" * 9])
def test_a_digest_never_becomes_a_path(store: Any, content: Path, digest: str) -> None:
    artifact = replace(store.put_artifact(1, 1, "a", content), digest=digest)
    with pytest.raises(NotFound):
        store.open_artifact(artifact)


def test_an_unnamed_snapshot_is_collected_after_an_hour(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"TREES = 100\n"
    digest = hashlib.sha256(content).hexdigest()
    snapshot = Snapshot(files=(SourceFile(path="model.py", digest=digest, size=len(content)),))
    store.put_snapshot(snapshot, lambda path: content)
    assert store.collect_garbage(dry_run=False).blobs == 0

    monkeypatch.setattr(sources, "UNNAMED_FOR", timedelta(seconds=-60))

    assert store.collect_garbage().bytes == len(content)
    assert store.collect_garbage(dry_run=False).bytes == len(content)
    with pytest.raises(NotFound):
        store.snapshot(snapshot.digest)
