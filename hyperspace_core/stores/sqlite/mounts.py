"""Detection of network file systems, on which SQLite's locks are not reliable."""

from __future__ import annotations

import re
from pathlib import Path

_TABLE = Path("/proc/self/mounts")

_NETWORK = frozenset({
    "nfs", "nfs3", "nfs4", "cifs", "smb", "smbfs", "smb2", "smb3", "afpfs", "webdav", "davfs", "ncpfs", "afs",
    "9p", "ceph", "lustre", "gpfs", "mmfs", "beegfs", "beegfs_nodev", "glusterfs", "panfs", "pvfs2",
    "orangefs", "ocfs2", "gfs2", "moosefs", "wekafs", "coda", "acfs",
})
_FUSE_NETWORK = frozenset({
    "sshfs", "glusterfs", "ceph", "ceph-fuse", "davfs", "davfs2", "s3fs", "goofys", "gcsfuse", "blobfuse",
    "blobfuse2", "rclone", "juicefs", "cvmfs2", "lizardfs", "moosefs", "mfs", "seaweedfs", "smbnetfs",
    "curlftpfs", "mount-s3", "nfs",
})


def network_kind(table: str, path: str) -> str | None:
    """The network file system of `path`, by a table like /proc/mounts, or None.

    `path` is absolute and free of symbolic links.
    """
    best, kind = "", None
    for line in table.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        point = _unescaped(fields[1])
        # of two mounts on one point, the later hides the earlier
        if _inside(path, point) and len(point) >= len(best):
            best, kind = point, fields[2].lower()
    return kind if kind is not None and _is_network(kind) else None


def network_kind_of(path: Path) -> str | None:
    """`network_kind` by this machine's mount table; None without a table."""
    return network_kind(_mount_table(), str(path.resolve()))


def _is_network(kind: str) -> bool:
    fuse, _, inner = kind.partition(".")
    return kind in _NETWORK or (fuse in ("fuse", "fuseblk", "macfuse") and inner in _FUSE_NETWORK)


def _inside(path: str, point: str) -> bool:
    stem = point.rstrip("/\\")
    return path == point or path.startswith((stem + "/", stem + "\\"))


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _mount_table() -> str:
    try:
        return _TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return _portable_table()


def _portable_table() -> str:
    """The mount table of systems without /proc, in the same format."""
    import psutil

    try:
        mounts = psutil.disk_partitions(all=True)
    except (OSError, psutil.Error):
        return ""
    return "\n".join(f"{_escaped(one.device) or '-'} {_escaped(one.mountpoint)} {one.fstype or '-'}"
                     for one in mounts)


def _escaped(text: str) -> str:
    return re.sub(r"[\s\\]", lambda match: f"\\{ord(match[0]):03o}", text)
