"""Contents of artifacts and of source: files beside the database, each under its SHA-256, never its label."""

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
LEFT_OVER_AFTER_S = 3600.0     # a file still being written is touched all the time

_DIGEST = re.compile(r"[0-9a-f]{64}")
_INCOMING = "incoming-"


class Blobs:
    """The folder `<file>.artifacts`: `ab/abcdef…`, and files that are still being written."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def keep(self, label: str, content: Path) -> tuple[str, int]:
        """Copy a file in, unless its content is here already: digest and size.

        Raises `UsageError` where the file cannot be read, `StoreError` where nothing can be written.
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
        """Copy what is read from `file` in: digest and size. Raises `StoreError`."""
        with _complaining(self.root):
            return self._copied(file)

    def has(self, digest: str, size: int) -> bool:
        """Whether the whole content is here."""
        try:
            return self._place(digest).stat().st_size == size
        except OSError:
            return False

    def open(self, digest: str) -> IO[bytes]:
        """Raises `NotFound`, `StoreError`."""
        if not _DIGEST.fullmatch(digest):
            raise NotFound(f"no content {ascii(digest)[:80]}: not a SHA-256")
        try:
            return self._place(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"the content {digest[:12]}… is gone from {self.root}") from None
        except OSError as error:
            raise _complaint(error, self.root) from error

    def remove(self, digest: str) -> int:
        """The bytes that are free now; 0 where somebody else was faster."""
        return self._unlinked(self._place(digest))

    def all(self) -> Iterator[tuple[str, int]]:
        """Digest and size of everything that is here."""
        with _complaining(self.root):
            for folder in sorted(self.root.glob("??")):
                for path in folder.iterdir():
                    if _DIGEST.fullmatch(path.name) and (stat := _stat(path)) is not None:
                        yield path.name, stat.st_size

    def left_over(self) -> list[tuple[Path, int]]:
        """What nobody is writing any more: its writer was killed."""
        before = time.time() - LEFT_OVER_AFTER_S
        with _complaining(self.root):
            found = [(path, _stat(path)) for path in self.root.glob(f"{_INCOMING}*")]
        return [(path, stat.st_size) for path, stat in found if stat is not None and stat.st_mtime < before]

    def remove_left_over(self, path: Path) -> int:
        return self._unlinked(path)

    def _place(self, digest: str) -> Path:
        return self.root / digest[:2] / digest

    def _copied(self, file: IO[bytes]) -> tuple[str, int]:
        """The digest is taken of what was written: the file may have changed since it was looked at."""
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

    def _unlinked(self, path: Path) -> int:
        with _complaining(self.root):
            try:
                size = path.stat().st_size
                path.unlink()
            except FileNotFoundError:
                return 0
            return size


def _stat(path: Path) -> os.stat_result | None:
    """None for what another process has named, or removed, since the folder was read."""
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
    """So that the name outlives a power cut, too. Windows has no such thing."""
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
        return StoreError(f"{root}: the disk is full; make room, or remove what nothing names any more with "
                          "`hyperspace store gc`")
    return StoreError(f"{error.filename or root}: {error.strerror or error}; artifacts are kept in {root}")
