"""User errors and odd environments of the commands that write."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.records.filter import RunFilter
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_core.submission import iter_plan
from pytest_hyperspace.project import ProjectFolder
from pytest_hyperspace.stores.harness import Harness
from support.behaving import PROJECT as BEHAVING, submit, until
from support.commands import ATTACK, Answer, one_line, walks_away
from support.growing import PROJECT
from support.terminal import Terminal
from support.world import World

Typed = Callable[..., Answer]
Words = tuple[Any, ...]

READING: list[Words] = [("tasks",), ("tasks", "first"), ("components",), ("components", "Tree"),
                        ("plugins",), ("plugins", "--all"), ("store", "info"), ("store", "check"),
                        ("doctor",), ("projects",)]
WRITING: list[Words] = [("submit", "first"), ("submit", "first", "--grid", "noise=1,2"), ("run", "first"),
                        ("rerun", 1), ("worker",), ("store", "gc"), ("store", "upgrade")]
FORBIDDEN = ("\x1b]", "\x1b[2J", "\x07", "\x9b", "\u202e", "\x00", "\x7f")


@pytest.fixture
def one_run(typed: Typed, growing: ProjectFolder, url: str) -> Store:
    """A store with one queued run."""
    typed("submit", "first")
    return open_store(url)


def queued(url: str) -> int:
    """Count the runs; 0 without a store."""
    if not Path(url.removeprefix("sqlite:///")).exists():
        return 0
    with open_store(url) as store:
        return sum(store.count(RunFilter()).values())


# -- success -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", READING)
def test_a_reading_command_prints_exactly_one_json_value(typed: Typed, one_run: Store, words: Words) -> None:
    answer = typed(*words, "--json")

    assert answer.json is not None
    assert answer.err == ""
    assert answer.out.count("\n") == 1


@pytest.mark.parametrize("words", WRITING)
def test_a_dry_run_says_what_and_changes_nothing(typed: Typed, one_run: Store, url: str,
                                                 words: Words) -> None:
    before = one_run.get(1)

    answer = typed(*words, "--dry-run")

    assert answer.out
    assert (queued(url), one_run.get(1)) == (1, before)


@pytest.mark.parametrize("words", [*READING, *WRITING, ("new", "demo")])
def test_nothing_is_coloured_in_a_pipe(typed_apart: Typed, one_run: Store, words: Words) -> None:
    answer = typed_apart(*words, *(["--dry-run"] if words in (*WRITING, ("new", "demo")) else []))

    assert "\x1b" not in answer.out + answer.err


# -- B1: a command or option that does not exist -------------------------------------------------------------


@pytest.mark.parametrize(("words", "message"), [
    (("sumbit", "first"), "no command 'sumbit'. Did you mean 'submit'?"),
    (("wroker",), "no command 'wroker'. Did you mean 'worker'?"),
    (("store", "infos"), "no command 'infos'. Did you mean 'info'?"),
    (("submit", "first", "--sett", "a=1"), "no such option"),
    (("submit",), "missing argument 'TASK'"),
    (("worker", "behave"), "unexpected extra argument (behave)"),
])
def test_b1_a_misspelt_word_gets_a_suggestion(typed: Typed, growing: ProjectFolder, words: Words,
                                              message: str) -> None:
    assert message in one_line(typed(*words, expect=2))


# -- B2: contradictions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "both"), [
    (("worker", "--isolation", "inline", "--slots", 2), ("--isolation inline", "--slots 2")),
    (("rerun", 1, "--here", "--repeats", 2), ("--here", "--repeats")),
    (("store", "gc", "--yes", "--dry-run"), ("--yes", "--dry-run")),
    (("submit", "first", "--seed", 1, "--grid", "seed=2,3"), ("seed 1", "the grid's `seed`")),
])
def test_b2_contradicting_options_are_both_named(typed: Typed, one_run: Store, words: Words,
                                                 both: tuple[str, str]) -> None:
    line = one_line(typed(*words, expect=2))

    assert "contradict each other" in line
    assert all(name in line for name in both)


def test_b2_two_store_options_are_refused(typed: Typed, growing: ProjectFolder, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("sqlite:///x.db")

    assert "--storage and --storage-file contradict each other" in one_line(
        typed("submit", "first", "--storage", "sqlite:///y.db", "--storage-file", tmp_path / "url", expect=2))


# -- B3: numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["0", "-1", "1e3", "x", "", "٣", "1" * 30])
@pytest.mark.parametrize(("words", "option"), [(("worker",), "--slots"), (("worker",), "--max-runs"),
                                               (("submit", "first"), "--repeats")])
def test_b3_an_invalid_number_is_refused(typed: Typed, growing: ProjectFolder, words: Words, option: str,
                                         text: str) -> None:
    line = one_line(typed(*words, option, text, expect=2))

    most = " of at most 18 digits" if len(text) > 18 else ""
    assert f"{option}: expected a whole number >= 1{most}, got " in line
    assert len(line) < 120


# -- B6: projects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("submit", "first"), ("run", "first"), ("worker",), ("tasks",),
                                   ("components",), ("rerun", 1)])
def test_b6_an_unknown_project_creates_no_store(typed: Typed, url: str, words: Words) -> None:
    line = one_line(typed(*words, "--project", "digts", expect=3))

    assert "no project 'digts' is installed. Known: " in line
    assert "Did you mean 'digits'?" in line
    assert not Path(url.removeprefix("sqlite:///")).exists()


@pytest.mark.parametrize("words", [("submit", "first"), ("worker",), ("tasks",)])
def test_b6_no_project_at_all(typed: Typed, url: str, monkeypatch: pytest.MonkeyPatch, words: Words) -> None:
    monkeypatch.delenv("HYPERSPACE_PROJECT")

    assert "no project was given; name one with --project or HYPERSPACE_PROJECT. Installed: " in one_line(
        typed(*words, expect=3))


def test_b46_a_broken_plugin_warns_and_stops_a_worker(
        typed: Typed, world: World, growing: ProjectFolder, url: str) -> None:
    world.plugin("breaker", "import nowhere_to_be_found")

    assert "warning: plugin 'breaker' (breaker-plugin 1.0) is left out: " in typed("submit", "first").err
    line = one_line(typed("worker", "--drain", expect=3))
    assert "plugin 'breaker'" in line and "disable it with --no-plugin breaker" in line
    assert "1 completed" in typed("worker", "--drain", "--no-plugin", "breaker", "--isolation", "inline").err


# -- B8: Ctrl-C ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "inside"), [
    (("submit", "first", "--grid", "noise=1,2"), "hyperspace_core.extension.project.Project.complete"),
    (("submit", "first", "--set", "noise=3"), "hyperspace_core.stores.sqlite.store.SqliteStore.submit"),
    (("rerun", 1), "hyperspace_core.stores.sqlite.store.SqliteStore.get"),
    (("tasks",), "hyperspace_core.extension.project.open_project"),
    (("components",), "hyperspace_core.extension.project.open_project"),
    (("plugins",), "hyperspace_core.extension.manager.build_manager"),
    (("store", "check"), "hyperspace_core.stores.sqlite.store.SqliteStore.check"),
    (("doctor",), "hyperspace_core.stores.sqlite.store.SqliteStore.check"),
    (("new", "demo"), "hyperspace_core.cli.commands.new.create_project"),
])
def test_b8_ctrl_c_prints_one_line_and_leaves_no_half_state(
        typed: Typed, one_run: Store, url: str, monkeypatch: pytest.MonkeyPatch, words: Words,
        inside: str) -> None:
    def pressed(*args: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(inside, pressed)

    assert one_line(typed(*words, expect=130)) == "error: interrupted\n"
    assert queued(url) == 1


# -- B65: many runs ------------------------------------------------------------------------------------------

MILLION = [option for name in ("noise", "model.slope", "seed")
           for option in ("--grid", f"{name}={','.join(map(str, range(100)))}")]


def test_b65_a_million_runs_need_a_confirmation(typed: Typed, url: str, growing: ProjectFolder) -> None:
    line = one_line(typed("submit", "first", "--set", "model=Line", *MILLION, expect=2))

    assert "queue 1,000,000 runs? stdin is not a terminal; pass --yes to confirm" in line
    assert queued(url) == 0


def test_b65_answering_no_queues_nothing(at_terminal: Callable[..., Terminal], growing: ProjectFolder,
                                         url: str) -> None:
    terminal = at_terminal("submit", "first", "--set", "model=Line", *MILLION)

    terminal.wait_for("queue 1,000,000 runs? [y/N]")
    terminal.type("n\n")

    assert terminal.ended() == 1
    assert "nothing was done" in terminal.text
    assert queued(url) == 0


def test_b65_a_dry_run_of_a_million_needs_no_confirmation(typed: Typed, growing: ProjectFolder,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    # the test does not need each of the million runs
    monkeypatch.setattr("hyperspace_core.submission.checked_plan", unchecked)

    answer = typed("submit", "first", "--set", "model=Line", *MILLION, "--dry-run")

    assert answer.lines[0] == "would queue 1,000,000 runs of first"


def unchecked(project: Any, problem: Any, grid: Any, wishes: Any, watch: Any) -> Any:
    return iter_plan(project, problem, grid, wishes)


# -- B66: empty grids and duplicates -------------------------------------------------------------------------


@pytest.mark.parametrize("grid", ['{"model": []}', '{"seed": []}', '{"model": {"each": []}}',
                                  '{"noise": [1, 2], "model": {"depth": []}}'])
def test_b66_an_empty_grid(typed: Typed, growing: ProjectFolder, url: str, tmp_path: Path, grid: str) -> None:
    (tmp_path / "grid.json").write_text(grid)

    line = one_line(typed("submit", "first", "--grid-file", tmp_path / "grid.json", expect=3))

    assert "an empty list of alternatives leaves nothing to run" in line
    assert queued(url) == 0


def test_b66_a_duplicate_run_is_a_warning(typed: Typed, growing: ProjectFolder, url: str) -> None:
    typed("submit", "first")

    assert "1 run exists already with the same config, seed and code" in typed("submit", "first").err
    assert typed("submit", "first", "--skip-existing").out == ""
    assert queued(url) == 2


# -- B67: an idle worker -------------------------------------------------------------------------------------


def test_b67_an_idle_worker_says_why_runs_wait(typed: Typed, store: Store, project: ProjectFolder,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperspace_core.worker.heartbeat.EXPLAIN_AFTER_S", 0.0)
    submit(store, task="unheard_of", count=3)

    def stop_after_a_few_beats() -> None:
        until(lambda: any(worker.beat > 4 for worker in store.workers(BEHAVING)), "a few beats")
        os.kill(os.getpid(), signal.SIGINT)

    beside = threading.Thread(target=stop_after_a_few_beats)
    beside.start()
    answer = typed("worker")
    beside.join()

    assert ("warning: 3 runs wait for task 'unheard_of': no such task here; this worker knows behave\n"
            in answer.err)


# -- B68: output of a run ------------------------------------------------------------------------------------

PRINTING = f"""
from hyperspace_core.markers import hookimpl

def shout() -> float:
    print({ATTACK!r} + "<b>bold</b>")
    print("x" * 10_000_000)
    return 1.0

@hookimpl
def hyperspace_register(register):
    register.scenario(shout)
"""


@pytest.mark.parametrize("options", [(), ("--slots", "2")])
def test_b68_output_of_a_run_is_harmless_to_a_terminal(
        at_terminal: Callable[..., Terminal], typed: Typed, growing: ProjectFolder, url: str,
        options: tuple[str, ...]) -> None:
    growing.write("hyperspace.py", PRINTING)
    typed("submit", "shout")

    terminal = at_terminal("worker", "--drain", "--echo", *options, columns=200)

    assert terminal.ended() == 0
    for forbidden in FORBIDDEN:
        assert forbidden not in terminal.raw
    assert "<b>bold</b>" in terminal.text
    assert "more characters]" in terminal.text
    assert len(terminal.raw) < 100_000


# -- control characters are escaped --------------------------------------------------------------------------


def test_a_hostile_run_is_harmless_when_executed_or_repeated(
        at_terminal: Callable[..., Terminal], growing: ProjectFolder, harness: Harness, url: str) -> None:
    harness = Harness(harness.store, PROJECT)
    key = ATTACK.replace("\x00", "")
    run = harness.submit(task="first", submitted={key: ATTACK}, validated=False, seed=1)
    other = harness.submit(task=key, submitted={"noise": 0.0}, config={"noise": ATTACK},
                           scenario={"className": "Grow", "rows": 1}, seed=1)

    worker = at_terminal("worker", "--drain", columns=300)
    assert worker.ended() == 1
    again = at_terminal("rerun", other, "--set", "noise=1", "--dry-run", columns=300)
    again.ended()

    assert f"run {run} FAILED" in worker.text
    for forbidden in FORBIDDEN:
        assert forbidden not in worker.raw + again.raw


# -- passwords -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("submit", "first"), ("run", "first"), ("rerun", 1), ("worker",),
                                   ("store", "info"), ("store", "check"), ("store", "gc"),
                                   ("worker", "--dry-run")])
def test_a_password_is_never_shown(typed: Typed, growing: ProjectFolder, monkeypatch: pytest.MonkeyPatch,
                                   words: Words) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", "nowhere://me:S3cr3t-canary@host/runs")

    line = one_line(typed(*words, expect=4))

    assert "S3cr3t" not in line
    assert "nowhere://me:***@host/runs" in line


def test_doctor_shows_no_password_either(typed: Typed, growing: ProjectFolder,
                                         monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", "nowhere://me:S3cr3t-canary@host/runs")

    answer = typed("doctor", expect=1)

    assert "S3cr3t" not in answer.out + answer.err
    assert "nowhere://me:***@host/runs" in answer.out


def test_a_password_on_the_command_line_is_a_warning(typed: Typed, growing: ProjectFolder) -> None:
    answer = typed("submit", "first", "--storage", "nowhere://me:S3cr3t@host/runs", expect=4)

    assert "warning: a password on the command line can be read by every user of this machine" in answer.err
    assert "S3cr3t" not in answer.err


def test_the_first_line_of_a_file_is_the_store_address(typed: Typed, growing: ProjectFolder,
                                                       tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"  sqlite:///{tmp_path}/filed.db \nmore\n")

    typed("submit", "first", "--storage-file", tmp_path / "url")

    assert (tmp_path / "filed.db").exists()


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o400, False), (0o640, True), (0o604, True)])
def test_a_readable_file_with_a_password_is_a_warning(typed: Typed, growing: ProjectFolder,
                                                      tmp_path: Path, mode: int,
                                                      warned: bool) -> None:
    (tmp_path / "url").write_text("nowhere://me:S3cr3t@host/runs\n")
    (tmp_path / "url").chmod(mode)

    answer = typed("submit", "first", "--storage-file", tmp_path / "url", expect=4)

    said = f"warning: {tmp_path}/url: other users can read the password in it; run chmod 600 {tmp_path}/url\n"
    assert (said in answer.err) is warned
    assert "S3cr3t" not in answer.out + answer.err


def test_a_file_without_a_password_may_be_readable(typed: Typed, growing: ProjectFolder,
                                                   tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"sqlite:///{tmp_path}/filed.db\n")
    (tmp_path / "url").chmod(0o644)

    assert "may read" not in typed("status", "--storage-file", tmp_path / "url").err


@pytest.mark.parametrize(("content", "said"), [
    (b"", "its first line is empty"), (b"\nmongodb://h/db\n", "its first line is empty"),
    (b"\xff\xfe\x00", "is not text"),
])
def test_a_file_names_no_store(typed: Typed, growing: ProjectFolder, tmp_path: Path, content: bytes,
                               said: str) -> None:
    (tmp_path / "url").write_bytes(content)

    line = one_line(typed("submit", "first", "--storage-file", tmp_path / "url", expect=4))

    assert line.startswith(f"error: {tmp_path}/url: {said}")
    assert "the URL of the store" in line


# -- B7, B9: closed pipes and limited terminals --------------------------------------------------------------


@pytest.mark.parametrize("words", [("components",), ("plugins", "--all"), ("tasks", "--json"),
                                   ("submit", "first", "--dry-run", "--json", "--grid",
                                    f"noise={','.join(map(str, range(3000)))}")])
def test_b7_a_closed_pipe_is_not_an_error(start: Callable[..., subprocess.Popen[str]],
                                          one_run: Store, words: Words) -> None:
    walks_away(start(*words), after=5)


@pytest.mark.parametrize("words", [*READING, ("submit", "first", "--dry-run"), ("run", "first"),
                                   ("worker", "--drain")])
def test_b9_a_terminal_without_unicode_gets_escapes(typed_apart: Typed, one_run: Store,
                                                    growing: ProjectFolder, words: Words) -> None:
    growing.write("tasks/third.json", '{"scenario": {"className": "Grow"}, "metric": {"name": "größe"}}')

    answer = typed_apart(*words, PYTHONIOENCODING="ascii", PYTHONUTF8="0", LC_ALL="C")

    assert "Traceback" not in answer.err
    assert answer.out.isascii()


@pytest.mark.parametrize("words", [("submit", "first", "--dry-run"), ("run", "first"), ("worker", "--drain"),
                                   ("tasks",)])
def test_b9_a_narrow_terminal(at_terminal: Callable[..., Terminal], one_run: Store, words: Words) -> None:
    terminal = at_terminal(*words, columns=20)

    assert terminal.ended() == 0
