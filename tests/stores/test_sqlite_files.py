"""Store files: allowed places, permissions, and messages for unsuitable files (B52, S32)."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperspace_core.errors import StoreError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import NewRun
from hyperspace_core.storage import QueueSettings, Store
from hyperspace_core.stores.sqlite import open_store, opening

UNPRIVILEGED = 65534


def opened(path: Path) -> Store:
    return open_store(f"sqlite:///{path}")


def new_run(uid: str = "u") -> NewRun:
    return NewRun(uid=uid, project="p", task="t", submitted={"trees": 3})


def refusal(path: Path) -> str:
    """The one-line message when the file is refused."""
    with pytest.raises(StoreError) as caught:
        opened(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_missing_folders_are_created(tmp_path: Path) -> None:
    path = tmp_path / "data" / "hyperspace" / "digits.db"
    with opened(path) as store:
        assert store.url == f"sqlite:///{path}"
        assert path.exists()


def test_a_relative_path_is_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_store("sqlite:///odd name?%20#1.db") as store:
        store.submit([new_run()])
    assert (tmp_path / "odd name?%20#1.db").exists()


def test_two_names_of_one_file_are_one_store_with_its_artifacts(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "runs.db")
    content = tmp_path / "content"
    content.write_text("weights")
    with opened(tmp_path / "link.db") as one, opened(tmp_path / "real" / "runs.db") as other:
        run = one.submit([new_run()])[0]
        artifact = one.put_artifact(run, 1, "model", content)
        with other.open_artifact(artifact) as file:
            assert file.read() == b"weights"


def test_new_files_are_readable_by_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = tmp_path / "new"
        content = tmp_path / "content"
        content.write_text("weights")
        with opened(folder / "runs.db") as store:
            run = store.submit([new_run()])[0]
            store.put_artifact(run, 1, "model", content)
            made = list(folder.rglob("*"))
    finally:
        os.umask(before)
    assert {path.name for path in made} >= {"runs.db", "runs.db-wal", "runs.db-shm", "runs.db.artifacts"}
    folders = [path for path in [folder, *made] if path.is_dir()]
    assert {mode(path) for path in folders} == {0o700}
    assert {mode(path) for path in made if path.is_file()} == {0o600}


def test_existing_permissions_stay_unchanged(path: Path) -> None:
    opened(path).close()
    path.chmod(0o640)
    with opened(path) as store:
        store.submit([new_run()])
    assert mode(path) == 0o640


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refusal(tmp_path) == f"{tmp_path}: is a folder; name a file, such as {tmp_path / 'runs.db'}"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refusal(tmp_path / "file" / "runs.db")
    assert said.startswith(f"{tmp_path}/file/runs.db: cannot be created: Not a directory")


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    assert "File name too long" in refusal(tmp_path / ("x" * 300))


def test_a_cycle_of_links_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.db").symlink_to(tmp_path / "b.db")
    (tmp_path / "b.db").symlink_to(tmp_path / "a.db")
    assert str(tmp_path / "a.db") in refusal(tmp_path / "a.db")


@pytest.mark.parametrize("content", [b"just some text\n" * 100, b"\x8f\x01encrypted" * 500, b"x"],
                         ids=["text", "encrypted", "one byte"])
def test_a_file_that_is_not_a_database_stays_unchanged(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path) == (f"{path}: not an SQLite database, or an encrypted one; name another file, or "
                             "move this one away")
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with opened(path) as store:
        assert store.submit([new_run()]) == [1]


def test_a_file_that_was_cut_off_is_damaged(path: Path) -> None:
    with opened(path) as store:
        store.submit([new_run(str(number)) for number in range(100)])
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 3)
    with pytest.raises(StoreError, match=r"runs\.db: the file is damaged"), opened(path) as store:
        list(store.find(RunFilter()))


def test_another_store_s_url_is_refused_without_its_password() -> None:
    with pytest.raises(StoreError, match="not a URL of an SQLite file") as caught:
        open_store("mongodb://me:secret@host/p")
    assert "secret" not in str(caught.value)


def test_a_network_file_system_is_refused_and_a_server_named(path: Path,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "network_kind_of", lambda folder: "nfs4" if folder == path.parent else None)
    said = refusal(path)
    assert said.startswith(f"{path}: is on a network file system (nfs4)")
    assert "mongodb://" in said


def test_a_library_that_is_too_old_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 0))
    assert "is too old: 3.37 or newer is needed" in refusal(path)
    assert not path.exists()


# -- read-only files: by permission, or on a read-only disk --------------------------------------------------

READER = """
import os, sys, tempfile
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.run import NewRun
from hyperspace_core.stores.sqlite import open_store

path, user = sys.argv[1], int(sys.argv[2])
with tempfile.TemporaryDirectory() as first, open_store(f"sqlite:///{first}/runs.db") as store:
    store.info()                       # all is imported that will be needed
if user:
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
try:
    with open_store(f"sqlite:///{path}") as store:
        print([record.id for record in store.find(RunFilter(project="p"))], store.get(1).submitted)
        print(store.settings("p"), store.settings("unknown"))
        print(store.info().notes)
        store.submit([NewRun(uid="new", project="p", task="t", submitted={})])
        print("written")
except HyperspaceError as error:
    print(type(error).__name__, error)
"""


def read(path: Path, *, user: int = 0, before: tuple[str, ...] = ()) -> list[str]:
    """What another process reads from the store at `path`, line by line."""
    done = subprocess.run([*before, sys.executable, "-c", READER, str(path), str(user)], text=True, cwd="/",
                          capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def is_only_read(path: Path, lines: list[str]) -> None:
    found, settings, notes, refused = lines
    assert found == "[1] {'trees': 3}"
    assert settings == f"{QueueSettings()} {QueueSettings()}"
    assert "cannot be written" in notes
    assert refused.startswith(f"StoreError {path}: cannot be written; you need the right to write to ")


@pytest.fixture
def shared() -> Iterator[Path]:
    """A closed store with one run, in a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with opened(folder / "runs.db") as store:
        store.submit([new_run()])
    (folder / "runs.db").chmod(0o644)
    yield folder / "runs.db"
    folder.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture
def other_user() -> int:
    """The id of an unprivileged user; 0 where the tests run as one."""
    if not hasattr(os, "getuid"):
        pytest.skip("this system has no users to change to")
    return UNPRIVILEGED if os.getuid() == 0 else 0


def test_a_read_only_file_is_readable(shared: Path, other_user: int) -> None:
    shared.chmod(0o444)
    is_only_read(shared, read(shared, user=other_user))


def test_a_file_in_a_read_only_folder_is_readable(shared: Path, other_user: int) -> None:
    shared.chmod(0o666)
    shared.parent.chmod(0o555)
    is_only_read(shared, read(shared, user=other_user))


def test_a_store_opened_by_another_user_is_readable(shared: Path, other_user: int) -> None:
    with opened(shared) as store:
        store.submit([new_run()])          # already known; the log is beside the file now
        shared.chmod(0o444)
        shared.parent.chmod(0o555)
        is_only_read(shared, read(shared, user=other_user))


def test_an_unreadable_file_is_named(shared: Path, other_user: int) -> None:
    shared.chmod(0o000)
    (said,) = read(shared, user=other_user)
    assert said == (f"StoreError {shared}: cannot be opened; you need the right to read and write the file "
                    "and its folder")


def test_a_folder_without_write_permission_is_named(shared: Path, other_user: int) -> None:
    shared.parent.chmod(0o555)
    (said,) = read(shared.parent / "deep" / "new.db", user=other_user)
    assert said.startswith(f"StoreError {shared.parent}/deep/new.db: cannot be created: Permission denied")


@pytest.fixture
def mounting() -> Callable[[str], tuple[str, ...]]:
    """A command prefix that gives the command its own temporary mount."""
    root = hasattr(os, "getuid") and os.getuid() == 0
    unshare = ("unshare", "-m") if root else ("unshare", "-rm")

    def before(mount: str) -> tuple[str, ...]:
        return (*unshare, "sh", "-c", f'{mount} && exec "$@"', "sh")

    try:
        subprocess.run([*before("mount -t tmpfs none /mnt"), "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no mounts here: {error}")
    return before


def test_a_file_on_a_read_only_disk_is_readable(
        shared: Path, mounting: Callable[[str], tuple[str, ...]]) -> None:
    folder = shared.parent
    before = mounting(f"mount --bind {folder} {folder} && mount -o remount,bind,ro {folder}")
    is_only_read(shared, read(shared, before=before))


FULL = """
import sys
from pathlib import Path
from hyperspace_core.errors import HyperspaceError
from hyperspace_core.records.run import NewRun, OutputChunk
from hyperspace_core.stores.sqlite import open_store

folder = Path(sys.argv[1])
with open_store(f"sqlite:///{folder}/runs.db") as store:
    run = store.submit([NewRun(uid="u", project="p", task="t", submitted={"trees": 3})])[0]
    big = Path(sys.argv[2])
    big.write_bytes(b"x" * 2_000_000)
    try:
        store.put_artifact(run, 1, "big", big)
    except HyperspaceError as error:
        print(type(error).__name__, error)
    kept = 0
    try:
        while True:
            store.append(run, 1, output=[OutputChunk(seq=kept, text="x" * 60_000, at=0.0)])
            kept += 1
    except HyperspaceError as error:
        print(type(error).__name__, error)
    print(kept > 0, [chunk.seq for chunk in store.output(run, attempt=1)] == list(range(kept)))
    print(store.get(run).submitted, store.check(), store.collect_garbage().blobs)
"""


def test_a_full_disk_is_named_and_keeps_committed_runs(
        tmp_path: Path, mounting: Callable[[str], tuple[str, ...]]) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    before = mounting(f"mount -t tmpfs -o size=1m none {folder}")
    done = subprocess.run([*before, sys.executable, "-c", FULL, str(folder), str(tmp_path / "big")],
                          text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == textwrap.dedent(f"""\
        StoreError {folder}/runs.db.artifacts: the disk is full; make room, or remove unused contents \
with `hyperspace store gc`
        StoreError {folder}/runs.db: the disk is full; make room, or move the file to a disk that has some
        True True
        {{'trees': 3}} () 0
        """)
