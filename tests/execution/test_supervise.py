"""Runs in child processes, as a worker sees them."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from hyperspace_core.errors import ProjectError
from hyperspace_core.execution import protocol
from hyperspace_core.execution.job import job_file
from hyperspace_core.execution.protocol import ChildEnded
from hyperspace_core.execution.supervisor import Output, Supervisor
from hyperspace_core.records.logged import ArtifactStaged, InfoSet, ProgressSet
from hyperspace_core.records.states import Outcome
from support.jobs import ENTRY, RUNS, Hands, finished, job, until_printed

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="adopting orphans needs Linux")


def pids_in(attempt_or_events):
    return json.loads(attempt_or_events.printed.splitlines()[0])


def assert_gone(pids, timeout=20.0):
    """All processes end in time."""
    for pid in pids:
        try:
            psutil.Process(pid).wait(timeout)
        except psutil.NoSuchProcess:
            continue


# -- opening the project -----------------------------------------------------------------------------------


def test_a_warm_supervisor_describes_the_project(fork_server):
    view = fork_server("warm").view()
    assert {"good", "waits"} <= set(view.tasks)
    assert view.note is None


def test_a_spawning_supervisor_describes_the_project(fork_server):
    view = fork_server("spawn").view()
    assert "good" in view.tasks
    assert view.note is None


def test_a_project_with_threads_is_not_forked_but_runs(fork_server, lab, workdir):
    lab.write("__init__.py",
              "import threading\n"
              "threading.Thread(target=threading.Event().wait, name='poller', daemon=True).start()\n")
    one = fork_server("warm")
    assert "poller" in one.view().note
    assert Hands(one, workdir).run("good").outcome.result == 1.0


@pytest.mark.parametrize("isolation", ["warm", "spawn"])
@pytest.mark.parametrize(("code", "says"), [
    ("import no_such_module_anywhere", "no_such_module_anywhere"),
    ("raise ValueError('not today')", "not today"),
    ("import sys; sys.exit('no licence')", "no licence"),
    ("import os; os._exit(5)", "exit code 5"),
    ("import os, sys; print('oh dear', flush=True); os.abort()", "oh dear"),
])
def test_a_project_that_cannot_be_imported_is_an_error(fork_server, lab, isolation, code, says):
    lab.write("runs.py", code + "\n")
    with pytest.raises(ProjectError, match=says) as caught:
        fork_server(isolation).view()
    assert "lab" in str(caught.value)


def test_a_project_that_is_not_installed_is_an_error():
    absent = Supervisor("no_such_project", isolation="warm")
    with pytest.raises(ProjectError, match="no_such_project"):
        absent.view()
    absent.close()


def test_a_closed_supervisor_starts_no_run(fork_server):
    one = fork_server()
    one.view()
    one.close()
    one.close()
    with pytest.raises(ProjectError, match="closed"):
        one.view()


# -- messages of a run ---------------------------------------------------------------------------------------


def test_a_run_sends_its_messages_and_ends(runner):
    attempt = runner.run("good", value=2.5)
    assert [point[:4] for point in attempt.points] == [(0, "value", 0, 2.5)]
    assert attempt.outcome.outcome is Outcome.COMPLETED
    assert attempt.outcome.metrics == {"result": 2.5}
    assert attempt.end == ChildEnded(exit_code=0, signal=None, out_of_memory=None,
                                     max_rss_bytes=attempt.end.max_rss_bytes)
    assert attempt.end.max_rss_bytes > 1_000_000


def test_runs_follow_each_other_in_processes_of_their_own(runner):
    first, second = runner.start("good"), None
    finished(first)
    second = runner.start("good")
    finished(second)
    assert first.pid != second.pid


def test_all_kinds_of_messages_arrive(warm, workdir):
    attempt = warm.run("everything")
    kinds = {type(event): event for event in attempt.events}
    assert kinds[ProgressSet].progress.note == "first fold"
    assert kinds[InfoSet] == InfoSet("folds", [1, 2, 3])
    staged = kinds[ArtifactStaged]
    assert staged.name == "model.bin"
    assert Path(staged.path).read_bytes() == b"weights"
    assert workdir in Path(staged.path).parents
    assert attempt.outcome.metrics == {"result": 0.5, "loss": 2}


def test_nan_and_infinities_survive(warm):
    attempt = warm.run("odd_numbers")
    assert [repr(point[3]) for point in attempt.points] == ["nan", "inf", "-inf", "-0.0"]
    assert math.isnan(attempt.outcome.result)


def test_a_config_of_megabytes_arrives(runner):
    assert runner.run("echo", text="x" * 3_000_000).outcome.result == 3_000_000


# -- how a run ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "code", "number"), [
    ("segfault", None, signal.SIGSEGV), ("abort", None, signal.SIGABRT),
    ("exit 0", 0, None), ("exit 3", 3, None), ("kill", None, signal.SIGKILL),
])
def test_a_run_that_dies_keeps_its_output_and_harms_no_other(runner, how, code, number):
    attempt = runner.run("dies", how=how)
    assert (attempt.end.exit_code, attempt.end.signal) == (code, number)
    assert attempt.outcomes == []
    assert [point[0] for point in attempt.points] == list(range(1000))
    assert "last words" in attempt.printed
    assert attempt.end.out_of_memory is None
    assert runner.run("good").outcome.result == 1.0


def test_a_segfault_leaves_a_traceback_in_the_output(warm):
    printed = warm.run("dies", how="segfault").printed
    assert "Segmentation fault" in printed
    assert "in dies" in printed


@pytest.mark.parametrize(("what", "outcome", "reason"), [
    ("ValueError", Outcome.FAILED, "ValueError: too high"),
    ("SystemExit", Outcome.CRASHED,
     "SystemExit(3): the run's code ended its process instead of returning a result"),
    ("KeyboardInterrupt", Outcome.FAILED, "KeyboardInterrupt"),
    ("GeneratorExit", Outcome.FAILED, "GeneratorExit"),
])
def test_what_a_run_raises_is_named_with_the_users_frames(runner, what, outcome, reason):
    ended = runner.run("raises", what=what).outcome
    assert (ended.outcome, ended.reason) == (outcome, reason)
    lines = ended.traceback.splitlines()
    assert "in raises" in lines[1]
    assert not any("hyperspace_core" in line for line in lines)


def test_a_coroutine_is_no_result(warm):
    ended = warm.run("later").outcome
    assert ended.outcome is Outcome.FAILED
    assert "did you forget await" in ended.reason
    assert not ended.retry


def test_only_exit_handlers_of_the_run_are_called(warm, lab):
    lab.write("runs.py", RUNS.replace("VERSION = 1", "atexit.register(print, 'guardian only')"))
    printed = warm.run("at_exit").printed
    assert "cleaned up" in printed
    assert "guardian only" not in printed


# -- output --------------------------------------------------------------------------------------------------


def test_output_of_python_and_c_keeps_its_order(runner):
    printed = runner.run("prints_in_c").printed
    for part in ("from C\n", "held back by C", "from Python é"):
        assert part in printed


def test_output_arrives_while_the_run_goes_on(warm):
    child = warm.start("waits")
    until_printed(child, "waiting")
    child.kill()
    finished(child)


def test_a_flood_is_passed_on_in_bounded_pieces(warm):
    child = warm.start("prints", count=64, size=1 << 20)
    largest = total = 0
    while not child.over:
        for event in child.events(1.0):
            size = len(event.data) if isinstance(event, Output) else 0
            largest, total = max(largest, size), total + size
    assert total == 64 * ((1 << 20) + 1)
    assert largest <= 4 << 20


def test_output_that_is_not_text_arrives(warm):
    attempt = warm.run("prints_bytes")
    assert Output(b"\xff\xfe no newline") in attempt.events


# -- stopping it ---------------------------------------------------------------------------------------------


def test_an_interrupted_run_is_released(runner):
    child = runner.start("waits")
    heard = until_printed(child, "waiting")
    child.interrupt()
    attempt = finished(child, tuple(heard))
    assert attempt.outcome.outcome is Outcome.RELEASED
    assert attempt.end.exit_code == 0


def test_an_interrupt_right_after_the_start_is_not_lost(runner):
    child = runner.start("waits")
    child.interrupt()
    attempt = finished(child)
    assert attempt.outcome.outcome is Outcome.RELEASED


def test_a_run_that_calls_should_stop_ends_by_itself(warm):
    child = warm.start("waits", how="polite")
    heard = until_printed(child, "waiting")
    child.interrupt()
    ended = finished(child, tuple(heard)).outcome
    assert (ended.outcome, ended.result) == (Outcome.COMPLETED, 7.0)


def test_a_run_that_ignores_the_stop_is_killed(warm):
    child = warm.start("waits", how="deaf")
    until_printed(child, "waiting")
    child.interrupt()
    child.kill()
    assert finished(child).end.signal == signal.SIGKILL
    assert warm.run("good").outcome.result == 1.0


def test_a_late_request_does_not_reach_the_next_run(warm):
    first = warm.start("good")
    finished(first)
    second = warm.start("waits")
    until_printed(second, "waiting")
    first.kill()
    first.interrupt()
    assert not any(isinstance(event, (ChildEnded, protocol.Ended)) for event in second.events(0.2))
    second.kill()
    finished(second)


def test_starting_a_run_kills_an_older_one(warm):
    first = warm.start("waits")
    assert warm.run("good").outcome.result == 1.0
    assert_gone([first.pid])


# -- processes left behind -----------------------------------------------------------------------------------


def test_a_destructive_run_harms_only_itself(runner):
    here, environment = Path.cwd(), dict(os.environ)
    assert runner.run("vandal").outcome.result == 3.0
    assert Path.cwd() == here
    assert dict(os.environ) == environment
    attempt = runner.run("surroundings")
    assert attempt.outcome.result == 1.0
    assert json.loads(attempt.printed)["cwd"] == str(runner.workdir)


def test_a_fork_of_the_run_does_not_report_it_again(warm):
    attempt = warm.run("forks")
    assert attempt.outcome.result == 2.0
    assert attempt.points == []
    assert "not recorded" in attempt.printed


def test_a_run_can_terminate_a_process_that_it_forked(runner):
    assert runner.run("ends_its_fork").outcome.result == -signal.SIGTERM


@linux
def test_daemons_are_ended_with_their_run(runner):
    attempt = runner.run("leaves_daemon")
    assert attempt.outcome.result == 1.0
    assert not any(psutil.pid_exists(pid) for pid in pids_in(attempt))


@linux
def test_daemons_are_ended_when_the_run_is_killed(warm):
    child = warm.start("leaves_daemon", then="wait")
    heard = until_printed(child, "]")
    child.kill()
    assert not any(psutil.pid_exists(pid) for pid in pids_in(finished(child, tuple(heard))))


@linux
def test_daemons_are_ended_when_the_fork_server_is_lost(warm):
    child = warm.start("leaves_daemon", then="wait")
    heard = until_printed(child, "]")
    psutil.Process(child.pid).parent().kill()
    assert_gone(pids_in(finished(child, tuple(heard))))


@linux
def test_leaked_shared_memory_is_cleaned_up(warm):
    attempt = warm.run("shares_memory")
    assert attempt.outcome.result == 3.0
    name = next(line for line in attempt.printed.splitlines() if line.startswith("psm_"))
    assert not Path("/dev/shm", name).exists()


# -- a lost worker or fork server ----------------------------------------------------------------------------


def test_a_run_that_kills_its_fork_server_ends_alone(runner):
    child = runner.start("dies", how="guardian")
    attempt = finished(child)
    assert (attempt.end.exit_code, attempt.end.signal) == (None, None)
    assert len(attempt.points) == 1000
    assert_gone([child.pid])
    assert runner.run("good").outcome.result == 1.0


def test_a_killed_preforked_process_is_replaced(warm):
    child = warm.start("waits")
    until_printed(child, "waiting")
    fork_server = psutil.Process(child.pid).parent()
    waiting = [process for process in fork_server.children() if process.pid != child.pid]
    assert len(waiting) == 1
    waiting[0].kill()
    waiting[0].wait(10)                        # else it may still get the job
    assert warm.run("good").outcome.result == 1.0
    assert warm.run("good").outcome.result == 1.0


WORKER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, {here!r})
from support.jobs import Attempt, Hands, until_printed
from hyperspace_core.execution.supervisor import Supervisor

supervisor = Supervisor("lab", isolation={isolation!r}, grace_s={grace})
child = Hands(supervisor, Path({workdir!r})).start({function!r}, **{config!r})
heard = Attempt(until_printed(child, {until!r})).printed
print(child.pid, heard.strip(), flush=True)
threading.Event().wait()
"""


def vanishing_worker(workdir, isolation, function, until, grace=10.0, **config):
    """Kill a worker process during its run; the run's pid and output."""
    code = WORKER.format(here=str(Path(__file__).parent.parent), isolation=isolation, function=function,
                         config=config, workdir=str(workdir), until=until, grace=grace)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        process.kill()
    pid, _, printed = line.strip().partition(" ")
    return int(pid), printed


@linux
@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_the_run_of_a_vanished_worker_is_ended(lab, workdir, isolation):
    pid, printed = vanishing_worker(workdir, isolation, "leaves_daemon", "]", then="wait")
    assert_gone([pid, *json.loads(printed)])


def test_a_run_of_a_vanished_worker_is_killed_after_grace(lab, workdir):
    pid, _ = vanishing_worker(workdir, "warm", "waits", "waiting", grace=0.3, how="deaf")
    assert_gone([pid])


def test_a_fork_server_in_an_endless_import_ends(lab, fork_server):
    fifo = lab.root / "importing"
    os.mkfifo(fifo)
    lab.write("runs.py", "import os, threading\n"
                         f"with open({str(fifo)!r}, 'w') as file: file.write(str(os.getpid()))\n"
                         "threading.Event().wait()\n")
    one = fork_server()
    failures = []

    def look():
        try:
            one.view()
        except ProjectError as error:
            failures.append(error)

    looking = threading.Thread(target=look)
    looking.start()
    pid = int(fifo.read_text())
    one.close()
    looking.join(20)
    assert len(failures) == 1
    assert_gone([pid])


def test_close_ends_a_running_run(fork_server, workdir):
    one = fork_server()
    child = Hands(one, workdir).start("waits")
    until_printed(child, "waiting")
    one.close()
    assert_gone([child.pid])


# -- the code that is recorded is the code that ran ----------------------------------------------------------


def test_an_edit_between_two_runs_is_executed(runner, lab):
    assert runner.run("version").outcome.result == 1.0
    for number in (2, 3, 4):                                    # same size, within one second
        lab.write("runs.py", RUNS.replace("VERSION = 1", f"VERSION = {number}"))
        assert runner.run("version").outcome.result == number


def test_a_broken_edit_is_an_error_until_it_is_fixed(runner, lab):
    assert runner.run("version").outcome.result == 1.0
    lab.write("runs.py", RUNS + "\ndef oops(:\n")
    with pytest.raises(ProjectError, match=r"runs\.py"):
        runner.start("version")
    lab.write("runs.py", RUNS.replace("VERSION = 1", "VERSION = 5"))
    assert runner.run("version").outcome.result == 5


def test_unchanged_sources_are_not_imported_again(warm):
    parents = set()
    for _ in range(3):
        child = warm.start("waits")
        until_printed(child, "waiting")
        parents.add(psutil.Process(child.pid).ppid())
        child.kill()
        finished(child)
    assert len(parents) == 1


def test_a_new_task_file_is_seen(lab, fork_server, tmp_path):
    folder = tmp_path / "tasks"
    folder.mkdir()
    one = fork_server("warm", tasks_dir=folder)
    assert "morning" not in one.view().tasks
    (folder / "morning.json").write_text(json.dumps({"scenario": {"className": "good"}}))
    assert "morning" in one.view().tasks


def test_a_new_task_file_in_the_project_is_seen(lab, fork_server):
    (lab.package / "tasks").mkdir()
    lab.write("hyperspace.py", ENTRY + "    register.tasks('lab.tasks')\n")
    one = fork_server("warm")
    assert "morning" not in one.view().tasks
    lab.write("tasks/morning.json", json.dumps({"scenario": {"className": "good"}}))
    assert "morning" in one.view().tasks


def test_a_run_goes_on_where_the_next_cannot_be_preforked(lab, warm):
    lab.write("runs.py", RUNS + "\n"
              "real, forks = os.fork, []\n"
              "def fork():\n"
              "    forks.append(1)\n"
              "    if len(forks) == 2:\n"
              "        raise BlockingIOError('no more processes')\n"
              "    return real()\n"
              "os.fork = fork\n")
    for _ in range(3):
        assert warm.run("good").outcome.outcome is Outcome.COMPLETED


# -- environment and files -----------------------------------------------------------------------------------


@linux
def test_a_run_sees_neither_the_store_nor_its_password(runner):
    attempt = runner.run("surroundings")
    seen = json.loads(attempt.printed)
    assert "S3cr3t-canary" not in attempt.printed
    assert "HYPERSPACE_STORAGE" not in seen["environment"]
    assert not [target for target in seen["open"].values() if "socket" in target]
    assert seen["open"]["0"] == os.devnull
    assert seen["open"]["1"] == seen["open"]["2"]
    assert len(seen["open"]) <= 5                               # standard streams, channel, listing
    assert seen["leads"]
    assert seen["blocked"] == []


@linux
def test_no_command_line_holds_the_password(warm):
    child = warm.start("waits")
    until_printed(child, "waiting")
    family = [psutil.Process(child.pid), psutil.Process(child.pid).parent()]
    assert not any("S3cr3t-canary" in " ".join(process.cmdline()) for process in family)
    assert not any("S3cr3t-canary" in " ".join(process.environ().values()) for process in family)
    child.kill()
    finished(child)


def test_files_of_the_working_directory_are_never_imported(lab, fork_server, workdir, tmp_path, monkeypatch):
    for name in ("json.py", "random.py", "lab.py", "threading.py"):
        (tmp_path / name).write_text("raise SystemExit('hijacked')\n")
    monkeypatch.chdir(tmp_path)
    for isolation in ("warm", "spawn"):
        attempt = Hands(fork_server(isolation), workdir).run("surroundings")
        seen = json.loads(attempt.printed)
        assert str(tmp_path) not in seen["path"]
        assert "" not in seen["path"]


@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_interpreter_settings_do_not_matter(fork_server, workdir, monkeypatch, isolation):
    for name, value in {"PYTHONWARNINGS": "error", "PYTHONOPTIMIZE": "1", "PYTHONIOENCODING": "ascii",
                        "LC_ALL": "C", "PYTHONHASHSEED": "0"}.items():
        monkeypatch.setenv(name, value)
    runner = Hands(fork_server(isolation), workdir)
    assert runner.run("good").outcome.result == 1.0
    assert "from Python é" in runner.run("prints_in_c").printed


def test_two_slots_run_side_by_side(fork_server, workdir):
    children = [Hands(fork_server(), workdir).start("waits") for _ in range(2)]
    for child in children:
        until_printed(child, "waiting")
    began = time.monotonic()
    for child in children:
        child.kill()
        finished(child)
    assert time.monotonic() - began < 10


def test_a_job_reaches_another_process_unchanged(warm, workdir):
    given = job("echo", {"text": "é\0"}, workdir, tags=("a",), note="n")
    with job_file(given) as file:
        assert finished(warm.fork_server.start(file)).outcome.result == 2
