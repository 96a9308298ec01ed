"""Turn labels of artifacts into file names that are safe on every system.

A label that leads, or seems to lead, out of the folder is refused. A label that is not portable (a device
name of Windows, a `?`, two labels that differ only in case) gets a flat name.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

from hyperspace_core.errors import HyperspaceError

LONGEST = 200                  # bytes of one part; the limit of file systems is 255
_HOSTILE = re.compile(r"[\\\x00-\x1f\x7f-\x9f\ud800-\udfff]|^[A-Za-z]:")
_AWKWARD = re.compile(r'[<>:"|?*]|[. ]$|^ ')
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\.|$)", re.I)


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Map labels to unique relative paths with `/`. Raises `HyperspaceError`."""
    names: dict[str, str] = {}
    files: set[str] = set()
    folders: set[str] = set()
    for label in sorted(set(labels)):
        check_below(label, f"artifact {label!a}", "name the others with --artifact (artifacts=[...])")
        name = label
        if _is_awkward(label) or _collides(_folded(label), files, folders):
            name = _flat(label)
        names[label] = name
        files.add(_folded(name))
        folders.update(_above(_folded(name)))
    return names


def check_below(path: str, what: str, cure: str) -> None:
    """Raises `HyperspaceError` for a path that is not plain or not below its folder."""
    parts = path.split("/")
    if _HOSTILE.search(path) or any(part.strip() in ("", ".", "..") for part in parts):
        raise HyperspaceError(f"{what}: its name is not a plain path below a folder; {cure}")


def _is_awkward(label: str) -> bool:
    return not label.isprintable() or any(
        _AWKWARD.search(part) or _DEVICE.match(part) or len(part.encode()) > LONGEST
        for part in label.split("/"))


def _collides(folded: str, files: set[str], folders: set[str]) -> bool:
    return folded in files | folders or not files.isdisjoint(_above(folded))


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _folded(path: str) -> str:
    """Normalize case and Unicode as case-insensitive file systems do."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _flat(label: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", label).strip("._")[-100:]
    stem, dot, suffix = plain.rpartition(".")
    digest = hashlib.sha256(label.encode()).hexdigest()[:12]
    return f"{stem}-{digest}.{suffix}" if stem and dot else f"{plain or 'artifact'}-{digest}"
