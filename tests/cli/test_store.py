"""`hyperspace store`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer

Typed = Callable[..., Answer]


@pytest.fixture
def content(harness: Harness, tmp_path: Path) -> Path:
    """The stored content of an artifact of run 1."""
    lease = harness.start()
    file = tmp_path / "weights"
    file.write_bytes(b"x" * 3000)
    harness.store.put_artifact(lease.run, 1, "weights", file)
    harness.store.release(lease)
    stored, = (path for path in (tmp_path / "runs.db.artifacts").rglob("*") if path.is_file())
    return stored


def test_info_shows_address_and_counts(typed: Typed, harness: Harness, url: str) -> None:
    harness.submit()
    harness.submit(project="other")

    answer = typed("store", "info")

    assert answer.lines[0] == url
    assert ["behaving", "1"] in answer.columns
    assert ["other", "1"] in answer.columns
    assert typed("store", "info", "--json").json["runs"] == {"behaving": 1, "other": 1}


def test_a_complete_address_needs_no_project(typed: Typed, harness: Harness, url: str,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    harness.submit()
    monkeypatch.delenv("HYPERSPACE_PROJECT")

    assert typed("store", "info").lines[0] == url


@pytest.mark.parametrize("words", [("info",), ("check",), ("upgrade",), ("gc",), ("gc", "--yes")])
def test_store_commands_do_not_create_a_store(typed: Typed, url: str, words: tuple[str, ...]) -> None:
    file = Path(url.removeprefix("sqlite:///"))

    line = typed("store", *words, expect=4).err

    assert line == f"error: {file}: no store at this path yet; the first `submit` or `run` creates it\n"
    assert not file.exists()


def test_a_sound_store(typed: Typed, harness: Harness, url: str) -> None:
    assert typed("store", "check").out == f"{url}: no damage found\n"
    assert typed("store", "check", "--json").json == []


def test_check_lists_damage_and_exits_with_1(typed: Typed, content: Path) -> None:
    content.unlink()

    assert "the content of artifact 'weights' is missing" in typed("store", "check", expect=1).out
    assert len(typed("store", "check", "--json", expect=1).json) == 1


def test_upgrade_of_an_up_to_date_store(typed: Typed, harness: Harness) -> None:
    assert "up to date" in typed("store", "upgrade", "--dry-run").out
    answer = typed("store", "upgrade", "--json").json
    assert answer["from"] == answer["to"]


def test_gc_removes_only_with_yes(typed: Typed, harness: Harness, content: Path) -> None:
    assert typed("store", "gc").out == "nothing to remove: every artifact content is used by a run\n"
    harness.store.delete([1])

    for words in (("gc",), ("gc", "--dry-run")):
        assert typed("store", *words).out == "would remove 1 artifact content, 3.0 kB\n"
    assert content.exists()
    assert typed("store", "gc", "--yes").out == "removed 1 artifact content, 3.0 kB\n"
    assert not content.exists()


def test_gc_keeps_contents_that_a_run_names(typed: Typed, content: Path) -> None:
    assert typed("store", "gc", "--yes", "--json").json == {"blobs": 0, "bytes": 0, "dry_run": False}
    assert content.exists()


def test_yes_and_dry_run_contradict_each_other(typed: Typed, harness: Harness) -> None:
    assert "--yes and --dry-run contradict each other" in typed("store", "gc", "--yes", "--dry-run",
                                                                expect=2).err


def test_a_misspelt_command_gets_a_suggestion(typed: Typed) -> None:
    assert typed("store", "chek", expect=2).err == "error: no command 'chek'. Did you mean 'check'?\n"
