"""`hyperspace runs tag`, `note` and `delete`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hyperspace_core.records.states import State
from pytest_hyperspace.stores.harness import Harness
from support.commands import Answer

Typed = Callable[..., Answer]


def test_tags_are_added_and_removed(typed: Typed, harness: Harness) -> None:
    run = harness.submit(tags=("old", "kept"))

    answer = typed("runs", "tag", run, "--add", "new", "--remove", "old")

    assert set(harness.get(run).tags) == {"kept", "new"}
    assert answer.out == f"run {run}: tags {' '.join(harness.get(run).tags)}\n"
    typed("runs", "tag", run, "--remove", "kept", "--remove", "new")
    assert harness.get(run).tags == ()


def test_runs_to_tag_can_be_filtered(typed: Typed, harness: Harness) -> None:
    failed, queued = harness.in_state(State.FAILED), harness.submit()

    typed("runs", "tag", "--status", "failed", "--add", "look")

    assert (harness.get(failed).tags, harness.get(queued).tags) == (("look",), ())


@pytest.mark.parametrize(("options", "message"), [
    ((), "no tags given; name them with --add or --remove"),
    (("--add", "x", "--remove", "x"), "--add x and --remove x contradict each other"),
    (("--add", ""), "tag '': a tag is 1 to 200 printable characters, without blanks around it"),
    (("--add", "a\nb"), r"tag 'a\nb': a tag is"),
    (("--add", " a"), "tag ' a': a tag is"),
])
def test_invalid_tags_are_refused(typed: Typed, harness: Harness, options: tuple[str, ...],
                                  message: str) -> None:
    run = harness.submit()

    assert message in typed("runs", "tag", run, *options, expect=2).err


def test_a_dry_run_tags_nothing(typed: Typed, harness: Harness) -> None:
    run = harness.submit(tags=("old",))

    answer = typed("runs", "tag", run, "--add", "a{b}", "--remove", "old", "--dry-run")

    assert answer.out == f"would tag run {run} +a{{b}} -old (task, QUEUED)\n"
    assert harness.get(run).tags == ("old",)


def test_a_note_is_set_appended_and_removed(typed: Typed, harness: Harness) -> None:
    run = harness.submit()

    typed("runs", "note", run, "first")
    typed("runs", "note", run, "second", "--append")
    assert harness.get(run).note == "first\nsecond"

    typed("runs", "note", run, "another", "--dry-run")
    assert harness.get(run).note == "first\nsecond"

    assert typed("runs", "note", run, "").out == f"run {run} has no note\n"
    assert harness.get(run).note == ""


# -- delete --------------------------------------------------------------------------------------------------


def test_runs_are_deleted_after_confirmation(typed: Typed, harness: Harness) -> None:
    first, second, kept = harness.in_state(State.COMPLETED), harness.submit(), harness.submit()

    answer = typed("runs", "delete", first, second, "--yes")

    assert harness.ids() == [kept]
    assert answer.out == f"run {first}: deleted\nrun {second}: deleted\n"


def test_nothing_is_deleted_without_a_terminal_or_yes(typed: Typed, harness: Harness,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    run = harness.submit()
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)

    answer = typed("runs", "delete", run, expect=2)

    assert f"permanently delete 1 run ({run})? stdin is not a terminal; pass --yes to confirm" in answer.err
    assert harness.ids() == [run]


@pytest.mark.parametrize(("key", "code", "left"), [("y", 0, 0), ("n", 1, 1)])
def test_deleting_asks_for_confirmation(at_terminal: Callable[..., Any], harness: Harness, key: str,
                                        code: int, left: int) -> None:
    run = harness.submit()
    terminal = at_terminal("runs", "delete", run)
    terminal.wait_for(f"permanently delete 1 run ({run})? [y/N]")

    terminal.type(f"{key}\n")

    assert terminal.ended() == code
    assert len(harness.ids()) == left


def test_a_running_run_is_not_deleted_the_others_are(typed: Typed, harness: Harness) -> None:
    running, queued = harness.start().run, harness.submit()

    answer = typed("runs", "delete", running, queued, "--yes", expect=6)

    cure = f"`hyperspace queue cancel {running}`"
    assert f"error: run {running} is RUNNING: cancel it first: {cure}" in answer.err
    assert harness.ids() == [running]


def test_a_filter_skips_running_runs(typed: Typed, harness: Harness) -> None:
    running = harness.start(tags=("x",)).run
    harness.submit_many(3, tags=("x",))

    answer = typed("runs", "delete", "--tag", "x", "--yes")

    assert "1 run that matches is unchanged: 1 RUNNING" in answer.err
    assert harness.ids() == [running]


def test_a_dry_run_deletes_nothing(typed: Typed, harness: Harness) -> None:
    run = harness.submit()

    assert typed("runs", "delete", run, "--dry-run").out == f"would delete run {run} (task, QUEUED)\n"
    assert harness.ids() == [run]


def test_with_an_unknown_id_nothing_is_deleted(typed: Typed, harness: Harness) -> None:
    run = harness.submit()

    typed("runs", "delete", run, 99, "--yes", expect=5)

    assert harness.ids() == [run]
