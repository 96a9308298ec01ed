"""Walk over a package's code, without caches, hidden files and secrets."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# -- Cached hashes of files, computed again only when the file has changed --

KEPT = 20_000                  # hashes in memory
_YOUNG_NS = 50_000_000         # a younger file may change unnoticed, as file system clocks are coarse

FileStamp = tuple[int, int, int, int, int]     # mtime and ctime in ns, size, inode, device

Digest = tuple[str, int]       # SHA-256, hexadecimal, and the number of bytes

_known: dict[str, tuple[FileStamp, Digest]] = {}


def stamp_of(status: os.stat_result) -> FileStamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def stamp_at(file: str | Path) -> FileStamp | None:
    """The stamp of a file; None if there is none."""
    try:
        return stamp_of(os.stat(file))  # noqa: PTH116 - called for every file before every run
    except OSError:
        return None


def digest_of(path: str, stamp: FileStamp) -> Digest:
    """The digest of a file with this stamp; of the current content if changed. Raises `OSError`."""
    known = _known.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    content = Path(path).read_bytes()
    digest = hashlib.sha256(content).hexdigest(), len(content)
    if len(content) == stamp[2] and max(stamp[:2]) + _YOUNG_NS < time.time_ns():
        if len(_known) >= KEPT:
            _known.clear()
        _known[path] = stamp, digest
    return digest


# -- Detection of secret files by name; snapshots and patches leave them out --

# passwords and tokens, private keys, key stores, password files of programs
_SECRET = re.compile(r"""
    \.env.* | .*\.env
    | .*\.(pem|key|ppk|p12|pfx|jks|keystore|kdbx|gpg|asc|kubeconfig)
    | id_[^.]* | id_(rsa|dsa|ecdsa|ed25519)\b.*
    | [._](netrc|pgpass|npmrc|pypirc|htpasswd|git-credentials|dockercfg)
    | .*\.netrc | kubeconfig
    | (.*[-_.])?(secrets?|credentials?|passwords?|passwd|token|api[-_]?keys?)
      (\.(json|ya?ml|toml|ini|cfg|conf|txt))?
    | service[-_]account.*\.json
""", re.IGNORECASE | re.VERBOSE | re.DOTALL)


def looks_secret(path: str) -> bool:
    """Whether a name looks secret; except for Python code, also by its folders."""
    *folders, name = path.split("/")
    named = folders if not name.endswith((".py", ".pyi")) else []
    return any(_SECRET.fullmatch(part) is not None for part in (name, *named))


MAX_BYTES = 32 << 20           # of all files together
MAX_FILES = 5_000
MAX_FILE_BYTES = 8 << 20
CODE = (".py", ".pyi")         # files that are never left out for their size

_SKIPPED_FOLDERS = {"__pycache__", "node_modules"}
_ENVIRONMENTS = {"pyvenv.cfg", "conda-meta"}       # entries that mark the folder of a Python environment
_SKIPPED_FILES = re.compile(r".*(\.py[co]|~|\.sw[a-p]|\.bak|\.orig)|#.*#|\..*", re.DOTALL)
_UNWRITABLE = re.compile(r"[\\\x00-\x1f\x7f\udc80-\udcff]")


@dataclass(frozen=True)
class FoundFile:
    """A file: its path in the snapshot, its place on disk, and its stamp."""

    path: str
    place: str
    stamp: FileStamp


@dataclass
class Walk:
    """Collects files of one or more folders, up to the limits."""

    files: dict[str, FoundFile] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)       # path → reason
    seen: int = 0                                                # number of files and folders

    def folder(self, place: str, path: str, above: tuple[tuple[int, int], ...] = ()) -> None:
        """Add a folder's files; links are followed, except to a folder above."""
        try:
            status = os.stat(place)  # noqa: PTH116 - called for every folder before every run
            with os.scandir(place) as entries:
                content = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self.left_out[path] = _reason(error)
            return
        here = (status.st_dev, status.st_ino)
        if here in above or _ENVIRONMENTS & {entry.name for entry in content}:
            return
        for entry in content:
            if self.seen > MAX_FILES:
                return
            self._entry(entry, f"{path}/{entry.name}", (*above, here))

    def file(self, place: str, path: str) -> None:
        """Add one file."""
        try:
            status = os.stat(place)  # noqa: PTH116 - called for every file before every run
        except OSError as error:
            self.left_out[path] = _reason(error)
            return
        if not stat.S_ISREG(status.st_mode):
            self.left_out[path] = "not an ordinary file"
        elif path not in self.files:               # Python imports the first one on the path
            self.files[path] = FoundFile(path, place, stamp_of(status))

    def _entry(self, entry: os.DirEntry[str], path: str, above: tuple[tuple[int, int], ...]) -> None:
        folder = _is_folder(entry)
        inside = path.partition("/")[2]            # the package's own name does not count
        if _leads_to_secret(entry, folder) or (looks_secret(inside) and not folder):
            self.left_out[path] = "looks like a secret"
        elif _SKIPPED_FILES.fullmatch(entry.name) or (folder and entry.name in _SKIPPED_FOLDERS):
            return
        elif _UNWRITABLE.search(entry.name):
            self.left_out[path] = "its name cannot be kept"
        elif folder:
            self.seen += 1
            self.folder(entry.path, path, above)
        else:
            self.seen += 1
            self.file(entry.path, path)

    def leave_out_large_data(self) -> None:
        """Leave out files that are no Python code: those above the limit of a file, then the largest ones."""
        total = sum(map(_size, self.files.values()))
        for found in sorted(self.files.values(), key=_size, reverse=True):
            if found.path.endswith(CODE) or (_size(found) <= MAX_FILE_BYTES and total <= MAX_BYTES):
                continue
            total -= _size(found)
            del self.files[found.path]
            self.left_out[found.path] = _mib(_size(found))

    def excess(self) -> str | None:
        """The exceeded limit and the largest item; None where no limit is exceeded."""
        if not self.files:
            return None
        if self.seen > MAX_FILES or len(self.files) > MAX_FILES:
            folders = Counter(path.rpartition("/")[0] for path in self.files)
            most, count = folders.most_common(1)[0]
            return f"more than {MAX_FILES:,} files ({count:,} of them in {most})"
        largest = max(self.files.values(), key=_size)
        if _size(largest) > MAX_FILE_BYTES:
            return f"a file of more than {_mib(MAX_FILE_BYTES)} ({largest.path}, {_mib(_size(largest))})"
        if sum(map(_size, self.files.values())) > MAX_BYTES:
            return f"more than {_mib(MAX_BYTES)} (the largest file is {largest.path}, {_mib(_size(largest))})"
        return None


def printable(path: str) -> str:
    """A path as printable and storable text."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _leads_to_secret(entry: os.DirEntry[str], folder: bool) -> bool:
    """Whether a link leads to a secret, or to or into a hidden folder (`.ssh`)."""
    if not entry.is_symlink():
        return False
    real = Path(os.path.realpath(entry.path))
    hidden = real.name if folder else real.parent.name
    return hidden.startswith(".") or (looks_secret(real.name) and not folder)


def _size(found: FoundFile) -> int:
    return found.stamp[2]


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.3g} MiB"


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "vanished while it was being read"
    return (error.strerror or type(error).__name__).lower()
