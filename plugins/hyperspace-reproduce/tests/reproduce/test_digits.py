"""Reproduce the digits example: committed, edited, untracked, without git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.stores.sqlite import open_store

pytest.importorskip("sklearn", exc_type=ImportError)

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "digits"
BUILT = "RandomForestClassifier(self.trees, "
OURS = "from hyperspace_core"
MINE = "from digits_study.settings_of_mine import FEATURES\n"
IGNORING = ("--ignore", "stage_seconds/*", "--json")   # the timing plugin may be installed
GIT = ("git", "-c", "user.email=ann@example.org", "-c", "user.name=Ann", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Checkout:
    """A checkout of the example, and a store."""

    root: Path
    url: str

    @property
    def package(self) -> Path:
        return self.root / "digits_study"

    def git(self, *arguments: str) -> str:
        done = subprocess.run([*GIT, *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout

    def commit(self) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "work")

    def type(self, *arguments: str, code: int = 0) -> str:
        """Call `hyperspace …` in a new process, with this copy installed."""
        done = subprocess.run([sys.executable, "-m", "hyperspace_core", *arguments], cwd=self.root.parent,
                              capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(self.root)})
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def edit(self, old: str, new: str) -> None:
        path = self.package / "components.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def state(self) -> dict[str, bytes]:
        """All files of the checkout, with those of git."""
        return {str(path.relative_to(self.root)): path.read_bytes() for path in sorted(self.root.rglob("*"))
                if path.is_file() and "__pycache__" not in path.parts}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HYPERSPACE_PROJECT", "digits")
    url = f"sqlite:///{tmp_path}/runs.db"
    monkeypatch.setenv("HYPERSPACE_STORAGE", url)
    root = tmp_path / "work" / "digits"
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return Checkout(root, url)


def committed(checkout: Checkout) -> None:
    checkout.git("init", "-q")
    checkout.commit()


def edited_and_committed(checkout: Checkout) -> None:
    committed(checkout)
    checkout.edit(BUILT, f"{BUILT}max_features=3, ")
    checkout.commit()


def dirty(checkout: Checkout) -> None:
    committed(checkout)
    checkout.edit(BUILT, f"{BUILT}max_features=5, ")


def with_an_untracked_module(checkout: Checkout) -> None:
    committed(checkout)
    (checkout.package / "settings_of_mine.py").write_text("FEATURES = 7\n")
    checkout.edit(BUILT, f"{BUILT}max_features=FEATURES, ")
    checkout.edit(OURS, f"{MINE}{OURS}")


def without_git(checkout: Checkout) -> None:
    checkout.edit(BUILT, f"{BUILT}max_features=9, ")


def moved_on(checkout: Checkout) -> None:
    """Rewrite the class, delete a file, commit."""
    checkout.edit(BUILT, f"{BUILT}criterion='entropy', ")
    if (checkout.package / "settings_of_mine.py").exists():
        checkout.edit(MINE, "FEATURES = 1\n")
        (checkout.package / "settings_of_mine.py").unlink()
    if (checkout.root / ".git").exists():
        checkout.commit()


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "left", [committed, edited_and_committed, dirty, with_an_untracked_module, without_git],
    ids=lambda function: function.__name__)
def test_a_run_reproduces_exactly_after_the_checkout_changed(
        checkout: Checkout, left: Callable[[Checkout], None]) -> None:
    left(checkout)
    checkout.type("submit", "holdout", "--set", "classifier=Forest", "--set", "classifier.trees=10")
    moved_on(checkout)
    checkout.type("worker", "--drain")
    before = checkout.state()

    answer = json.loads(checkout.type("reproduce", "1", *IGNORING))

    assert (answer["verdict"], answer["first"]) == ("identical", None)
    assert answer["before"] == answer["now"] and answer["before"]["state"] == "COMPLETED"
    assert checkout.state() == before
    if left is not dirty:              # once is enough
        return
    today = json.loads(checkout.type("reproduce", "1", *IGNORING, "--code", "current", code=1))
    assert today["verdict"] == "diverged"
    assert "component Forest has other code" in [cause["text"] for cause in today["causes"]]


@pytest.mark.timeout(240)
def test_a_broken_checkout_does_not_matter(checkout: Checkout) -> None:
    checkout.type("run", "holdout", "--set", "classifier=Forest", "--set", "classifier.trees=10")
    (checkout.package / "components.py").write_text("def broken(:\n")

    answer = json.loads(checkout.type("reproduce", "1", *IGNORING))

    assert answer["verdict"] == "identical"


@pytest.mark.timeout(240)
def test_without_snapshot_commit_and_patch_are_used(checkout: Checkout) -> None:
    with_an_untracked_module(checkout)
    checkout.type("submit", "holdout", "--set", "classifier=Forest", "--set", "classifier.trees=10")
    checkout.type("worker", "--drain")
    moved_on(checkout)
    before = checkout.state()
    lose_the_snapshot(checkout)

    answer = json.loads(checkout.type("reproduce", "1", *IGNORING))

    assert answer["verdict"] == "identical"
    assert answer["code"].startswith("its own code, commit ") and "uncommitted changes" in answer["code"]
    assert checkout.state() == before


def lose_the_snapshot(checkout: Checkout) -> None:
    import sqlite3

    with open_store(checkout.url) as store:
        (record,) = store.find(RunFilter())
        source: dict[str, Any] = record.attempts[0].provenance["source"]
    with sqlite3.connect(checkout.url.removeprefix("sqlite:///")) as connection:
        lost = connection.execute("DELETE FROM snapshots WHERE digest = ?", (source["snapshot"],))
        assert lost.rowcount == 1
    connection.close()
    shutil.rmtree(Path(os.environ["XDG_CACHE_HOME"]) / "hyperspace" / "code", ignore_errors=True)
