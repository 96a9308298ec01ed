"""Tests of `hyperspace runs logs`, with and without --follow."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.cli.follow import Tape
from hyperspace_core.records.run import Lease, OutputChunk
from hyperspace_core.records.states import State
from pytest_hyperspace.stores.harness import COMPLETED, Harness
from support.behaving import until
from support.commands import PATIENCE_S, Answer

Typed = Callable[..., Answer]


def printed(harness: Harness, lease: Lease, *texts: str, first: int = 0) -> None:
    """Store output of the run."""
    harness.store.append(lease.run, lease.attempt,
                         output=[OutputChunk(seq=first + number, text=text, at=0.0)
                                 for number, text in enumerate(texts)])


# -- stored output -------------------------------------------------------------------------------------------


def test_the_whole_output_of_a_run_is_shown(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    printed(harness, lease, "one\ntw", "o\n", "thr", "ee")

    assert typed("runs", "logs", lease.run).out == "one\ntwo\nthree\n"


def test_the_last_lines_alone(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    printed(harness, lease, "".join(f"line {number}\n" for number in range(100)))

    assert typed("runs", "logs", lease.run, "--last", 2).out == "line 98\nline 99\n"


def test_the_last_attempt_is_the_default(typed: Typed, harness: Harness) -> None:
    lost = harness.zombie()
    printed(harness, lost, "of the first\n")
    printed(harness, harness.take(lost.run).lease, "of the second\n")

    assert typed("runs", "logs", lost.run).out == "of the second\n"
    assert typed("runs", "logs", lost.run, "--attempt", 1).out == "of the first\n"


def test_an_unknown_attempt_is_refused(typed: Typed, harness: Harness) -> None:
    lease, waiting = harness.start(), harness.submit()

    assert f"run {lease.run} has no attempt 3; it has 1" in typed("runs", "logs", lease.run, "--attempt", 3,
                                                                  expect=5).err
    assert "is QUEUED and has not started" in typed("runs", "logs", waiting, "--attempt", 1, expect=5).err


def test_a_run_that_has_not_started_printed_nothing(typed: Typed, harness: Harness) -> None:
    run = harness.submit()

    assert typed("runs", "logs", run).out == ""
    assert typed("runs", "logs", run, "--json").json == []


def test_json_has_the_stored_chunks(typed: Typed, harness: Harness) -> None:
    lease = harness.start()
    printed(harness, lease, "a\x1b[2J\r", "b")

    assert typed("runs", "logs", lease.run, "--json").json == [
        {"seq": 0, "text": "a\x1b[2J\r", "at": 0.0}, {"seq": 1, "text": "b", "at": 0.0}]


@pytest.mark.parametrize(("chunks", "lines"), [
    (("a\nb",), ["a", "b"]),
    (("a\r\nb\r\n",), ["a", "b"]),
    ((" 10%", "\r 50%", "\r100%\n", "done\n"), ["100%", "done"]),
    ((" 10%\r", " 50%\r", "100%\r\n"), ["100%"]),
    (("a\x1b[31mred\x1b[0m \x1b]0;title\x07\n",), ["ared \\x1b]0;title\\x07"]),
    (("x" * 12_000 + "\n",), ["x" * 10_000 + "… [2000 more characters]"]),
])
def test_lines_of_a_tape(chunks: tuple[str, ...], lines: list[str]) -> None:
    tape = Tape()

    fed = [line for chunk in chunks for line in tape.feed(chunk)]

    assert [*fed, *tape.end()] == lines


def test_an_overwritten_progress_bar_is_not_stored() -> None:
    tape = Tape()
    for number in range(1000):
        tape.feed(f"\r{number} of 1000")

    assert tape.partial == "999 of 1000"
    assert len(tape._rest) < 50


# -- following -----------------------------------------------------------------------------------------------


def follow(start: Callable[..., subprocess.Popen[str]], run: int, *options: object) -> subprocess.Popen[str]:
    return start("runs", "logs", run, "-f", *options)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def rest_of(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=PATIENCE_S)
    return Answer(process.returncode, out, err)


def test_a_running_run_is_followed_to_its_end(start: Callable[..., Any], harness: Harness) -> None:
    lease = harness.start()
    printed(harness, lease, "one\n")
    follower = follow(start, lease.run)
    assert line_of(follower) == "one\n"

    printed(harness, lease, "two\n", first=1)
    assert line_of(follower) == "two\n"
    printed(harness, lease, "three", first=2)
    harness.store.finish(lease, COMPLETED)

    assert rest_of(follower) == Answer(0, "three\n", "")


def test_the_next_attempt_follows_after_a_separator_line(start: Callable[..., Any], harness: Harness) -> None:
    lost = harness.start()
    printed(harness, lost, "of the first\n")
    follower = follow(start, lost.run)
    assert line_of(follower) == "of the first\n"

    harness.lose(lost.run)
    lease = harness.take(lost.run).lease
    printed(harness, lease, "of the second\n")

    assert line_of(follower) == "[hyperspace] attempt 2 begins\n"
    assert line_of(follower) == "of the second\n"
    harness.store.finish(lease, COMPLETED)
    assert rest_of(follower).code == 0


def test_one_attempt_is_followed_to_its_end(start: Callable[..., Any], harness: Harness) -> None:
    lost = harness.start()
    printed(harness, lost, "of the first\n")
    follower = follow(start, lost.run, "--attempt", 1)
    assert line_of(follower) == "of the first\n"

    harness.lose(lost.run)

    assert rest_of(follower) == Answer(0, "", "")
    assert harness.state(lost.run) is State.QUEUED


def test_a_queued_run_is_followed_from_its_start(start: Callable[..., Any], harness: Harness) -> None:
    run = harness.submit()
    follower = follow(start, run)

    lease = harness.take(run).lease
    printed(harness, lease, "here\n")

    assert line_of(follower) == "here\n"
    harness.store.finish(lease, COMPLETED)
    assert rest_of(follower) == Answer(0, "", "")


def test_following_starts_with_the_last_lines(start: Callable[..., Any], harness: Harness) -> None:
    lease = harness.start()
    printed(harness, lease, "one\ntwo\nthree\n")
    harness.store.finish(lease, COMPLETED)

    assert rest_of(follow(start, lease.run, "--last", 1)).out == "three\n"


def test_a_real_run_is_followed_while_a_worker_executes_it(
        start: Callable[..., Any], worker: Callable[..., Any], harness: Harness, tmp_path: Path) -> None:
    tree = {"how": "wait", "folder": str(tmp_path)}
    run = harness.submit(task="behave", submitted=tree, config=tree, scenario={"className": "behave"}, seed=1)
    worker()
    follower = follow(start, run)
    assert line_of(follower) == "waiting\n"

    (tmp_path / "go").touch()

    assert rest_of(follower) == Answer(0, "", "")
    assert harness.state(run) is State.COMPLETED


def test_a_progress_bar_updates_in_place_on_a_terminal(at_terminal: Callable[..., Any],
                                                       harness: Harness) -> None:
    lease = harness.start()
    terminal = at_terminal("runs", "logs", lease.run, "-f")
    printed(harness, lease, " 10%")
    terminal.wait_for("10%")
    printed(harness, lease, "\r100%\n", first=1)
    harness.store.finish(lease, COMPLETED)

    assert terminal.ended() == 0
    assert "\r\x1b[K100%\r\n" in terminal.raw
    assert f"run {lease.run} is COMPLETED" in terminal.text


def test_ctrl_c_ends_following_with_one_line(start: Callable[..., Any], harness: Harness) -> None:
    lease = harness.start()
    printed(harness, lease, "one\n")
    follower = follow(start, lease.run)
    assert line_of(follower) == "one\n"

    follower.send_signal(2)

    assert rest_of(follower) == Answer(130, "", "error: interrupted\n")
    assert until(lambda: harness.state(lease.run) is State.RUNNING, "the run goes on")
