"""The section `git` on real repositories: normal, unusual and hostile; none fails a run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.capture import git as capture
from hyperspace_core.capture.git import GitCapture, checked_out
from hyperspace_core.capture.worktree import parse_settings, parse_status, without_credentials
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.run import Absent, Section
from support.repository import ENVIRONMENT, PLANTS, Repository, load, plant_filter

CANARY = "ghp_S3cr3tCanary"


@pytest.fixture
def bare_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # independent of a repository above the temporary folder
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    made = Repository(tmp_path / "work")
    load("labcode", made.code)
    yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == "labcode"]:
        del sys.modules[name]


@pytest.fixture
def repository(bare_folder: Repository) -> Repository:
    bare_folder.git("init", "-q", "-b", "main")
    return bare_folder


@pytest.fixture
def look(bare_folder: Repository) -> Callable[..., Any]:
    """Capture the section with a new plugin object."""

    def answer(source: Path | None = None) -> Any:
        extensions = build_manager(discover=False)
        extensions.project_source = str(source or bare_folder.package)
        found = GitCapture(extensions).hyperspace_capture()
        return found.data if isinstance(found, Section) else found

    return answer


# -- normal --------------------------------------------------------------------------------------------------


def test_a_clean_commit(repository: Repository, look: Callable[..., Any]) -> None:
    commit = repository.commit()
    assert look() == {"root": str(repository.root), "commit": commit, "branch": "main", "dirty": False,
                      "changed": [], "untracked_sources": [], "remote": None}


def test_b58_a_changed_file_makes_it_dirty_and_is_named(repository: Repository,
                                                        look: Callable[..., Any]) -> None:
    repository.commit()
    repository.write("labcode/__init__.py", "VALUE = 2\n")
    assert (look()["dirty"], look()["changed"]) == (True, ["labcode/__init__.py"])


def test_staged_renamed_and_deleted_files_count_once(repository: Repository,
                                                     look: Callable[..., Any]) -> None:
    repository.write("old name.txt", "a\n" * 50)
    repository.write("gone.txt", "b\n")
    repository.commit()
    repository.git("mv", "old name.txt", "new name.txt")
    repository.git("rm", "-q", "gone.txt")
    assert look()["changed"] == ["gone.txt", "new name.txt"]


def test_b62_unusual_names_are_read_whole(repository: Repository, look: Callable[..., Any]) -> None:
    odd = "labcode/two\nlines \"quoted\" é.txt"
    repository.write(odd, "a")
    (repository.package / os.fsdecode(b"not-utf8-\xff.txt")).write_text("a")
    repository.commit()
    repository.write(odd, "b")
    (repository.package / os.fsdecode(b"not-utf8-\xff.txt")).write_text("b")
    assert look()["changed"] == ["labcode/not-utf8-\\xff.txt", odd]


def test_b60_only_loaded_sources_count_as_untracked(repository: Repository, look: Callable[..., Any]) -> None:
    repository.commit()
    repository.write("data.bin", "x")
    assert look()["dirty"] is False
    load("labcode.fresh", repository.write("labcode/fresh.py", "x = 1"))
    assert (look()["dirty"], look()["untracked_sources"]) == (True, ["labcode/fresh.py"])


def test_ignored_sources_that_were_loaded_count_too(repository: Repository, look: Callable[..., Any]) -> None:
    repository.write(".gitignore", "secret_sauce.py\n")
    repository.commit()
    load("labcode.sauce", repository.write("labcode/secret_sauce.py", "x = 1"))
    assert look()["untracked_sources"] == ["labcode/secret_sauce.py"]


# -- unusual -------------------------------------------------------------------------------------------------


def test_b57_no_commit_yet(repository: Repository, look: Callable[..., Any]) -> None:
    found = look()
    assert (found["commit"], found["branch"], found["dirty"]) == (None, "main", True)


def test_b59_a_detached_head_has_a_commit_and_no_branch(repository: Repository,
                                                        look: Callable[..., Any]) -> None:
    commit = repository.commit()
    repository.git("checkout", "-q", "--detach")
    assert (look()["commit"], look()["branch"]) == (commit, None)


def test_b57_no_repository(bare_folder: Repository, look: Callable[..., Any]) -> None:
    assert look() == Absent("git", "the project's code is in no git repository")


def test_b57_a_bare_repository_has_no_working_tree(repository: Repository, look: Callable[..., Any],
                                                   tmp_path: Path) -> None:
    repository.commit()
    subprocess.run(["git", "clone", "-q", "--bare", str(repository.root), str(tmp_path / "bare")], check=True)
    found = look(tmp_path / "bare")
    assert isinstance(found, Absent)
    assert "work tree" in found.reason


def test_b57_a_linked_worktree_and_a_submodule(repository: Repository, look: Callable[..., Any],
                                               tmp_path: Path) -> None:
    commit = repository.commit()
    repository.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    found = look(tmp_path / "side" / "labcode")
    assert (found["commit"], found["branch"], found["root"]) == (commit, "side", str(tmp_path / "side"))
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(repository.root),
                   "inner")
    repository.commit()
    assert look(repository.root / "inner")["commit"] == commit
    assert look()["dirty"] is False


def test_b56_no_git_program(repository: Repository, look: Callable[..., Any], monkeypatch: pytest.MonkeyPatch,
                            tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert look() == Absent("git", "git: not found")


def test_b56_gitpython_is_importable_without_git(tmp_path: Path) -> None:
    code = ("from hyperspace_core.capture.git import GitCapture\n"
            "from types import SimpleNamespace\n"
            f"print(GitCapture(SimpleNamespace(project_source={str(tmp_path)!r})).hyperspace_capture())\n")
    environment = {name: value for name, value in os.environ.items() if name != "GIT_PYTHON_REFRESH"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True,
                          env=environment | {"PATH": str(tmp_path)}, check=False)
    assert "git: not found" in done.stdout, done.stderr


def test_b61_a_repository_of_another_user(repository: Repository, look: Callable[..., Any],
                                          monkeypatch: pytest.MonkeyPatch) -> None:
    repository.commit()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    found = look()
    assert isinstance(found, Absent)
    assert "dubious ownership" in found.reason
    assert "\n" not in found.reason


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE"])
def test_variables_that_name_another_repository(repository: Repository, look: Callable[..., Any],
                                                monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    repository.commit()
    monkeypatch.setenv(name, "/elsewhere")
    assert look() == Absent("git", f"{name} is set, so git uses another repository")


def test_an_installed_copy_is_not_part_of_the_tree_around_it(repository: Repository,
                                                             look: Callable[..., Any]) -> None:
    repository.commit()
    installed = repository.root / "venv" / "lib" / "site-packages" / "labcode"
    installed.mkdir(parents=True)
    assert look(installed) == Absent("git", "the project is an installed copy, not run from a working tree")


def test_a_project_without_a_folder() -> None:
    found = GitCapture(build_manager(discover=False)).hyperspace_capture()
    assert found == Absent("git", "the project's code is in no folder")


def test_b60_a_hanging_call_is_ended(repository: Repository, look: Callable[..., Any],
                                     monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "bin" / "git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    hanging.chmod(0o755)
    monkeypatch.setenv("PATH", str(hanging.parent))
    monkeypatch.setattr(capture, "LIMIT_S", 0.3)
    assert look() == Absent("git", "git took longer than 0.3 s")


# -- hostile (S21, S23) --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("remote", "shown"), [
    (f"https://me:{CANARY}@github.com/a/b.git", "https://github.com/a/b.git"),
    (f"https://{CANARY}@github.com/a/b.git", "https://github.com/a/b.git"),
    (f"https://github.com/a/b.git?token={CANARY}#x", "https://github.com/a/b.git"),
    (f"https://me:a/{CANARY}@github.com/a/b.git", "https://***"),
    (f"https://me:{CANARY}@x@github.com:8443/a", "https://github.com:8443/a"),
    ("ssh://git@[::1]:22/a/b", "ssh://[::1]:22/a/b"),
    ("git@github.com:a/b.git", "git@github.com:a/b.git"),
    (f"{CANARY}@github.com:a/b.git", "github.com:a/b.git"),
    ("https://npm.example/@scope/b", "https://npm.example/@scope/b"),
    ("/srv/git/b.git", "/srv/git/b.git"),
])
def test_s21_credentials_of_a_remote_are_never_recorded(repository: Repository, look: Callable[..., Any],
                                                        remote: str, shown: str) -> None:
    assert without_credentials(remote) == shown
    repository.commit()
    repository.git("remote", "add", "origin", remote)
    assert look()["remote"] == shown
    assert CANARY not in str(look())


def test_origin_is_the_recorded_remote(repository: Repository, look: Callable[..., Any]) -> None:
    repository.commit()
    repository.git("remote", "add", "backup", "https://b/x")
    assert look()["remote"] == "https://b/x"
    repository.git("remote", "add", "origin", "https://o/x")
    assert look()["remote"] == "https://o/x"


@pytest.fixture
def trap(repository: Repository, tmp_path: Path) -> Path:
    """A program that creates a marker file when it is run."""
    program = tmp_path / "trap.sh"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("plant", PLANTS)
def test_s23_no_program_of_the_repository_is_run(repository: Repository, look: Callable[..., Any],
                                                 trap: Path,
                                                 plant: Callable[[Repository, Path], None]) -> None:
    repository.commit()
    plant(repository, trap)
    repository.write("labcode/__init__.py", "VALUE = 3\n")
    mark = trap.parent / "sprung"
    mark.unlink(missing_ok=True)
    found = look()
    assert "labcode/__init__.py" in found["changed"]
    assert not mark.exists()


@pytest.mark.parametrize("plant", PLANTS)
def test_s23_a_checkout_runs_no_program_of_the_repository(
        repository: Repository, trap: Path, tmp_path: Path,
        plant: Callable[[Repository, Path], None]) -> None:
    plant(repository, trap)
    commit = repository.commit()
    mark = trap.parent / "sprung"
    mark.unlink(missing_ok=True)
    (tmp_path / "out").mkdir()
    checked_out(str(repository.root), commit, tmp_path / "out")
    assert (tmp_path / "out/labcode/__init__.py").read_text() == "VALUE = 1\n"
    assert not mark.exists()


def test_s23_an_unhardened_call_runs_the_programs(repository: Repository, trap: Path) -> None:
    repository.commit()
    plant_filter(repository, trap)
    repository.write("labcode/__init__.py", "VALUE = 3\n")
    subprocess.run(["git", "status"], cwd=repository.root, capture_output=True, check=False)
    assert (trap.parent / "sprung").exists()


def test_s23_a_filter_that_cannot_be_disabled(repository: Repository, look: Callable[..., Any],
                                              trap: Path) -> None:
    repository.commit()
    repository.write(".gitattributes", "*.py filter=a=b\n")
    with (repository.root / ".git" / "config").open("a") as config:
        config.write(f'[filter "a=b"]\n\tclean = {trap}\n')
    repository.write("labcode/__init__.py", "VALUE = 3\n")
    assert look() == Absent(
        "git", "the repository configures a filter that cannot be disabled because of its name")
    assert not (trap.parent / "sprung").exists()


def test_nothing_is_written_into_the_repository(repository: Repository, look: Callable[..., Any]) -> None:
    repository.commit()
    folder = repository.root / ".git"
    os.utime(repository.code)
    before = ((folder / "index").stat().st_mtime_ns, sorted(folder.iterdir()))
    assert look()["dirty"] is False
    assert ((folder / "index").stat().st_mtime_ns, sorted(folder.iterdir())) == before


# -- caching -------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    real = GitCapture._git

    def counted(self: GitCapture, folder: str, *arguments: str) -> bytes:
        made.append(next(a for a in arguments if not a.startswith("-") and "=" not in a))
        return real(self, folder, *arguments)

    monkeypatch.setattr(GitCapture, "_git", counted)
    return made


@pytest.fixture
def eye(repository: Repository) -> GitCapture:
    repository.commit()
    extensions = build_manager(discover=False)
    extensions.project_source = str(repository.package)
    return GitCapture(extensions)


def test_a_fresh_state_is_reused(eye: GitCapture, calls: list[str]) -> None:
    first = eye.hyperspace_capture()
    asked = len(calls)
    second = eye.hyperspace_capture()
    assert (first, len(calls)) == (second, asked)
    assert isinstance(second, Section)
    second.data["commit"] = "changed by a caller"
    assert eye.hyperspace_capture() == first


def test_a_changed_source_is_seen_at_once(eye: GitCapture, repository: Repository) -> None:
    eye.prepare()
    repository.write("labcode/__init__.py", "VALUE = 2345\n")
    found = eye.hyperspace_capture()
    assert isinstance(found, Section)
    assert found.data["dirty"] is True


def test_a_new_commit_is_seen_at_once(eye: GitCapture, repository: Repository) -> None:
    eye.prepare()
    repository.write("notes.txt", "x")
    commit = repository.commit()
    found = eye.hyperspace_capture()
    assert isinstance(found, Section)
    assert found.data["commit"] == commit


def test_other_changes_are_seen_after_a_while(eye: GitCapture, repository: Repository,
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    repository.write("notes.txt", "x")
    repository.commit()
    eye.prepare()
    repository.write("notes.txt", "y")
    monkeypatch.setattr(capture, "FRESH_S", -1.0)
    found = eye.hyperspace_capture()
    assert isinstance(found, Section)
    assert found.data["changed"] == ["notes.txt"]


def grow_older(eye: GitCapture, seconds: float) -> None:
    for source, seen in eye._seen.items():
        eye._seen[source] = replace(seen, at=seen.at - seconds)


def test_the_state_is_refreshed_before_it_expires(eye: GitCapture, calls: list[str]) -> None:
    first = eye.hyperspace_capture()
    grow_older(eye, capture.FRESH_S * 0.6)
    asked = len(calls)
    assert eye.hyperspace_capture() == first
    assert len(calls) == asked
    with eye.hurried() as quick:
        assert quick
        eye.hyperspace_capture()
    assert len(calls) > asked
    grow_older(eye, capture.FRESH_S * 0.6)
    asked = len(calls)
    assert eye.hyperspace_capture() == first
    assert len(calls) == asked


def test_a_hurried_call_waits_for_a_slow_git_only_once(
        eye: GitCapture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = eye.hyperspace_capture()
    hanging = tmp_path / "bin" / "git"
    hanging.parent.mkdir()
    hanging.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    hanging.chmod(0o755)
    path = os.environ["PATH"]
    monkeypatch.setenv("PATH", str(hanging.parent))
    monkeypatch.setattr(capture, "HURRIED_S", 0.2)
    grow_older(eye, capture.FRESH_S * 0.6)
    with eye.hurried() as quick:
        assert quick
        assert eye.hyperspace_capture() == Absent("git", "git took longer than 0.2 s")
    with eye.hurried() as quick:
        assert not quick
    monkeypatch.setenv("PATH", path)
    assert eye.hyperspace_capture() == first


# -- parsing -------------------------------------------------------------------------------------------------


def test_user_settings_are_not_filters_of_the_repository() -> None:
    output = (b"global\0filter.lfs.clean\ngit-lfs clean -- %f\0local\0filter.own.x.process\nrun\0"
              b"local\0remote.origin.url\nhttps://a/b\0")
    settings = parse_settings(output)
    assert (settings.filters, settings.remote) == (("own.x",), "https://a/b")
    assert settings.overrides()[:2] == ("-c", "filter.own.x.clean=")


def test_a_conflict_counts_as_a_change() -> None:
    status = parse_status(b"# branch.oid abc\0# branch.head main\0"
                          b"u UU N... 100644 100644 100644 100644 a b c my file.txt\0")
    assert (status.commit, status.branch, status.changed) == ("abc", "main", ["my file.txt"])
