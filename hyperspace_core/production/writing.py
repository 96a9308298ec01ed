"""Write an export atomically; replace nothing but an earlier export."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from hyperspace_core.errors import HyperspaceError, UsageError
from hyperspace_core.production.export import Export
from hyperspace_core.production.folder import MANIFEST, read_folder
from hyperspace_core.records.run import Artifact
from hyperspace_core.storage import Store

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def write_export(store: Store, export: Export, folder: str | Path, *, force: bool = False) -> Path:
    """Write the export to a new or empty folder, or with `force` over an export.

    Returns its path. It is written to a temporary folder and then renamed, so an incomplete export is never
    visible. Raises `UsageError` for a folder with other files, `HyperspaceError` for a damaged artifact.
    """
    root = Path(os.path.abspath(folder))  # noqa: PTH100 - `resolve` would follow a link in the last part
    check_place(root, force=force)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with _beside(root) as made:
            for file, artifact in export.files.items():
                _write_artifact(store, artifact, made, file)
            text = json.dumps(export.manifest, ensure_ascii=False, indent=2)
            _write(made, MANIFEST, [text.encode(), b"\n"])
            _put(made, root, force=force)
    except OSError as error:
        raise UsageError(f"{error.filename or root}: cannot be written ({error.strerror}); name another "
                         "folder, or free disk space") from None
    return root


def check_place(folder: str | Path, *, force: bool) -> None:
    """Raises `UsageError` for a folder that an export must not replace."""
    root = Path(folder)
    if root.is_symlink():
        raise UsageError(f"{root}: is a link; name the folder itself")
    if not root.exists():
        return
    if not root.is_dir():
        raise UsageError(f"{root}: is a file; name a folder")
    if root.samefile(Path.cwd()):
        raise UsageError(f"{root}: is the current folder; name one below it")
    there = _files_below(root)
    if not there and not any(root.iterdir()):
        return
    if not (root / MANIFEST).is_file():
        raise UsageError(f"{root}: exists already and is not an export; name another folder")
    if not force:
        raise UsageError(f"{root}: contains an export already; replace it with --force (force=True)")
    known = {MANIFEST, *(one["file"] for one in read_folder(root).artifacts.values())}
    others = sorted(there - known)
    if others:
        raise UsageError(f"{root}: {others[0]} does not belong to the export in this folder; move it first")


def _files_below(root: Path) -> set[str]:
    """All files below the folder, including links to folders."""
    found = set()
    for top, folders, files in os.walk(root):
        links = [name for name in folders if (Path(top) / name).is_symlink()]
        found |= {(Path(top) / name).relative_to(root).as_posix() for name in (*files, *links)}
    return found


@contextlib.contextmanager
def _beside(root: Path) -> Iterator[Path]:
    """Make a temporary folder next to `root`; remove it unless it was renamed."""
    made = root.parent / f".{root.name}.{secrets.token_hex(6)}"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _write_artifact(store: Store, artifact: Artifact, root: Path, file: str) -> None:
    with store.open_artifact(artifact) as content:
        digest = _write(root, file, iter(lambda: content.read(1 << 20), b""))
    if digest != artifact.digest:
        raise HyperspaceError(f"artifact {artifact.name!a} of run {artifact.run}: its content is damaged, so "
                              "nothing is exported; `hyperspace store check` lists the damage")


def _write(root: Path, file: str, pieces: Iterator[bytes] | list[bytes]) -> str:
    """Write a file and return its SHA-256."""
    place = root / file
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.resolve().is_relative_to(root.resolve()):
        raise HyperspaceError(f"{file!a} is outside the export folder; nothing is written")
    hasher = hashlib.sha256()
    with os.fdopen(os.open(place, _NEW, 0o666), "wb") as out:
        for piece in pieces:
            hasher.update(piece)
            out.write(piece)
    return hasher.hexdigest()


def _put(made: Path, root: Path, *, force: bool) -> None:
    check_place(root, force=force)         # again: it may have changed during writing
    with _beside(root) as aside:
        if root.exists():
            root.rename(aside / "before")
        try:
            made.rename(root)
        except OSError:
            with contextlib.suppress(OSError):
                (aside / "before").rename(root)
            raise UsageError(f"{root}: another process created it during the export; check it and try "
                             "again") from None
