"""Atomic unpacking of a snapshot into a folder, safe with many processes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.code import Snapshot, SourceFile

LEFT_S = 3600.0                # age of an abandoned folder; unpacking takes seconds

_HOSTILE = re.compile(r"[\\\x00-\x1f\x7f\ud800-\udfff]|^[A-Za-z]:")
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class BadSnapshot(HyperspaceError):
    """A snapshot that cannot be unpacked."""


def unpack(snapshot: Snapshot, read: Callable[[SourceFile], bytes], folder: Path) -> None:
    """Write all files to `folder`, which is new or already holds the same snapshot.

    Only this user may access the folder. Raises `BadSnapshot` for a path that leads out of it, a content that
    does not match its digest, or a folder that is a link or another user's; the exceptions of `read`; and
    `OSError`.
    """
    for file in snapshot.files:
        _check_path(file.path)
    if _is_there(snapshot, folder):
        return
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _clear_leftovers(folder)
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        for file in snapshot.files:
            _write(made, file, read(file))
        _put(made, folder, snapshot)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _clear_leftovers(folder: Path) -> None:
    """Remove folders of processes that were killed while unpacking."""
    for left in folder.parent.glob(f".{folder.name}.*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFT_S:
                shutil.rmtree(left, ignore_errors=True)


def _check_path(path: str) -> None:
    parts = path.split("/")
    if _HOSTILE.search(path) or any(part in ("", ".", "..") for part in parts):
        raise BadSnapshot(f"a snapshot of code names {path!a}, which is no path below a folder; it is not "
                          "unpacked")


def _write(root: Path, file: SourceFile, content: bytes) -> None:
    if hashlib.sha256(content).hexdigest() != file.digest:
        raise BadSnapshot(f"{file.path}: its content does not match the snapshot; the store is damaged")
    place = root / file.path
    try:
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(place, _NEW, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise BadSnapshot(f"{file.path}: twice in the snapshot, or both a file and a folder") from None
    with os.fdopen(handle, "wb") as out:
        out.write(content)


def _is_there(snapshot: Snapshot, folder: Path) -> bool:
    """Whether the folder holds the whole snapshot; a damaged one is moved away."""
    if folder.is_symlink():
        raise BadSnapshot(f"{folder}: is a link; code is unpacked only into a folder of this user")
    if not folder.exists():
        return False
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise BadSnapshot(f"{folder}: belongs to another user; code in it is not trusted")
    if all(_holds(folder / file.path, file) for file in snapshot.files):
        return True
    aside = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    folder.rename(aside / "damaged")
    shutil.rmtree(aside, ignore_errors=True)
    return False


def _holds(place: Path, file: SourceFile) -> bool:
    try:
        return not place.is_symlink() and hashlib.sha256(place.read_bytes()).hexdigest() == file.digest
    except OSError:
        return False


def _put(made: Path, folder: Path, snapshot: Snapshot) -> None:
    try:
        made.rename(folder)
    except OSError:
        # another process was first
        if not _is_there(snapshot, folder):
            made.rename(folder)
