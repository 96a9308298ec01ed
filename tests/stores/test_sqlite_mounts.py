"""Detection of network file systems by the table of mounts."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperspace_core.stores.sqlite import opening
from hyperspace_core.stores.sqlite.opening import network_kind, network_kind_of

TABLE = r"""
/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
fileserver:/export/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local xfs rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
10.0.0.1@tcp:/scratch /scratch lustre rw,flock 0 0
me@host:/ /mnt/remote fuse.sshfs rw 0 0
/dev/sdc1 /mnt/stick fuseblk rw 0 0
portal /run/user/1000/doc fuse.portal rw 0 0
overlay /var/lib/docker/merged overlay rw 0 0
C:\134 /mnt/c 9p rw,aname=drvfs 0 0
broken line
"""


@pytest.mark.parametrize(("path", "kind"), [
    ("/home/me/runs.db", "nfs4"),
    ("/home", "nfs4"),
    ("/mnt/my share/deep/runs.db", "cifs"),
    ("/scratch/me/runs.db", "lustre"),
    ("/mnt/remote/runs.db", "fuse.sshfs"),
    ("/mnt/c/Users/me/runs.db", "9p"),
])
def test_a_network_file_system_is_named(path: str, kind: str) -> None:
    assert network_kind(TABLE, path) == kind


@pytest.mark.parametrize("path", [
    "/srv/runs.db", "/home/local/runs.db", "/homes/runs.db", "/mnt/stick/runs.db",
    "/run/user/1000/doc/runs.db", "/var/lib/docker/merged/runs.db", "/mnt/my",
])
def test_everything_else_is_local(path: str) -> None:
    assert network_kind(TABLE, path) is None


def test_the_later_of_two_mounts_on_one_point_counts() -> None:
    over = "server:/a /data nfs rw 0 0\n/dev/sdb1 /data ext4 rw 0 0\n"
    assert network_kind(over, "/data/runs.db") is None
    under = "/dev/sdb1 /data ext4 rw 0 0\nserver:/a /data nfs rw 0 0\n"
    assert network_kind(under, "/data/runs.db") == "nfs"


def test_without_a_mount_table_no_path_is_refused() -> None:
    assert network_kind("", "/data/runs.db") is None


def test_this_machine_s_own_table_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mounts"
    table.write_text(f"server:/a {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(opening, "_TABLE", table)
    (tmp_path / "link").symlink_to(tmp_path)
    assert network_kind_of(tmp_path / "link" / "runs.db") == "nfs"


def test_a_system_without_proc_uses_another_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_TABLE", tmp_path / "missing")
    assert network_kind_of(tmp_path) is None


def test_paths_of_windows_are_understood() -> None:
    table = "C:\\134 C:\\134 NTFS\nshare Z:\\134 smb\n"
    assert network_kind(table, "C:\\Users\\me\\runs.db") is None
    assert network_kind(table, "Z:\\runs.db") == "smb"
