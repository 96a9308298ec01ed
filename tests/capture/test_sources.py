"""Snapshots of a project's source: complete, without secrets, equal for equal code."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.capture import files as contents, files as walk
from hyperspace_core.capture.files import looks_secret
from hyperspace_core.capture.git import source_file
from hyperspace_core.capture.snapshot import BadSnapshot, ProjectCode, SourceChanged, project_code, unpack
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.records.run import Snapshot
from hyperspace_core.run import Absent
from support.lab import Lab, lab

CANARY = "S3cr3t-canary"
FILES = {
    "labwork/__init__.py": """
        import lab_beside
        from hyperspace_core import hookimpl

        def train(lr: float = 0.1):
            return lr

        @hookimpl
        def hyperspace_register(register):
            register.scenario(train)
            register.tasks("labwork.tasks")
        """,
    "labwork/not_imported.py": "x = 1\n",
    "labwork/tasks/__init__.py": "",
    "labwork/tasks/first.json": '{"scenario": {"className": "train"}}',
    "labwork/data/small.csv": "a,b\n1,2\n",
    "lab_beside.py": "y = 2\n",
    "lab_unloaded.py": "z = 3\n",
}
INFO = {"labwork-0.3.dist-info/METADATA", "labwork-0.3.dist-info/entry_points.txt"}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    root = tmp_path / "lab"
    root.mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    with lab(root, monkeypatch, FILES) as one:
        yield one


def code_of(made: Lab) -> ProjectCode:
    found = project_code(made.open())
    assert isinstance(found, ProjectCode), found
    return found


def labs(code: ProjectCode) -> set[str]:
    """The files of the lab, without modules of this test suite."""
    return {file.path for file in code.snapshot.files if file.path.startswith("lab")}


# -- contents of a snapshot ----------------------------------------------------------------------------------


def test_a_package_is_taken_whole_with_what_is_loaded_beside_it(made: Lab) -> None:
    assert labs(code_of(made)) == (set(FILES) - {"lab_unloaded.py"}) | INFO


def test_every_package_that_the_project_imports_is_taken(made: Lab) -> None:
    """Also for an imported constant, and for an import inside a function that has not run."""
    made.write("lab_constants.py", "import lab_indirect\nRATE = 1\n")
    made.write("lab_indirect.py", "")
    made.write("lab_later/__init__.py", "raise RuntimeError\n")
    made.write("lab_later/part.py", "")
    made.edit("labwork/__init__.py", "import lab_beside",
              "import lab_beside, os as lab_os\nfrom lab_constants import (\n    RATE)\n\n"
              "def later():\n    from lab_later.part import x\n    return x")
    assert labs(code_of(made)) == (set(FILES) - {"lab_unloaded.py"}) | INFO | {
        "lab_constants.py", "lab_indirect.py", "lab_later/__init__.py", "lab_later/part.py"}
    assert "lab_later" not in sys.modules


def test_packages_that_add_components_are_taken(made: Lab) -> None:
    made.write("lab_more.py", "from hyperspace_core import Scenario\n\nclass More(Scenario):\n"
                              "    def single_run(self):\n        return 1.0\n")
    made.write("lab_more-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: lab-more\nVersion: 1.0\n")
    made.write("lab_more-1.0.dist-info/entry_points.txt", "[hyperspace.components]\nlab = lab_more\n")
    info = {f"lab_more-1.0.dist-info/{name}" for name in ("METADATA", "entry_points.txt")}
    assert {"lab_more.py"} | info <= labs(code_of(made))


def test_caches_hidden_files_backups_and_venvs_are_left_out(made: Lab) -> None:
    for name in ("__pycache__/x.cpython-311.pyc", "old.pyc", ".hidden/x.py", ".git/config",
                 "node_modules/x.js", "venv/pyvenv.cfg", "venv/lib/x.py", "conda/conda-meta/x.json",
                 "conda/x.py", "a.py~", ".a.py.swp", "#a.py#", "a.bak"):
        made.write(f"labwork/{name}", "x")
    made.write("labwork/sub/native.cpython-311-x86_64-linux-gnu.so", b"\x7fELF")
    added = {"labwork/sub/native.cpython-311-x86_64-linux-gnu.so"}
    assert labs(code_of(made)) == (set(FILES) - {"lab_unloaded.py"}) | INFO | added


def test_equal_code_in_any_folder_is_one_snapshot(made: Lab, tmp_path: Path) -> None:
    first = code_of(made)
    assert code_of(made).snapshot.digest == first.snapshot.digest
    made.edit("labwork/not_imported.py", "x = 1", "x = 2")
    second = code_of(made)
    assert second.snapshot.digest != first.snapshot.digest
    made.edit("labwork/not_imported.py", "x = 2", "x = 1")
    assert code_of(made).snapshot == first.snapshot


def test_an_edit_of_equal_size_within_a_clock_tick_is_seen(made: Lab) -> None:
    path = made.root / "labwork/not_imported.py"
    digests = set()
    for number in range(10):
        path.write_text(f"x = {number}\n")
        digests.add(code_of(made).snapshot.digest)
    assert len(digests) == 10


def test_hashes_are_cached_while_a_file_is_unchanged(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "_YOUNG_NS", -10**18)            # as if every file was old
    code = code_of(made)
    beside = made.root / "lab_beside.py"
    monkeypatch.setattr(contents.hashlib, "sha256", None)
    known = contents.digest_of(str(beside), contents.stamp_of(beside.stat()))
    assert known in {(file.digest, file.size) for file in code.snapshot.files}


def test_a_growing_file_has_the_size_that_was_read(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("x")
    stamp = contents.stamp_of(file.stat())
    file.write_text("xyz")
    first = contents.digest_of(str(file), stamp)
    assert first == (source_file("a.py", b"xyz").digest, 3)
    file.write_text("x")
    assert contents.digest_of(str(file), stamp)[1] == 1


def test_the_section_and_the_summary_say_what_was_taken(made: Lab) -> None:
    code = code_of(made)
    section = code.section()
    assert section["snapshot"] == code.snapshot.digest
    assert (section["files"], section["bytes"]) == (len(code.snapshot.files), code.snapshot.size)
    assert (section["changes"], section["untracked"]) == (None, [])
    assert "the project's code is in no git repository" in code.summary
    assert "\n" not in code.summary


def test_every_content_is_read_as_it_was(made: Lab) -> None:
    code = code_of(made)
    for path in set(FILES) - {"lab_unloaded.py"}:
        assert code.read(path) == (made.root / path).read_bytes()
    made.edit("labwork/not_imported.py", "x = 1", "x = 2")
    with pytest.raises(SourceChanged, match=r"not_imported\.py: has been edited"):
        code.read("labwork/not_imported.py")
    (made.root / "labwork/not_imported.py").unlink()
    with pytest.raises(SourceChanged, match="no such file"):
        code.read("labwork/not_imported.py")


def test_a_module_of_one_file_with_its_tasks_beside_it(tmp_path: Path,
                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "labwork.py": """
            from pathlib import Path
            from hyperspace_core import hookimpl

            def train(lr: float = 0.1):
                return lr

            @hookimpl
            def hyperspace_register(register):
                register.scenario(train)
                register.tasks(Path(__file__).parent / "tasks")
            """,
        "tasks/one.json": '{"scenario": {"className": "train"}}',
        "tasks/huge.bin": "",
        "other.py": "",
    }
    with lab(tmp_path, monkeypatch, files) as made:
        paths = {file.path for file in code_of(made).snapshot.files}
        assert {"labwork.py", "tasks/one.json"} | INFO <= paths
        assert not {"other.py", "tasks/huge.bin"} & paths


def test_a_package_without_init_files_is_taken_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "labspace/work/entry.py": """
            from hyperspace_core import hookimpl

            def train(lr: float = 0.1):
                return lr

            @hookimpl
            def hyperspace_register(register):
                register.scenario(train)
            """,
        "labspace/other.py": "",
    }
    with lab(tmp_path, monkeypatch, files) as made:
        made.edit("labwork-0.3.dist-info/entry_points.txt", "lab = labwork\n", "lab = labspace.work.entry\n")
        assert set(files) <= labs(code_of(made))


# -- unusual files -------------------------------------------------------------------------------------------


def test_links_are_followed_except_in_cycles(made: Lab, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / "far.py").write_text("far = 1\n")
    package = made.root / "labwork"
    (package / "linked").symlink_to(away)
    (package / "circle").symlink_to(package)
    (away / "back").symlink_to(package)
    (package / "file.py").symlink_to(away / "far.py")
    (package / "broken.py").symlink_to(away / "gone.py")
    code = code_of(made)
    assert {"labwork/linked/far.py", "labwork/file.py"} <= labs(code)
    assert not [path for path in labs(code) if "circle" in path or "back" in path]
    assert code.left_out["labwork/broken.py"] == "vanished while it was being read"


def test_unusable_files_are_left_out_with_the_reason(made: Lab) -> None:
    package = made.root / "labwork"
    (package / os.fsdecode(b"not-utf8-\xff.txt")).write_text("x")
    (package / "back\\slash.py").write_text("x")
    (package / "two\nlines.py").write_text("x")
    (package / "é.py").write_text("x")
    os.mkfifo(package / "pipe")
    code = code_of(made)
    assert "labwork/é.py" in labs(code)
    assert code.left_out["labwork/not-utf8-\\xff.txt"] == "its name cannot be kept"
    assert code.left_out["labwork/back\\slash.py"] == "its name cannot be kept"
    assert code.left_out["labwork/two\nlines.py"] == "its name cannot be kept"
    assert code.left_out["labwork/pipe"] == "not an ordinary file"


@pytest.mark.parametrize("limit", ["MAX_BYTES", "MAX_FILE_BYTES"])
def test_too_large_code_is_refused_with_its_largest_file(
        made: Lab, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made.open()
    monkeypatch.setattr(walk, limit, 1 << 20)
    with (made.root / "labwork/weights.py").open("wb") as file:
        file.truncate((1 << 20) + 1)
    found = project_code(project)
    assert isinstance(found, Absent)
    assert "labwork/weights.py" in found.reason
    assert "more than 1 MiB" in found.reason
    assert "\n" not in found.reason


def test_one_large_file_of_data_is_left_out_and_unpins_nothing(
        made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_FILE_BYTES", 1 << 20)
    with (made.root / "labwork/last.ckpt").open("wb") as file:
        file.truncate(9 << 20)

    code = code_of(made)

    assert dict(code.left_out) == {"labwork/last.ckpt": "9 MiB"}
    assert "left out: labwork/last.ckpt (9 MiB)" in code.summary
    assert code.section()["left_out"] == {"labwork/last.ckpt": "9 MiB"}


def test_the_largest_data_is_left_out_until_the_rest_fits(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MAX_BYTES", 1 << 20)
    for name, size in {"a.bin": 500_000, "b.bin": 600_000, "c.bin": 400_000, "d.bin": 10_000}.items():
        (made.root / "labwork" / name).write_bytes(b"\0" * size)

    code = code_of(made)

    assert sorted(code.left_out) == ["labwork/b.bin"]
    assert {"labwork/a.bin", "labwork/c.bin", "labwork/d.bin"} <= labs(code)


def test_too_many_files_are_refused_with_their_folder(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    project = made.open()
    monkeypatch.setattr(walk, "MAX_FILES", 20)
    for number in range(50):
        made.write(f"labwork/many/{number}.txt", "x")
    found = project_code(project)
    assert isinstance(found, Absent)
    assert "more than 20 files" in found.reason
    assert "labwork/many" in found.reason


# -- secrets (S21) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [
    ".env", ".env.local", "prod.env", "server.pem", "id_rsa", "id_ed25519", "id_rsa.old", "id_deploy",
    "tls.key", "store.p12", "credentials.json", "aws_credentials", "secrets.yaml", "db-secret.toml", ".netrc",
    ".pypirc", "service-account-prod.json", "SERVER.PEM", "kubeconfig", "api_key.txt", "my-apikeys.json",
    "password.txt", "hf_token", "token.json", "work.netrc",
])
def test_s21_files_that_look_like_secrets_are_in_no_snapshot(made: Lab, name: str) -> None:
    made.write(f"labwork/{name}", CANARY)
    made.write(f"labwork/sub/{name}", CANARY)
    code = code_of(made)
    assert not [path for path in labs(code) if path.endswith(name)]
    assert code.left_out[f"labwork/{name}"] == "looks like a secret"
    assert f", left out: {', '.join(sorted(code.left_out))} (looks like a secret)" in code.summary
    assert CANARY.encode() not in b"".join(map(code.read, labs(code)))


def test_s21_links_to_secrets_and_folders_are_left_out(made: Lab, tmp_path: Path) -> None:
    away = tmp_path / ".ssh"
    away.mkdir()
    for place in (away / "config", tmp_path / "id_rsa"):
        place.write_text(CANARY)
    package = made.root / "labwork"
    (package / "harmless.txt").symlink_to(away / "config")
    (package / "other.txt").symlink_to(tmp_path / "id_rsa")
    (package / "folder").symlink_to(away)
    made.write("labwork/secrets/api", CANARY)
    made.write("labwork/secrets/reader.py", "x = 1\n")
    code = code_of(made)
    assert "labwork/secrets/reader.py" in labs(code)
    assert CANARY.encode() not in b"".join(map(code.read, labs(code)))
    assert {"labwork/harmless.txt", "labwork/other.txt", "labwork/secrets/api"} <= set(code.left_out)


@pytest.mark.parametrize("name", ["keys.py", "environment.py", "id_mapping.py", "secrets.py", "monkey.json",
                                  "token_counts.csv", "keyboard.txt", "tokens.txt",
                                  "tokens", "tokenizer.json", "passwords.py", "token.py"])
def test_ordinary_files_do_not_look_like_secrets(name: str) -> None:
    assert not looks_secret(name)


# -- unpacking -----------------------------------------------------------------------------------------------


def unpacked(code: ProjectCode, folder: Path) -> None:
    unpack(code.snapshot, lambda file: code.read(file.path), folder)


def test_an_unpacked_snapshot_works_without_installation(made: Lab, tmp_path: Path) -> None:
    code = code_of(made)
    folder = tmp_path / "code" / code.snapshot.digest
    unpacked(code, folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    made.edit("labwork/__init__.py", "return lr", "return -lr")
    script = ("from hyperspace_core.extension.manager import build_manager as b\n"
              "from hyperspace_core.extension.project import open_project as o\n"
              "p = o('lab', b(discover=False)); import labwork, lab_beside\n"
              "print(labwork.__file__, lab_beside.__file__, labwork.train(3), sorted(p.tasks), p.version)")
    # also before the path entry of the edited project
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(made.root)])}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True,
                          check=False)
    assert done.stdout.split() == [str(folder / "labwork/__init__.py"), str(folder / "lab_beside.py"), "3",
                                   "['first',", "'train']", "0.3"], done.stderr


def test_unpacking_again_repairs_only_damaged_files(made: Lab, tmp_path: Path) -> None:
    code, folder = code_of(made), tmp_path / "code"
    unpacked(code, folder)
    (folder / "labwork/__pycache__").mkdir()
    inode = (folder / "lab_beside.py").stat().st_ino
    unpacked(code, folder)
    assert (folder / "lab_beside.py").stat().st_ino == inode
    (folder / "lab_beside.py").write_text("tampered")
    unpacked(code, folder)
    assert (folder / "lab_beside.py").read_text() == "y = 2\n"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_leftovers_of_a_killed_process_are_removed_later(made: Lab, tmp_path: Path) -> None:
    for name in (".code.old", ".code.new", ".other.old"):
        (tmp_path / name / "labwork").mkdir(parents=True)
    for name in (".code.old", ".other.old"):
        os.utime(tmp_path / name, (1, 1))
    unpacked(code_of(made), tmp_path / "code")
    assert {path.name for path in tmp_path.glob(".*")} == {".code.new", ".other.old"}


def _unpack_on_signal(snapshot: Snapshot, contents: dict[str, bytes], folder: Path, go: Any) -> None:
    go.wait()
    unpack(snapshot, lambda file: contents[file.path], folder)


def test_several_processes_unpack_the_same_at_once(made: Lab, tmp_path: Path) -> None:
    code, folder = code_of(made), tmp_path / "code"
    contents = {file.path: code.read(file.path) for file in code.snapshot.files}
    context = multiprocessing.get_context("fork")
    go = context.Barrier(4)
    processes = [context.Process(target=_unpack_on_signal, args=(code.snapshot, contents, folder, go))
                 for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert {path: (folder / path).read_bytes() for path in contents} == contents
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".code")] == []


@pytest.mark.parametrize("path", [
    "/etc/x", "../x", "a/../../x", "a/..", "..", ".", "", "a//b", "a/", "./a", "a\\b", "..\\x", "C:x", "c:/x",
    "a\x00b", "a\nb", "a\udcffb",
])
def test_s8_a_hostile_path_is_refused_and_nothing_is_written(tmp_path: Path, path: str) -> None:
    content = b"x"
    snapshot = Snapshot(files=(source_file("good.py", content), source_file(path, content)))
    with pytest.raises(BadSnapshot):
        unpack(snapshot, lambda _: content, tmp_path / "in" / "code")
    assert list(tmp_path.rglob("*")) == []


def test_a_content_that_does_not_match_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSnapshot, match=r"a\.py: its content does not match the snapshot"):
        unpack(Snapshot(files=(source_file("a.py", b"x"),)), lambda _: b"y", tmp_path / "code")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("paths", [("a.py", "a.py"), ("a", "a/b"), ("a/b", "a")])
def test_conflicting_paths_are_refused(tmp_path: Path, paths: tuple[str, str]) -> None:
    snapshot = Snapshot(files=tuple(source_file(path, b"x") for path in paths))
    with pytest.raises(BadSnapshot, match="twice in the snapshot"):
        unpack(snapshot, lambda _: b"x", tmp_path / "code")


def test_s10_a_link_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "code").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadSnapshot, match="is a link"):
        unpack(Snapshot(files=(source_file("a.py", b"x"),)), lambda _: b"x", tmp_path / "code")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_installed_project_is_taken_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The top-level packages of its distribution, without other installed packages."""
    root = tmp_path / "site-packages"
    root.mkdir()
    with lab(root, monkeypatch, FILES) as made:
        made.write("labwork-0.3.dist-info/RECORD", "labwork/__init__.py,,\n")
        project = open_project("lab", build_manager(discover=False))
        code = project_code(project)
        assert isinstance(code, ProjectCode)
        assert labs(code) == {name for name in FILES if name.startswith("labwork")} | INFO
