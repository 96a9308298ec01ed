"""Uncommitted changes: the patch and the untracked files of the code, without secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperspace_core.capture import worktree
from hyperspace_core.capture.snapshot import ProjectCode, project_code
from hyperspace_core.extension.project import Project
from hyperspace_core.run import Section
from support.lab import Lab, lab
from support.repository import ENVIRONMENT, PLANTS, Repository

CANARY = "S3cr3t-canary"
FILES = {
    "labwork/__init__.py": """
        from hyperspace_core import hookimpl

        def train(lr: float = 0.1):
            return lr

        @hookimpl
        def hyperspace_register(register):
            register.scenario(train)
        """,
    "labwork/notes.txt": "one\ntwo\nthree\n",
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """The lab in a subfolder of a repository without commits."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    top = tmp_path / "work"
    (top / "src").mkdir(parents=True)
    git(top, "init", "-q", "-b", "main")
    with lab(top / "src", monkeypatch, FILES) as one:
        yield one


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout


def commit(made: Lab) -> None:
    git(made.root.parent, "add", "-A")
    git(made.root.parent, "commit", "-q", "-m", "x", "--no-gpg-sign")


def code_of(project: Project) -> ProjectCode:
    found = project_code(project)
    assert isinstance(found, ProjectCode), found
    return found


def changes(code: ProjectCode) -> dict[str, str]:
    """Path → content."""
    files = () if code.changes is None else code.changes.files
    return {file.path: code.read(file.path).decode() for file in files}


def test_a_clean_commit_has_no_changes(made: Lab) -> None:
    commit(made)
    code = code_of(made.open())
    assert (code.changes, code.untracked, dict(code.not_in_patch)) == (None, (), {})
    assert f"commit {git(made.root, 'rev-parse', 'HEAD')[:12]}" in code.summary
    assert "uncommitted" not in code.summary


def test_commit_patch_and_untracked_files_restore_the_tree(made: Lab, tmp_path: Path) -> None:
    made.write("labwork/gone.py", "x = 1\n")
    made.write("outside.txt", "a\n")
    commit(made)
    made.edit("labwork/notes.txt", "two", "zwei é")
    made.edit("outside.txt", "a", "b")
    (made.root / "labwork/gone.py").unlink()
    made.write("labwork/staged.py", "y = 2\n")
    git(made.root, "add", "labwork/staged.py")
    made.write("labwork/fresh.py", "z = 3\n")
    code = code_of(made.open())
    assert code.untracked == ("src/labwork/fresh.py",)
    assert "uncommitted changes" in code.summary
    assert "untracked by git: src/labwork/fresh.py" in code.summary
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(made.root.parent), str(clone))
    for path, content in changes(code).items():
        if path == "uncommitted.patch":
            (tmp_path / "patch").write_text(content)
            git(clone, "apply", str(tmp_path / "patch"))
        else:
            (clone / path.removeprefix("untracked/")).write_text(content)
    for name in ("labwork/notes.txt", "labwork/staged.py", "labwork/fresh.py", "outside.txt"):
        assert (clone / "src" / name).read_bytes() == (made.root / name).read_bytes()
    assert not (clone / "src/labwork/gone.py").exists()


def test_untracked_files_are_kept_from_the_package_only(made: Lab) -> None:
    commit(made)
    made.write("data.bin", "x")
    made.write(".gitignore", "ignored.py\n")
    made.write("labwork/ignored.py", "x = 1\n")
    made.write("labwork/two words.txt", "y")
    code = code_of(made.open())
    assert set(changes(code)) == {"untracked/src/labwork/ignored.py", "untracked/src/labwork/two words.txt"}
    assert code.section()["untracked"] == list(code.untracked)
    assert code.section()["changes"] == code.changes.digest if code.changes else None


def test_b57_without_a_commit_the_patch_has_every_file(made: Lab) -> None:
    git(made.root, "add", "labwork/notes.txt")
    code = code_of(made.open())
    assert "nothing committed yet" in code.summary
    assert "+two" in changes(code)["uncommitted.patch"]
    assert "src/labwork/__init__.py" in code.untracked


def test_b59_a_detached_head_and_b57_a_worktree(made: Lab, tmp_path: Path) -> None:
    commit(made)
    git(made.root, "checkout", "-q", "--detach")
    made.edit("labwork/notes.txt", "two", "zwei")
    assert "+zwei" in changes(code_of(made.open()))["uncommitted.patch"]


def test_b57_a_submodule_in_the_package_is_not_untracked(made: Lab, tmp_path: Path) -> None:
    commit(made)
    inner = Repository(tmp_path / "inner")
    inner.git("init", "-q")
    inner.commit()
    git(made.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.root),
        "labwork/inner")
    commit(made)
    made.write("labwork/inner/labcode/__init__.py", "VALUE = 2\n")
    code = code_of(made.open())
    assert "labwork/inner/labcode/__init__.py" in {file.path for file in code.snapshot.files}
    assert code.untracked == ()
    assert code.changes is None


def test_a_later_edit_is_seen_at_once(made: Lab) -> None:
    commit(made)
    project = made.open()
    assert changes(code_of(project)) == {}
    made.edit("labwork/notes.txt", "two", "zwei")
    made.edit("labwork/__init__.py", "return lr", "return -lr")
    first = changes(code_of(project))["uncommitted.patch"]
    assert "+zwei" in first
    made.edit("labwork/notes.txt", "zwei", "deux")
    assert "+deux" in changes(code_of(project))["uncommitted.patch"]


def test_the_user_s_diff_settings_do_not_change_the_patch(made: Lab) -> None:
    commit(made)
    for name, value in (("diff.noprefix", "true"), ("diff.mnemonicPrefix", "true"), ("color.ui", "always"),
                        ("diff.context", "0"), ("diff.relative", "true"), ("diff.renames", "copies")):
        git(made.root, "config", name, value)
    made.edit("labwork/notes.txt", "two", "zwei")
    patch = changes(code_of(made.open()))["uncommitted.patch"]
    assert patch.startswith("diff --git a/src/labwork/notes.txt b/src/labwork/notes.txt\n")
    assert " one\n-two\n+zwei\n three\n" in patch


# -- what is left out ----------------------------------------------------------------------------------------


def test_b58_only_text_is_in_the_patch_and_the_rest_is_named(made: Lab) -> None:
    made.write("labwork/weights.bin", b"\x00\x01")
    commit(made)
    made.write("labwork/weights.bin", b"\x00\x02")
    made.edit("labwork/notes.txt", "two", "zwei")
    code = code_of(made.open())
    assert dict(code.not_in_patch) == {"src/labwork/weights.bin": "not text"}
    assert "weights.bin" not in changes(code)["uncommitted.patch"]
    assert code.section()["not_in_patch"] == {"src/labwork/weights.bin": "not text"}


def test_b58_large_files_and_large_patches_are_not_kept(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worktree, "MAX_PATCH_BYTES", 2000)
    names = ["a.txt", "b.txt", "c.txt"]
    for name in names:
        made.write(f"labwork/{name}", "x\n")
    commit(made)
    project = made.open()
    made.write("labwork/a.txt", "long line\n" * 500)
    made.edit("labwork/notes.txt", "two", "zwei")
    code = code_of(project)
    assert dict(code.not_in_patch) == {"src/labwork/a.txt": "too large"}
    assert "+zwei" in changes(code)["uncommitted.patch"]
    for name in names:
        made.write(f"labwork/{name}", "long line\n" * 150)
    code = code_of(project)
    assert "the patch has" in code.not_in_patch["*"]
    assert "uncommitted.patch" not in changes(code)
    assert "uncommitted changes" in code.summary


def test_too_many_changed_files_are_not_kept(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worktree, "MAX_CHANGES", 2)
    names = ["a.txt", "b.txt", "c.txt"]
    for name in names:
        made.write(f"labwork/{name}", "x\n")
    commit(made)
    for name in names:
        made.write(f"labwork/{name}", "y\n")
    assert dict(code_of(made.open()).not_in_patch) == {"*": "more than 2 changed files"}


def test_b62_odd_names_are_kept_apart(made: Lab) -> None:
    odd = "labwork/two\nlines \"quoted\" é :(top).bin"
    made.write(odd, b"\x00")
    commit(made)
    made.write(odd, b"\x01\x00")
    made.edit("labwork/notes.txt", "two", "zwei")
    code = code_of(made.open())
    assert dict(code.not_in_patch) == {f"src/{odd}": "not text"}
    assert changes(code)["uncommitted.patch"].count("diff --git") == 1


# -- secrets and hostile repositories (S20, S21, S23) --------------------------------------------------------


def everything(made: Lab) -> bytes:
    """Everything that could be stored: sections, contents, names."""
    project = made.open()
    code = code_of(project)
    found = [answer for _, answer in project.extensions.each("hyperspace_capture", run=None)
            if isinstance(answer, Section)]
    assert "git" in {section.name for section in found}
    contents = [code.read(path) for path in code.contents if path.startswith(("lab", "un"))]
    return b"\n".join([repr(found).encode(), repr(code.section()).encode(), code.summary.encode(), *contents])


def test_s21_no_canary_reaches_a_section_or_a_snapshot(made: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (".env", "labwork/.env", "labwork/server.pem", "deploy.key"):
        made.write(name, "harmless\n")
    commit(made)
    git(made.root, "remote", "add", "origin", f"https://me:{CANARY}@github.com/a/b.git")
    for name in (".env", "labwork/.env", "labwork/server.pem", "deploy.key"):
        made.write(name, f"PASSWORD={CANARY}\n")
    for name in ("labwork/.env.local", "labwork/id_rsa", "labwork/sub/.env", "labwork/other.pem"):
        made.write(name, f"PASSWORD={CANARY}\n")
    made.edit("labwork/notes.txt", "two", "zwei")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setenv("MY_PASSWORD", CANARY)
    found = everything(made)
    assert CANARY.encode() not in found
    assert b"+zwei" in found
    left_out = code_of(made.open()).not_in_patch
    assert {"src/.env", "src/labwork/.env", "src/labwork/server.pem", "src/deploy.key"} == set(left_out)
    assert set(left_out.values()) == {"looks like a secret"}


def test_s21_a_file_renamed_to_a_secret_s_name_is_left_out(made: Lab) -> None:
    made.write("labwork/plain.txt", f"{CANARY}\n" * 20)
    commit(made)
    git(made.root, "mv", "labwork/plain.txt", "labwork/.env")
    made.write("labwork/.env", f"{CANARY}\n" * 20 + "more-canary\n")
    assert b"more-canary" not in everything(made)


@pytest.mark.parametrize("plant", PLANTS)
def test_s23_a_patch_runs_no_program_of_the_repository(
        made: Lab, tmp_path: Path, plant: Callable[[Repository, Path], None]) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\ncat\n")
    trap.chmod(0o755)
    commit(made)
    plant(Repository(made.root.parent), trap)
    made.edit("labwork/__init__.py", "return lr", "return -lr")
    (tmp_path / "sprung").unlink(missing_ok=True)
    code = code_of(made.open())
    assert "+    return -lr" in changes(code)["uncommitted.patch"]
    assert not (tmp_path / "sprung").exists()
