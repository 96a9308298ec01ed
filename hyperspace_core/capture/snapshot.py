"""The source of an opened project: a snapshot, and the state of git."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.capture.files import Walk, digest_of, printable
from hyperspace_core.capture.git import GitChanges, changes_of, source_file
from hyperspace_core.capture.project_modules import Unit, code_units
from hyperspace_core.errors import HyperspaceError, first_names
from hyperspace_core.extension.manager import Found, find
from hyperspace_core.markers import COMPONENTS_GROUP, PLUGINS_GROUP, PROJECTS_GROUP
from hyperspace_core.records.run import CHANGES, SNAPSHOT, Snapshot, SourceFile
from hyperspace_core.run import Absent

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project

# -- A minimal `.dist-info`, so that a snapshot's entry points are found --

def generated(distribution: str, tops: Collection[str]) -> dict[str, bytes]:
    """Path → content, for the distributions of the project and of `tops`."""
    return dict(_generated(distribution, frozenset(tops), tuple(sys.path)))


@lru_cache(maxsize=16)
def _generated(distribution: str, tops: frozenset[str], path: tuple[str, ...]) -> dict[str, bytes]:
    points = [found for group in (PROJECTS_GROUP, PLUGINS_GROUP, COMPONENTS_GROUP) for found in find(group)]
    taken = {found.distribution for found in points if found.module.partition(".")[0] in tops}
    files: dict[str, bytes] = {}
    for name in sorted(taken | {distribution}):
        its = [found for found in points if found.distribution == name]
        if its:
            files |= _dist_info(name, its)
    return files


def _dist_info(name: str, points: list[Found]) -> dict[str, bytes]:
    version = points[0].version or "0"
    folder = f"{_escaped(name)}-{_escaped(version)}.dist-info"
    lines: list[str] = []
    for group in sorted({found.group for found in points}):
        lines += [f"[{group}]", *(f"{one.name} = {one.value}" for one in points if one.group == group), ""]
    return {f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{folder}/entry_points.txt": "\n".join(lines).encode()}


def _escaped(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.!+]+", "_", text)


SECTION = "source"
MAX_LISTED = 20                # names in a section
MAX_NAMED = 5                  # names in the summary


class SourceChanged(HyperspaceError):
    """A file was edited after the snapshot was taken."""


@dataclass(frozen=True, kw_only=True)
class ProjectCode:
    """A project's source, ready to be stored."""

    snapshot: Snapshot
    changes: Snapshot | None               # uncommitted changes: `uncommitted.patch` and `untracked/<path>`
    untracked: tuple[str, ...]             # files of the snapshot that git does not track
    left_out: Mapping[str, str]            # path → why it is not in the snapshot
    not_in_patch: Mapping[str, str]        # path → why its change is not in the patch
    summary: str                           # one line for the user
    contents: Mapping[str, bytes | str]    # path → content, or the file that contains it

    def read(self, path: str) -> bytes:
        """Read a content. Raises `SourceChanged` if its file has changed."""
        content = self.contents[path]
        if isinstance(content, bytes):
            return content
        try:
            read = Path(content).read_bytes()
        except OSError as error:
            raise SourceChanged(f"{content}: {(error.strerror or 'unreadable').lower()}, after the snapshot "
                                "of the code was taken; take it again") from None
        if hashlib.sha256(read).hexdigest() != self._digests[path]:
            raise SourceChanged(f"{content}: has been edited since the snapshot of the code was taken; "
                                "take it again")
        return read

    @cached_property
    def _digests(self) -> dict[str, str]:
        files = (*self.snapshot.files, *(() if self.changes is None else self.changes.files))
        return {file.path: file.digest for file in files}

    def section(self) -> dict[str, Any]:
        """The provenance section `source`."""
        return {
            SNAPSHOT: self.snapshot.digest,
            "files": len(self.snapshot.files),
            "bytes": self.snapshot.size,
            CHANGES: None if self.changes is None else self.changes.digest,
            "untracked": [printable(name) for name in self.untracked[:MAX_LISTED]],
            "left_out": dict(list(self.left_out.items())[:MAX_LISTED]),
            "not_in_patch": dict(list(self.not_in_patch.items())[:MAX_LISTED]),
        }


def project_code(project: Project) -> ProjectCode | Absent:
    """The code of an opened project on disk, or why there is no snapshot.

    Cheap where nothing has changed since the last call. Never raises because of the folders' contents.
    """
    units = code_units(project)
    walk, reason = _walked(units, project)
    if reason is not None:
        return Absent(SECTION, reason)
    found = _hashed(walk)
    own = generated(project.distribution, {unit.name for unit in units})
    files = [*found, *(source_file(path, content) for path, content in own.items())]
    snapshot = Snapshot(files=tuple(sorted(files, key=lambda file: file.path)))
    places = {file.path: walk.files[file.path].place for file in found}
    git = changes_of(project, snapshot, places)
    return ProjectCode(
        snapshot=snapshot, changes=git.changes, contents={**git.contents, **places, **own},
        untracked=git.untracked,
        left_out={printable(path): why for path, why in walk.left_out.items()},
        not_in_patch={printable(path): why for path, why in git.left_out.items()},
        summary=_summary(project, snapshot, git, walk.left_out))


def _summary(project: Project, snapshot: Snapshot, git: GitChanges, left_out: Mapping[str, str]) -> str:
    files = f"{len(snapshot.files)} files ({snapshot.size / 1000:.1f} kB)"
    names = first_names(map(printable, git.untracked), MAX_NAMED)
    unknown = f", untracked by git: {names}" if names else ""
    # a run that reads such a file would not find it
    lost = first_names(map(printable, sorted(left_out)), MAX_NAMED)
    without = f", left out: {lost} ({', '.join(dict.fromkeys(left_out.values()))})" if left_out else ""
    return f"{project.module.partition('.')[0]}: {files}, {git.state}{unknown}{without}"


def _walked(units: list[Unit], project: Project) -> tuple[Walk, str | None]:
    """The files of all units, except foreign packages that exceed a limit."""
    walk = Walk()
    for unit in [*units, *_task_units(units, project)]:
        before = Walk(files=dict(walk.files), left_out=dict(walk.left_out), seen=walk.seen)
        _take(walk, unit)
        if unit.own:
            walk.leave_out_large_data()
        excess = walk.excess()
        if excess is not None and unit.own:
            return walk, f"the code is too large to be stored with a run: {excess}"
        if excess is not None:
            walk = before
            walk.left_out[unit.name] = f"too large: {excess}"
    if not walk.files:
        return walk, "no file of the project's code could be read"
    return walk, None


def _take(walk: Walk, unit: Unit) -> None:
    for folder in unit.folders:
        walk.folder(folder, unit.name)
    if unit.file is not None:
        walk.file(unit.file, unit.name if unit.name.endswith(".json") else Path(unit.file).name)


def _task_units(units: list[Unit], project: Project) -> list[Unit]:
    """Task files beside the project's packages, which its tasks are registered from."""
    roots = {unit.root for unit in units if unit.own}
    files = [file for folder in project.task_folders for file in sorted(folder.glob("*.json"))]
    return [Unit(name=file.relative_to(root).as_posix(), file=str(file), own=True)
            for file in files for root in roots if file.is_relative_to(root)]


def _hashed(walk: Walk) -> list[SourceFile]:
    files = []
    for path, found in list(walk.files.items()):
        try:
            digest, size = digest_of(found.place, found.stamp)
        except OSError as error:
            del walk.files[path]
            walk.left_out[path] = (error.strerror or "unreadable").lower()
        else:
            files.append(SourceFile(path=path, digest=digest, size=size))
    return files


# -- Atomic unpacking of a snapshot into a folder, safe with many processes --

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
