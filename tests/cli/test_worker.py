"""`hyperspace worker`: output in a pipe and at a terminal, stopping, exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from hyperspace_core.cli.worker_view import stopping_line
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.worker.events import Stopping
from hyperspace_core.worker.state import WorkerOptions
from pytest_hyperspace.project import ProjectFolder
from support.behaving import PROJECT, began, in_state, submit, until
from support.commands import PATIENCE_S, Answer
from support.searching import new_search
from support.terminal import Terminal

pytestmark = pytest.mark.usefixtures("project")
Typed = Callable[..., Answer]
Start = Callable[..., subprocess.Popen[str]]


def ended(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=PATIENCE_S)
    return Answer(process.returncode, out, err)


def without_times(lines: list[str]) -> list[str]:
    """The lines with each `after 0.1s` as `after T`."""
    return [" ".join("T" if word[:1].isdigit() and word.endswith("s") else word for word in line.split(" "))
            for line in lines]


# -- in a pipe -----------------------------------------------------------------------------------------------


def test_a_pipe_gets_a_line_per_event_and_the_results(typed_apart: Typed, store: Store) -> None:
    for number in (0.25, 0.75):
        submit(store, config={"number": number})

    answer = typed_apart("worker", "--drain")

    first, *events = without_times(answer.lines[:5])
    assert first.startswith("worker ") and first.endswith(" of behaving takes runs of behave")
    assert events == [
        "run 1 started  behave  how=well number=0.25", "run 1 COMPLETED  after T  result 0.25",
        "run 2 started  behave  how=well number=0.75", "run 2 COMPLETED  after T  result 0.75",
    ]
    assert answer.lines[5:7] == ["", "behave, best first:"]
    assert [row[:2] for row in answer.columns[7:]] == [["run", "result"], ["2", "0.75"], ["1", "0.25"]]
    assert answer.err == "this worker's runs: 2 completed\n"
    assert "\x1b" not in answer.out


def test_a_failed_run_is_reported_and_exits_with_1(typed_apart: Typed, store: Store) -> None:
    submit(store)
    submit(store, "raise")

    answer = typed_apart("worker", "--drain", expect=1)

    assert "run 2 FAILED  after T  ValueError: as asked" in without_times(answer.lines)
    assert "this worker's runs: 1 completed, 1 failed" in answer.err


def test_a_successful_retry_is_no_failure(typed_apart: Typed, store: Store) -> None:
    submit(store, "once", retries=1)

    lines = without_times(typed_apart("worker", "--drain").lines)

    assert "run 1 failed and is retried  after T  ValueError: only once" in lines
    assert "run 1 started  (attempt 2)  behave  how=once" in lines


def test_json_is_the_report_and_events_go_to_stderr(typed_apart: Typed, store: Store) -> None:
    submit(store)

    answer = typed_apart("worker", "--drain", "--json")

    report = json.loads(answer.out)
    assert [(one["run"], one["state"], one["result"]) for one in report["ended"]] == [(1, "COMPLETED", 1.0)]
    assert report["why"] == "nothing is left that it could take"
    assert "run 1 started" in answer.err


def test_echo_prints_the_output_of_runs(typed_apart: Typed, store: Store) -> None:
    submit(store)

    assert "well done" not in typed_apart("worker", "--drain").out
    submit(store)
    assert "well done" in typed_apart("worker", "--drain", "--echo").lines


def test_echo_names_the_run_with_several_slots(typed_apart: Typed, store: Store) -> None:
    submit(store, "c-output", 2)

    lines = typed_apart("worker", "--drain", "--echo", "--slots", 2).lines

    assert "1| from C" in lines
    assert "2| from C" in lines


def test_an_inline_run_can_only_be_asked_to_end() -> None:
    options = WorkerOptions(isolation="inline")
    first, second = (Stopping(level=level, why="it received SIGINT", running=(3,)) for level in (1, 2))

    assert stopping_line(first, options) == (
        "finishing run 3, then stopping; Ctrl-C again asks it to end early")
    assert "cannot be interrupted" in stopping_line(second, options)
    assert "back to the queue" not in stopping_line(second, options)


@pytest.mark.parametrize("isolation", ["spawn", "inline"])
def test_every_isolation_prints_the_same(typed_apart: Typed, store: Store, isolation: str) -> None:
    submit(store)

    answer = typed_apart("worker", "--drain", "--echo", "--isolation", isolation)

    assert without_times(answer.lines)[1:4] == [
        "run 1 started  behave  how=well", "well done", "run 1 COMPLETED  after T  result 1"]


def test_runs_that_are_left_have_a_reason(typed_apart: Typed, store: Store) -> None:
    submit(store, task="unheard_of", count=2)

    answer = typed_apart("worker", "--drain")

    assert answer.err == ("no queued run that this worker can take\n"
                          "2 runs wait for task 'unheard_of': no such task here; this worker knows behave\n")


def test_max_runs_leaves_the_rest(typed_apart: Typed, store: Store) -> None:
    submit(store, count=3)

    typed_apart("worker", "--max-runs", 2)

    assert [store.get(run).state for run in (1, 2, 3)] == [State.COMPLETED, State.COMPLETED, State.QUEUED]


def test_the_best_twenty_runs_are_shown(typed_apart: Typed, store: Store) -> None:
    for number in range(22):
        submit(store, config={"number": float(number)})

    answer = typed_apart("worker", "--drain", "--slots", 2)

    table = answer.columns[answer.lines.index("behave, best first:") + 1:]
    assert len(table) == 1 + 20
    assert "2 more: hyperspace results behave" in answer.err


def test_a_dry_run_of_a_worker_takes_nothing(typed: Typed, store: Store) -> None:
    submit(store, count=2)
    submit(store, task="unheard_of")

    answer = typed("worker", "--dry-run")

    assert answer.lines == ["would take 2 runs of behave",
                            "1 run waits for task 'unheard_of': no such task here; this worker knows behave"]
    assert store.get(1).state is State.QUEUED
    assert [one["taken"] for one in typed("worker", "--dry-run", "--json").json] == [True, False]


def test_a_dry_run_shows_open_searches(typed: Typed, store: Store) -> None:
    assert typed("worker", "--dry-run").lines == ["nothing is queued"]
    new_search(store, PROJECT, "behave")
    new_search(store, PROJECT, "unheard_of")

    assert typed("worker", "--dry-run").lines == [
        "would ask search 1 of behave what to run next; it has proposed 0 and ends after 5 runs"]


def test_a_worker_takes_tasks_of_tasks_dir(typed_apart: Typed, store: Store, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "third.json").write_text('{"scenario": "behave"}')
    submit(store, task="third")

    assert "this worker's runs: 1 completed" in typed_apart("worker", "--drain", "--tasks-dir",
                                                            tmp_path / "mine").err


def test_a_closed_pipe_does_not_stop_a_worker(start: Start, store: Store) -> None:
    submit(store, count=3)
    process = start("worker", "--drain")
    assert process.stdout is not None and process.stderr is not None

    process.stdout.readline()
    process.stdout.close()

    assert process.stderr.read() == ""
    assert process.wait(PATIENCE_S) == 0
    process.stdout = None
    assert {store.get(run).state for run in (1, 2, 3)} == {State.COMPLETED}


# -- stopping ------------------------------------------------------------------------------------------------


def test_ctrl_c_ends_an_idle_worker(start: Start, store: Store) -> None:
    process = start("worker")
    assert process.stdout is not None
    assert "waits for runs of behave" in process.stdout.readline()

    process.send_signal(signal.SIGINT)

    assert ended(process) == Answer(0, "", "stopping\n")


def test_the_first_ctrl_c_finishes_the_run(start: Start, store: Store, tmp_path: Path) -> None:
    run, never = submit(store, "wait", 2, config={"folder": str(tmp_path)})
    process = start("worker")
    began(tmp_path, run)

    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline() == (
        "finishing run 1, then stopping; Ctrl-C again gives it back to the queue\n")
    (tmp_path / "go").touch()

    assert ended(process).code == 0
    assert (store.get(run).state, store.get(never).state) == (State.COMPLETED, State.QUEUED)


def test_the_second_ctrl_c_gives_the_run_back(start: Start, store: Store, tmp_path: Path) -> None:
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    process = start("worker")
    began(tmp_path, run)
    assert process.stderr is not None

    process.send_signal(signal.SIGINT)
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    second = process.stderr.readline()
    answer = ended(process)

    assert second == ("interrupting run 1, it goes back to the queue within 30 s; "
                      "Ctrl-C again kills it at once\n")
    assert answer.code == 130
    assert "run 1 is back in the queue" in answer.out
    assert answer.err == "this worker's runs: 1 back in the queue\n"
    assert (store.get(run).state, store.get(run).losses) == (State.QUEUED, 0)


def test_the_third_ctrl_c_kills_and_releases_the_run(start: Start, store: Store, tmp_path: Path) -> None:
    run, = submit(store, "deaf", config={"folder": str(tmp_path)})
    process = start("worker", "--grace", 600)
    until(lambda: (tmp_path / "grandchild").exists(), "the run has become deaf")
    assert process.stderr is not None

    said = []
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        said.append(process.stderr.readline())
    answer = ended(process)

    assert said[2] == "killing run 1, it goes back to the queue\n"
    assert answer.code == 130
    assert store.get(run).state is State.QUEUED


def test_sigterm_releases_the_run_and_exits_with_0(start: Start, store: Store, tmp_path: Path) -> None:
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    process = start("worker")
    began(tmp_path, run)

    process.send_signal(signal.SIGTERM)
    answer = ended(process)

    assert answer.code == 0
    assert answer.err.startswith("it received SIGTERM: interrupting run 1, it goes back to the queue")
    assert store.get(run).state is State.QUEUED


# -- at a terminal -------------------------------------------------------------------------------------------


def test_a_terminal_shows_slots_and_queue(at_terminal: Callable[..., Terminal], store: Store,
                                          tmp_path: Path) -> None:
    run, _ = submit(store, "wait", config={"folder": str(tmp_path)}) + submit(store, task="unheard_of")
    terminal = at_terminal("worker", "--slots", 2, columns=140)

    terminal.wait_for("run 1  behave  ━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  30% (3 of 10), ")
    terminal.wait_for("waiting, for ")
    terminal.wait_for("how=wait")
    terminal.wait_for("idle")
    terminal.wait_for("queue:  1 queued  1 running")
    (tmp_path / "go").touch()
    in_state(store, run, State.COMPLETED)
    terminal.wait_for("run 1 COMPLETED  after ")
    terminal.wait_for("waits for runs of behave\n")
    terminal.interrupt()

    assert terminal.ended() == 0
    assert "started" not in terminal.text                  # the view shows what is running


def test_a_terminal_shows_ended_runs_above_and_a_table_last(at_terminal: Callable[..., Terminal],
                                                            store: Store) -> None:
    submit(store, count=2)
    submit(store, "raise")

    terminal = at_terminal("worker", "--drain", "--echo", columns=140)

    assert terminal.ended() == 1
    text = terminal.text
    assert "well done" in text
    assert "ValueError: as asked  behave  how=raise" in text
    report = text.index("this worker's runs: 2 completed, 1 failed")
    assert text.index("run 3 FAILED") < text.index("behave, best first:") < report


def test_a_waiting_worker_names_its_tasks(at_terminal: Callable[..., Terminal], store: Store) -> None:
    terminal = at_terminal("worker")

    terminal.wait_for("waits for runs of behave")
    terminal.wait_for("queue:  empty")
    terminal.interrupt()

    assert terminal.ended() == 0


def test_a_paused_queue_is_shown(at_terminal: Callable[..., Terminal], store: Store) -> None:
    submit(store)
    store.change_settings("behaving", paused=True)
    terminal = at_terminal("worker")

    terminal.wait_for("queue:  1 queued  whole queue paused")
    terminal.interrupt()

    assert terminal.ended() == 0


def test_a_narrow_terminal_has_no_bars(at_terminal: Callable[..., Terminal], store: Store,
                                       tmp_path: Path) -> None:
    submit(store, "wait", config={"folder": str(tmp_path)})
    terminal = at_terminal("worker", columns=60)

    terminal.wait_for("run 1  behave  30% (3 of 10), ")
    terminal.interrupt()
    (tmp_path / "go").touch()

    assert terminal.ended() == 0
    assert "━" not in terminal.text


# -- errors before the start --------------------------------------------------------------------------------


def test_a_broken_project_is_one_line_and_claims_nothing(typed_apart: Typed, store: Store,
                                                         project: ProjectFolder) -> None:
    submit(store)
    project.write("scenarios.py", "import nowhere_to_be_found")

    answer = typed_apart("worker", expect=3)

    assert answer.out == ""
    assert answer.err.count("\n") == 1
    assert "nowhere_to_be_found" in answer.err
    assert store.get(1).attempts == ()


def test_a_store_that_cannot_be_opened_is_one_line(typed_apart: Typed, url: str) -> None:
    Path(url.removeprefix("sqlite:///")).write_text("no database\n" * 1000)

    answer = typed_apart("worker", expect=4)

    assert (answer.out, answer.err.count("\n")) == ("", 1)
    assert "runs.db" in answer.err


@pytest.mark.parametrize(("words", "message"), [
    (("--slots", "0"), "--slots: expected a whole number >= 1, got '0'"),
    (("--slots", "5000"), "--slots: at most 1024, got 5000"),
    (("--max-runs", "-1"), "--max-runs: expected a whole number >= 1, got '-1'"),
    (("--poll", "0"), "--poll: expected seconds > 0, got 0"),
    (("--poll", "soon"), "--poll: expected seconds, as in 0.5, got 'soon'"),
    (("--poll", "inf"), "--poll: expected seconds, as in 0.5, got 'inf'"),
    (("--grace", "-1"), "--grace: expected seconds >= 0, got -1"),
    (("--isolation", "warn"), "'warn' is not one of 'warm', 'spawn', 'inline'"),
    (("--isolation", "inline", "--slots", "2"), "--slots 2 and --isolation inline contradict each other"),
])
def test_invalid_options_are_refused(typed: Typed, words: tuple[str, ...], message: str) -> None:
    assert message in typed("worker", *words, expect=2).err
