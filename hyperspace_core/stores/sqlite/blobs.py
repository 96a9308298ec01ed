"""Contents of artifacts and source files: files named by their SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, ENOSPC
from pathlib import Path
from typing import IO, cast

from hyperspace_core.errors import NotFound, StoreError, UsageError

CHUNK = 1 << 20
LEFT_OVER_AFTER_S = 3600.0     # age of an abandoned file; a file in use is modified all the time

_DIGEST = re.compile(r"[0-9a-f]{64}")
_INCOMING = "incoming-"


class Blobs:
    """The folder `<file>.artifacts`: contents as `ab/abcdef…`, and unfinished files."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, label: str, content: Path) -> tuple[str, int]:
        """Store a file's content unless it is already stored; return digest and size.

        Raises `UsageError` where the file cannot be read, `StoreError` where the folder cannot be written.
        """
        with _source(label, content) as file:
            digest = hashlib.file_digest(cast(io.BufferedReader, file), "sha256").hexdigest()
            size = file.tell()
            if self.has(digest, size):
                return digest, size
            file.seek(0)
            with _complaining(self.root):
                return self._copied(file)

    def keep_stream(self, file: IO[bytes]) -> tuple[str, int]:
        """Store the content of `file`; return digest and size. Raises `StoreError`."""
        with _complaining(self.root):
            return self._copied(file)

    def has(self, digest: str, size: int) -> bool:
        """Whether the content is stored completely."""
        try:
            return self._place(digest).stat().st_size == size
        except OSError:
            return False

    def open(self, digest: str) -> IO[bytes]:
        """Open a content for reading. Raises `NotFound`, `StoreError`."""
        if not _DIGEST.fullmatch(digest):
            raise NotFound(f"no content {ascii(digest)[:80]}: not a SHA-256")
        try:
            return self._place(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"the content {digest[:12]}… is missing from {self.root}") from None
        except OSError as error:
            raise _complaint(error, self.root) from error

    def remove(self, digest: str) -> int:
        """Delete a content; return the bytes freed, 0 where another process was faster."""
        return self.unlink(self._place(digest))

    def all(self) -> Iterator[tuple[str, int]]:
        """Digest and size of every stored content."""
        with _complaining(self.root):
            for folder in sorted(self.root.glob("??")):
                for path in folder.iterdir():
                    if _DIGEST.fullmatch(path.name) and (stat := _stat(path)) is not None:
                        yield path.name, stat.st_size

    def left_over(self) -> list[tuple[Path, int]]:
        """Unfinished files, with sizes, whose writer was killed."""
        before = time.time() - LEFT_OVER_AFTER_S
        with _complaining(self.root):
            found = [(path, _stat(path)) for path in self.root.glob(f"{_INCOMING}*")]
        return [(path, stat.st_size) for path, stat in found if stat is not None and stat.st_mtime < before]

    def unlink(self, path: Path) -> int:
        with _complaining(self.root):
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
            return size

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _copied(self, file: IO[bytes]) -> tuple[str, int]:
        """Write a content; the digest is that of the bytes written."""
        self.root.mkdir(mode=0o700, exist_ok=True)
        incoming = self.root / f"{_INCOMING}{secrets.token_hex(8)}"
        try:
            digest, size = _written(file, incoming)
            place = self._place(digest)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            incoming.replace(place)
        except BaseException:
            incoming.unlink(missing_ok=True)
            raise
        for folder in (place.parent, self.root, self.root.parent):
            _sync_folder(folder)
        return digest, size


def _stat(path: Path) -> os.stat_result | None:
    """The file's status; None where another process has renamed or removed the file."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _written(file: IO[bytes], target: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(target, flags, 0o600), "wb") as copy:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest(), size


def _sync_folder(folder: Path) -> None:
    """Sync a folder, so that a new name survives a power cut; not on Windows."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _source(label: str, content: Path) -> Iterator[IO[bytes]]:
    try:
        file = content.open("rb")
    except OSError as error:
        raise UsageError(f"artifact '{label}': {content}: {error.strerror}; name a file that can be read"
                         ) from error
    with file:
        yield file


@contextmanager
def _complaining(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _complaint(error, root) from error


def _complaint(error: OSError, root: Path) -> StoreError:
    if error.errno in (ENOSPC, EDQUOT):
        return StoreError(f"{root}: the disk is full; make room, or remove unused contents with "
                          "`hyperspace store gc`")
    return StoreError(f"{error.filename or root}: {error.strerror or error}; artifacts are kept in {root}")
