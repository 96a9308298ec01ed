"""User errors and odd environments of the commands that read."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.logged import Point, Progress
from hyperspace_core.records.run import Finish, OutputChunk, Update
from hyperspace_core.records.states import Outcome
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.commands import ATTACK, PATIENCE_S, Answer, one_line, walks_away

Typed = Callable[..., Answer]

READING = [("status",), ("results",), ("results", "task"), ("runs", "list"), ("runs", "show", 1),
           ("runs", "logs", 1), ("runs", "metrics", 1), ("runs", "metrics", 1, "--name", "loss"),
           ("runs", "diff", 1, 2), ("queue", "list")]
ON_A_RUN = [("runs", "show"), ("runs", "logs"), ("runs", "metrics"), ("runs", "tag", "--add", "x"),
            ("runs", "delete", "--yes"), ("queue", "pause"), ("queue", "resume"), ("queue", "cancel"),
            ("queue", "requeue")]
WRITING = [("runs", "tag", 1, "--add", "x"), ("runs", "note", 1, "text"), ("runs", "delete", 2),
           ("queue", "pause", 2), ("queue", "pause", "--all"), ("queue", "cancel", 2),
           ("queue", "requeue", 1), ("queue", "priority", 2, 5)]


@pytest.fixture
def two(harness: Harness) -> tuple[int, int]:
    """A completed run with output, and a queued run."""
    lease = harness.start(submitted={"trees": 1}, config={"trees": 1})
    harness.store.append(lease.run, 1, points=[Point(seq=0, name="loss", step=0, value=1.0, at=0.0)],
                         output=[OutputChunk(seq=0, text="printed\n", at=0.0)])
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5}))
    return lease.run, harness.submit(submitted={"trees": 2}, config={"trees": 2})


# -- success -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", READING)
def test_a_reading_command_prints_exactly_one_json_value(typed: Typed, two: Any,
                                                         words: tuple[Any, ...]) -> None:
    answer = typed(*words, "--json")

    assert json.loads(answer.out) is not None
    assert answer.err == ""
    assert answer.out.count("\n") == 1


@pytest.mark.parametrize("words", WRITING)
def test_a_dry_run_changes_nothing(typed: Typed, harness: Harness, two: tuple[int, int],
                                   words: tuple[Any, ...]) -> None:
    before, settings = harness.picture(*two), harness.store.settings(harness.project)

    assert "would" in typed(*words, "--dry-run").out

    assert (harness.picture(*two), harness.store.settings(harness.project)) == (before, settings)


# -- B1: a command or option that does not exist -------------------------------------------------------------


@pytest.mark.parametrize(("words", "message"), [
    (("statsu",), "no command 'statsu'. Did you mean 'status'?"),
    (("runs", "shwo", 1), "no command 'shwo'. Did you mean 'show'?"),
    (("queue", "cancle", 1), "no command 'cancle'. Did you mean 'cancel'?"),
    (("runs", "list", "--jsn"), "no such option"),
    (("runs", "show"), "missing argument 'RUN'"),
    (("runs", "list", "--status", "faild"), "--status"),
    (("runs", "list", "--where", "trees"), "--where 'trees': expected PATH OP VALUE"),
    (("runs", "list", "--since", "yesterday"), "--since 'yesterday': expected an age such as 2d"),
    (("runs", "list", "--limit", "0"), "--limit: expected a whole number >= 1, got '0'"),
    (("runs", "list", "--limit", "9" * 19),
     f"--limit: expected a whole number >= 1 of at most 18 digits, got '{'9' * 19}'"),
    (("runs", "logs", 1, "--last", "1e3"), "--last: expected a whole number >= 1, got '1e3'"),
    (("runs", "logs", 1, "--attempt", "-1"), "--attempt: expected a whole number >= 1, got '-1'"),
])
def test_b1_a_misspelt_word_gets_a_suggestion(typed: Typed, two: Any, words: tuple[Any, ...],
                                              message: str) -> None:
    assert message in one_line(typed(*words, expect=2))


def test_a_misspelt_store_is_reported(typed: Typed, project: ProjectFolder, tmp_path: Path) -> None:
    wrong = tmp_path / "rnus.db"

    answer = typed("runs", "list", "--storage", f"sqlite:///{wrong}")

    assert answer.err == (f"warning: {wrong}: no store at this path yet; the first `submit` or `run` "
                          "creates it\n")
    assert not wrong.exists()


# -- B2: contradictions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "both"), [
    (("queue", "pause", "--all", 7), ("--all", "run 7")),
    (("queue", "cancel", 7, "--status", "queued"), ("run 7", "--status")),
    (("runs", "delete", 7, "--tag", "x", "--yes"), ("run 7", "--tag")),
    (("runs", "logs", 1, "-f", "--json"), ("--follow", "--json")),
    (("runs", "logs", 1, "--last", 3, "--json"), ("--last", "--json")),
    (("status", "--watch", "--json"), ("--watch", "--json")),
    (("results", "a", "--task", "b"), ("a", "--task b")),
    (("runs", "tag", 1, "--add", "x", "--remove", "x"), ("--add x", "--remove x")),
])
def test_b2_contradicting_options_are_both_named(typed: Typed, two: Any, words: tuple[Any, ...],
                                                 both: tuple[str, str]) -> None:
    line = one_line(typed(*words, expect=2))

    assert "contradict each other" in line
    assert all(name in line for name in both)


# -- B4, B5: run ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [*ON_A_RUN, ("runs", "diff", 1)])
def test_b4_an_unknown_run_is_refused(typed: Typed, two: Any, words: tuple[Any, ...]) -> None:
    assert one_line(typed(*words, 4711, expect=5)) == (
        "error: no run 4711 in this store (project 'behaving' has 1 to 2)\n")


def test_b4_a_run_of_another_project_is_not_found(typed: Typed, harness: Harness, two: Any) -> None:
    other = harness.submit(project="other")

    assert f"no run {other} in this store" in one_line(typed("queue", "cancel", other, expect=5))


@pytest.mark.parametrize("text", ["../../etc/passwd", "", "-7", "1.0", "0", "٣", "9" * 10_000, "1\x1b[2J",
                                  "99999999999999999999", "{\"$ne\": null}", "1 OR 1=1", "1;rm"])
def test_b5_an_invalid_id_does_not_reach_the_store(typed: Typed, two: Any, text: str) -> None:
    for words in ON_A_RUN:
        line = one_line(typed(*words, "--", text, expect=2))
        assert "not a run id: expected a whole number, got " in line
        assert len(line) < 150
        assert "\x1b" not in line


def test_b5_a_negative_id_is_not_an_option(typed: Typed, two: Any) -> None:
    assert one_line(typed("runs", "show", "-7", expect=2)) == (
        "error: a number below zero is neither a run id nor an option\n")


# -- B6: projects --------------------------------------------------------------------------------------------


def test_b6_an_unknown_project_is_refused(typed: Typed, url: str) -> None:
    line = one_line(typed("status", "--project", "digts", expect=3))

    assert "no project 'digts' is installed. Known: " in line
    assert "Did you mean 'digits'?" in line
    assert "is it pip-installed?" in line


def test_b6_no_project_at_all(typed: Typed, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_PROJECT")

    line = one_line(typed("runs", "list", expect=3))

    assert "no project was given; name one with --project or HYPERSPACE_PROJECT. Installed: " in line


# -- B7: a closed pipe ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("runs", "list"), ("runs", "list", "--json"), ("queue", "list"),
                                   ("runs", "logs", 1), ("runs", "metrics", 1, "--name", "loss"),
                                   ("results",)])
def test_b7_a_closed_pipe_is_not_an_error(start: Callable[..., subprocess.Popen[str]], harness: Harness,
                                          words: tuple[Any, ...]) -> None:
    lease = harness.start()
    harness.store.append(lease.run, 1, points=[Point(seq=seq, name="loss", step=seq, value=1.0, at=0.0)
                                               for seq in range(20_000)],
                         output=[OutputChunk(seq=seq, text="line\n" * 3000, at=0.0) for seq in range(20)])
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, metrics={"result": 0.5}))
    harness.submit_many(1500, submitted={"text": "x" * 100})
    walks_away(start(*words), after=10)


# -- B8: Ctrl-C ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("status",), ("runs", "list"), ("runs", "show", 1),
                                   ("queue", "cancel", 2)])
def test_b8_ctrl_c_prints_one_line(typed: Typed, two: Any, monkeypatch: pytest.MonkeyPatch,
                                   words: tuple[Any, ...]) -> None:
    def pressed(*args: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    for verb in ("find", "get", "settings"):
        monkeypatch.setattr(f"hyperspace_core.stores.sqlite.store.SqliteStore.{verb}", pressed)

    assert one_line(typed(*words, expect=130)) == "error: interrupted\n"


# -- B9: limited terminals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("words", READING)
def test_b9_a_terminal_without_unicode_gets_escapes(start: Callable[..., subprocess.Popen[str]],
                                                    harness: Harness, words: tuple[Any, ...]) -> None:
    for _ in range(2):
        _hostile(harness, "größer als 全部")
    process = start(*words, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")

    out, err = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, "Traceback" in err) == (0, False)
    assert out.isascii()


def test_b9_json_is_valid_on_a_narrow_terminal(typed_apart: Typed, harness: Harness) -> None:
    _hostile(harness, "größer")

    answer = typed_apart("runs", "list", "--json", PYTHONIOENCODING="ascii")

    assert answer.json[0]["note"] == "größer"


@pytest.mark.parametrize("words", READING)
def test_b9_a_narrow_terminal_gets_short_lines(at_terminal: Callable[..., Any], two: Any,
                                               words: tuple[Any, ...]) -> None:
    terminal = at_terminal(*words, columns=20)

    assert terminal.ended() == 0
    beside = ("no room for ", "code, packages and machine are not compared")
    lines = [line for line in terminal.text.splitlines() if not line.startswith(beside)]
    assert max(map(len, lines)) <= 20


# -- control characters are escaped --------------------------------------------------------------------------


def _hostile(harness: Harness, text: str) -> int:
    """A run with the text in every field that accepts one."""
    key = text.replace("\x00", "")                # a key cannot contain NUL
    tree = {key: text, "nested": {"className": text}}
    run = harness.submit(task="task", submitted=tree, config=tree, tags=(key,), note=text, submitted_by=text,
                         scenario={"className": text, key: text})
    lease = harness.take(run).lease
    harness.store.beat(lease, Progress(done=1, total=2, note=text))
    harness.store.append(run, 1, points=[Point(seq=0, name="loss", step=0, value=1.0, at=0.0)],
                         output=[OutputChunk(seq=0, text=text + "\n", at=0.0)])
    provenance = {"git": {"absent": text}, "own": {key: text}}
    harness.store.update(lease, Update(info={key: text}, provenance=provenance))
    harness.store.finish(lease, Finish(outcome=Outcome.COMPLETED, result=0.5, reason=text, traceback=text,
                                       metrics={"result": 0.5, key: 1.0}))
    return run


@pytest.mark.parametrize("words", READING)
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_stored_control_character_reaches_a_terminal(
        at_terminal: Callable[..., Any], harness: Harness, words: tuple[Any, ...],
        options: tuple[str, ...]) -> None:
    _hostile(harness, ATTACK)
    failed = harness.take(harness.submit(submitted={"x": ATTACK})).lease
    harness.store.finish(failed, Finish(outcome=Outcome.FAILED, reason=ATTACK, traceback=ATTACK))
    harness.submit(submitted={"x": ATTACK})
    terminal = at_terminal(*words, *options, columns=200)

    assert terminal.ended() == 0
    for forbidden in ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e", "\x00", "\x7f"):
        assert forbidden not in terminal.raw
    assert "\r" not in terminal.raw.replace("\r\n", "")


def test_a_message_with_stored_text_is_harmless(typed: Typed, harness: Harness) -> None:
    run = harness.submit(task="task", tags=(ATTACK.replace("\x00", ""),), note=ATTACK)

    for words in (("runs", "note", run, "more", "--append"), ("runs", "tag", run, "--add", "x"),
                  ("queue", "cancel", run)):
        answer = typed(*words)
        assert not set("\x1b\x07\x9b\u202e\x7f") & set(answer.out + answer.err)


# -- passwords -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [*READING, *WRITING])
def test_a_password_is_never_shown(typed: Typed, monkeypatch: pytest.MonkeyPatch,
                                   words: tuple[Any, ...]) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", "nowhere://me:S3cr3t-canary@host/runs")
    monkeypatch.setenv("HYPERSPACE_PROJECT", "digits")

    line = one_line(typed(*words, expect=4))

    assert "S3cr3t" not in line
    assert "nowhere://me:***@host/runs" in line
