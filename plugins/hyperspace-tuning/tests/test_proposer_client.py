"""A proposer process runs user code; its worker always gets an answer or an error."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from formula_project import FILES
from hyperspace_core.errors import ConfigError, ProjectError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.search import SearchRecord
from hyperspace_core.study import Study
from hyperspace_tuning import proposer_client
from hyperspace_tuning.proposer_client import ChildProposer, InlineProposer, ProposerGone
from hyperspace_tuning.proposer_protocol import OpenProject, ProposeNext
from hyperspace_tuning.proposer_server import ProposerServer
from pytest_hyperspace.project import ProjectFolder, forget

TUNERS = '''
import contextlib
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from hyperspace_tuning import Tuner, sample


@dataclass
class Odd(Tuner):
    """Performs an action before it proposes."""

    how: str = ""
    folder: str = ""

    def propose(self, space, history, rng):
        return getattr(self, self.how)() or sample(space, rng)

    def pid(self):
        (Path(self.folder) / "pid").write_text(str(os.getpid()))

    def print(self):
        print("x" * 100_000)
        os.write(2, b"and from the descriptor")

    def thread(self):
        threading.Thread(target=time.sleep, args=(600,)).start()

    def exit(self):
        sys.exit("enough")

    def vanish(self):
        print("last words")
        sys.stdout.flush()
        os._exit(3)

    def leave_a_child(self):
        child = os.fork()
        if child == 0:
            time.sleep(600)
        (Path(self.folder) / "child").write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)

    def nonsense(self):
        return "a text"

    def think(self):
        time.sleep(600)

    def scribble(self):
        for number in map(int, os.listdir("/dev/fd")):
            with contextlib.suppress(OSError):
                if number > 2:
                    os.write(number, bytes([0, 0, 0, 4]) + b"what")
'''
REGISTER = FILES["hyperspace.py"].replace("import models", "import models, tuners").replace(
    "register.module(models)", "register.module(models); register.module(tuners)")
Question = Callable[..., ProposeNext]


@pytest.fixture
def question(project: ProjectFolder, url: str, tmp_path: Path) -> Question:
    project.write("tuners.py", TUNERS)
    project.write("hyperspace.py", REGISTER)
    forget("formula")

    def one(how: str, *runs: RunRecord, whole: bool = True) -> ProposeNext:
        tuner = {"className": "Odd", "how": how, "folder": str(tmp_path)}
        with Study("formula", url) as study:
            search: SearchRecord = study.tune("main", runs=5, tuner=tuner).record
        return ProposeNext(search, list(runs), whole)

    return one


@pytest.fixture
def asker() -> Iterator[ChildProposer]:
    made = ChildProposer(OpenProject("formula", None, (), None))
    yield made
    made.close()


def pid_of(asker: ChildProposer) -> int:
    assert asker._process is not None
    return asker._process.pid


@pytest.mark.parametrize("how", ["print", "thread"])
def test_a_tuner_may_print_and_start_threads(asker: ChildProposer, question: Question, how: str) -> None:
    assert asker.ask(question(how)).run is not None


@pytest.mark.parametrize(("how", "said"), [
    ("exit", r"its tuner failed: SystemExit\(enough\)"), ("nonsense", "its tuner failed: .*str")])
@pytest.mark.parametrize("inline", [False, True])
def test_failures_of_a_tuner_are_reported(
        asker: ChildProposer, question: Question, how: str, said: str, inline: bool) -> None:
    asked = question(how)
    whom = InlineProposer(ProposerServer(open_project("formula", build_manager()))) if inline else asker
    for _ in range(2):                     # and it may be asked again
        with pytest.raises(ConfigError, match=said):
            whom.ask(asked)


def test_the_output_of_a_lost_proposer_is_reported(asker: ChildProposer, question: Question) -> None:
    with pytest.raises(ProposerGone, match=r"ended \(exit code 3\)\nlast words"):
        asker.ask(question("vanish"))


def test_a_killed_proposer_with_a_living_child_is_noticed(
        asker: ChildProposer, question: Question, tmp_path: Path) -> None:
    with pytest.raises(ProposerGone, match="signal 9"):
        asker.ask(question("leave_a_child"))
    os.kill(int((tmp_path / "child").read_text()), signal.SIGKILL)


def test_a_new_proposer_needs_all_runs(
        asker: ChildProposer, question: Question) -> None:
    first = question("pid")
    asker.ask(first)
    assert asker.fresh(first.search.uid) is False
    os.kill(pid_of(asker), signal.SIGKILL)
    os.waitid(os.P_PID, pid_of(asker), os.WEXITED | os.WNOWAIT)

    with pytest.raises(ProposerGone, match="signal 9"):
        asker.ask(ProposeNext(first.search, [], whole=False))

    assert asker.fresh(first.search.uid) is True
    assert asker.ask(first).run is not None


def test_a_tuner_without_answer_is_killed_after_the_timeout(
        asker: ChildProposer, question: Question, monkeypatch: pytest.MonkeyPatch) -> None:
    asker.ask(question("pid"))
    pid = pid_of(asker)
    monkeypatch.setattr(proposer_client, "LONGEST_S", 0.3)

    with pytest.raises(ProjectError, match=r"gave no answer in 0\.3 s"):
        asker.ask(question("think"))

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_tuner_that_writes_into_the_socket_is_an_error(
        asker: ChildProposer, question: Question) -> None:
    with pytest.raises(ProjectError, match="sent a message that cannot be decoded"):
        asker.ask(question("scribble"))
    assert asker.ask(question("pid")).run is not None
