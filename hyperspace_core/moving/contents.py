"""Copy of artifact contents through a temporary file, with hash checks."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hyperspace_core.errors import HyperspaceError, NotFound, StoreError
from hyperspace_core.records.run import Artifact
from hyperspace_core.storage import Store

CHUNK = 1 << 20


class Damaged(HyperspaceError):
    """A content is missing or does not match its digest."""


class Contents:
    """Copies contents from one store to another; use it in a `with` statement."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._folder = tempfile.TemporaryDirectory(prefix="hyperspace-copy-")
        self._here: str | None = None          # the digest of the content in the temporary file
        self._sound: set[str] = set()          # digests that were verified at the destination

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._folder.cleanup()

    def bring(self, artifact: Artifact, run: int) -> None:
        """Copy an artifact to the destination. Raises `Damaged` if it is not whole."""
        self._target.put_artifact(run, artifact.attempt, artifact.name, self._fetched(artifact))

    def check(self, artifact: Artifact) -> None:
        """Verify the content at the destination. Raises `Damaged`."""
        if artifact.digest not in self._sound:
            for _ in _read(self._target, artifact):
                pass
            self._sound.add(artifact.digest)

    def _fetched(self, artifact: Artifact) -> Path:
        path = Path(self._folder.name, "content")
        if self._here == artifact.digest:      # consecutive runs often share a content
            return path
        self._here = None
        with _writing(path) as file:
            for chunk in _read(self._source, artifact):
                file.write(chunk)
        self._here = artifact.digest
        return path


def _read(store: Store, artifact: Artifact) -> Iterator[bytes]:
    """The content, piece by piece. Raises `Damaged`, possibly after the last piece."""
    hasher = hashlib.sha256()
    what = f"artifact '{artifact.name}' of attempt {artifact.attempt} in {store.url}"
    try:
        with store.open_artifact(artifact) as content:
            while chunk := content.read(CHUNK):
                hasher.update(chunk)
                yield chunk
    except NotFound as error:
        raise Damaged(f"{what}: {error}") from None
    if hasher.hexdigest() != artifact.digest:
        raise Damaged(f"{what}: its content does not match its digest ({artifact.digest[:12]}…)")


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror or error}; set TMPDIR to another folder for "
                         "temporary files") from error
