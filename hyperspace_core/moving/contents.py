"""Contents of artifacts on their way: through a temporary file, and never without looking at the hash."""

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
    """A content that is gone, or is not what its digest says."""


class Contents:
    """Brings contents from one store to another; use it in a `with`."""

    def __init__(self, source: Store, target: Store) -> None:
        self._source, self._target = source, target
        self._folder = tempfile.TemporaryDirectory(prefix="hyperspace-copy-")
        self._here: str | None = None          # the digest of what lies in the temporary file
        self._sound: set[str] = set()          # digests that have been read at the destination

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._folder.cleanup()

    def bring(self, artifact: Artifact, run: int) -> None:
        """Keep it under a run of the destination. Raises `Damaged` where the source has not got it whole."""
        self._target.put_artifact(run, artifact.attempt, artifact.name, self._fetched(artifact))

    def check(self, artifact: Artifact) -> None:
        """Read the content at the destination. Raises `Damaged`."""
        if artifact.digest not in self._sound:
            for _ in _read(self._target, artifact):
                pass
            self._sound.add(artifact.digest)

    def _fetched(self, artifact: Artifact) -> Path:
        path = Path(self._folder.name, "content")
        if self._here == artifact.digest:      # many runs name the same one, often one after the other
            return path
        self._here = None
        with _writing(path) as file:
            for chunk in _read(self._source, artifact):
                file.write(chunk)
        self._here = artifact.digest
        return path


def _read(store: Store, artifact: Artifact) -> Iterator[bytes]:
    """The content, piece by piece. Raises `Damaged`, where need be after the last one."""
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
        raise Damaged(f"{what}: its content is not what was put in ({artifact.digest[:12]}…)")


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise StoreError(f"{path.parent}: {error.strerror or error}; TMPDIR names another folder for what is "
                         "on its way") from error
