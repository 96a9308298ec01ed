"""`hyperspace store copy`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_migrate.testing import assert_the_same, fill_sample_store
from pytest_hyperspace.stores.harness import COMPLETED, Harness
from support.commands import Answer
from support.terminal import Terminal

Typed = Callable[..., Answer]


@pytest.fixture(autouse=True)
def no_project(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy all projects, unless one is named."""
    monkeypatch.delenv("HYPERSPACE_PROJECT")


@pytest.fixture
def new(tmp_path: Path) -> str:
    """The address of a store that does not exist yet."""
    return f"sqlite:///{tmp_path}/new.db"


def test_copy_reports_the_copied_and_the_running_runs(typed: Typed, store: Store, url: str, new: str,
                                                      tmp_path: Path) -> None:
    runs = fill_sample_store(store, tmp_path)

    answer = typed("store", "copy", url, new)

    assert answer.out == f"copied {len(runs) - 1} runs; counts and digests agree\n"
    assert f"1 run ({runs['running']}) is running: copy again when it has ended" in answer.err
    assert "--project conformance --storage" in answer.err
    with open_store(new) as target:
        assert_the_same(store, target)


def test_the_printed_resume_command_works(typed: Typed, store: Store, url: str, new: str) -> None:
    Harness(store).submit_many(2)
    Harness(store).in_state(State.PAUSED)
    advice = typed("store", "copy", url, new).err
    words = advice[advice.index("`hyperspace ") + 12:advice.index("` resumes")]

    from shlex import split

    assert typed(*split(words)).out == "run 1: QUEUED\nrun 2: QUEUED\n"


def test_a_second_copy_copies_nothing(typed: Typed, store: Store, url: str, new: str) -> None:
    Harness(store).in_state(State.COMPLETED)
    typed("store", "copy", url, new)

    assert typed("store", "copy", url, new).out == (
        "copied 0 runs, 1 is in the target already; counts and digests agree\n")


def test_a_run_changed_in_the_target_exits_with_6(typed: Typed, store: Store, url: str, new: str) -> None:
    Harness(store).submit()
    run = Harness(store).in_state(State.COMPLETED)
    typed("store", "copy", url, new, "--status", "completed")
    with open_store(new) as target:
        target.annotate(1, note="mine")

    answer = typed("store", "copy", url, new, expect=6)

    assert answer.out == "copied 1 run\n"
    assert answer.err.startswith(f"error: run {run} (1 in the target) differs there: note; nothing was over")
    report = typed("store", "copy", url, new, "--json", expect=6).json
    assert report["counts"]["differs"] == report["counts"]["there"] == 1
    assert [one["problems"] for one in report["runs"]] == [[], ["note"]]


def test_a_damaged_artifact_exits_with_1(typed: Typed, store: Store, url: str, new: str,
                                         tmp_path: Path) -> None:
    lease = Harness(store).start()
    (tmp_path / "weights").write_bytes(b"x" * 3000)
    store.put_artifact(lease.run, 1, "weights", tmp_path / "weights")
    store.finish(lease, COMPLETED)
    stored, = (path for path in (tmp_path / "runs.db.artifacts").rglob("*") if path.is_file())
    stored.unlink()

    assert "artifact 'weights' of attempt 1" in typed("store", "copy", url, new, expect=1).err


def test_a_dry_run_of_copy_creates_nothing(typed: Typed, store: Store, url: str, new: str,
                                           tmp_path: Path) -> None:
    runs = fill_sample_store(store, tmp_path)

    answer = typed("store", "copy", url, new, "--dry-run")

    assert answer.out == (f"would copy {len(runs) - 1} runs (conformance {len(runs) - 2}, elsewhere 1), "
                          f"4 artifacts of 300.0 kB to {new}\n")
    assert "queued runs that would be PAUSED in the target: 2" in answer.err
    assert not (tmp_path / "new.db").exists()
    assert typed("store", "copy", url, new, "--dry-run", "--json").json["running"] == [runs["running"]]


def test_project_limits_the_copy(typed: Typed, store: Store, url: str, new: str,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    Harness(store, "first").in_state(State.FAILED)
    Harness(store, "second").in_state(State.FAILED)

    assert typed("store", "copy", url, new, "--project", "first").err == ""
    monkeypatch.setenv("HYPERSPACE_PROJECT", "second")
    answer = typed("store", "copy", url, new)

    assert answer.err == ("only runs of project 'second' are copied, because HYPERSPACE_PROJECT is set; "
                          "not of first\n")
    with open_store(new) as target:
        assert target.info().runs == {"first": 1, "second": 1}


def test_an_unknown_project_copies_nothing(typed: Typed, store: Store, url: str, new: str,
                                           tmp_path: Path) -> None:
    Harness(store, "digits").submit()

    line = typed("store", "copy", url, new, "-p", "digit", expect=5).err

    assert line == f"error: {url}: no runs of project 'digit'; it has digits; did you mean 'digits'?\n"
    assert not (tmp_path / "new.db").exists()


def test_a_missing_source_is_not_created(typed: Typed, store: Store, url: str, tmp_path: Path) -> None:
    line = typed("store", "copy", f"{tmp_path}/no.db", url, expect=4).err

    assert line == f"error: {tmp_path}/no.db: no store at this path; check the address\n"
    assert not (tmp_path / "no.db").exists()


def test_a_store_is_not_copied_into_itself(typed: Typed, store: Store, url: str, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "runs.db")

    for other in (url, f"{tmp_path}/link.db"):
        assert "is both SRC and DST; name two stores" in typed("store", "copy", url, other, expect=4).err
    assert "is both SRC and DST" in typed(
        "store", "copy", "mongodb://u:pw@h/x?tls=true", "h/x", "-p", "x", expect=4).err


def test_a_copy_without_matches_creates_no_store(typed: Typed, store: Store, url: str, new: str,
                                                 tmp_path: Path) -> None:
    assert typed("store", "copy", url, new).err == f"{url}: no runs\n"
    assert typed("store", "copy", url, new, "--json").json["runs"] == []
    assert typed("store", "copy", url, new, "--dry-run", "--json").json["runs"] == {}
    Harness(store).submit()
    assert typed("store", "copy", url, new, "--status", "failed").err == "no run matches\n"
    assert not (tmp_path / "new.db").exists()


def test_an_address_may_stand_in_a_file(typed: Typed, store: Store, url: str, new: str,
                                        tmp_path: Path) -> None:
    Harness(store).in_state(State.FAILED)
    (tmp_path / "address").write_text(new + "\n")

    assert typed("store", "copy", url, f"@{tmp_path}/address").out.startswith("copied 1 run;")
    assert "no such" in typed("store", "copy", url, f"@{tmp_path}/none", expect=1).err.lower()


@pytest.mark.parametrize("words", [("mongodb://ann:pa55@h:1",), ("mongodb://ann:pa55@h:1", "--dry-run")])
def test_a_password_is_never_shown(typed: Typed, store: Store, url: str, words: tuple[str, ...]) -> None:
    Harness(store).submit()

    answer = typed("store", "copy", url, *words, expect=2)

    assert "pa55" not in answer.err + answer.out
    assert "write mongodb://ann:***@h:1/NAME, or give --project" in answer.err


def test_an_interrupted_copy_is_completed_by_a_second_one(typed: Typed, at_terminal: Callable[..., Terminal],
                                                          store: Store, url: str, new: str) -> None:
    Harness(store).submit_many(6000)
    terminal = at_terminal("store", "copy", url, new)
    terminal.wait_for("copying")

    terminal.interrupt()

    assert terminal.ended() == 130
    assert "of 6000 runs; run the same command again" in terminal.text and "interrupted" in terminal.text
    assert typed("store", "copy", url, new).out.endswith("counts and digests agree\n")
    with open_store(new) as target:
        assert target.info().runs == {"conformance": 6000}
