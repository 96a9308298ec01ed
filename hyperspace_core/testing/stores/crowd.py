"""Start processes that open one store, begin together, answer over pipes.

One pipe for each process: a shared queue may stay locked when one of them is killed.
"""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Callable, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Barrier
from typing import Any

from hyperspace_core.storage import Store
from hyperspace_core.testing.stores.desk import PATIENCE_S

Report = Callable[[Any], None]
Work = Callable[..., Any]              # (store, report, *arguments) -> answer


class Member:
    """One process of a crowd and its reports."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.reports: list[Any] = []
        self.answer: Any = None
        self.over = False

    def hear(self) -> None:
        """Read one pending message. Raises `AssertionError` with the traceback if the process failed."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            self.over = True               # the process was killed
            return
        if kind == "failed":
            raise AssertionError(f"in another process:\n{content}")
        if kind == "answer":
            self.answer, self.over = content, True
        else:
            self.reports.append(content)

    def kill(self) -> None:
        """SIGKILL: no handler runs, no transaction is ended."""
        self.process.kill()
        self.process.join(PATIENCE_S)
        while not self.over:
            self.hear()


class Crowd:
    """`work(store, report, *arguments)` in one process for each of `arguments`."""

    def __init__(self, opener: Callable[[str], Store], url: str, work: Work,
                 arguments: Sequence[tuple[Any, ...]]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._start = spawn.Barrier(len(arguments))    # kept: the barrier is freed with its last reference
        self.members: list[Member] = []
        for each in arguments:
            here, there = spawn.Pipe()
            process = spawn.Process(target=_attend, args=((opener, url), (work, each), self._start, there),
                                    daemon=True)
            process.start()
            there.close()
            self.members.append(Member(process, here))

    def hear(self) -> list[Member]:
        """Wait for messages; the members that sent some."""
        open_ones = {member.pipe: member for member in self.members if not member.over}
        ready = connection.wait(list(open_ones), PATIENCE_S)
        assert ready or not open_ones, f"{len(open_ones)} processes have sent nothing for {PATIENCE_S:g} s"
        heard = [open_ones[pipe] for pipe in ready if isinstance(pipe, Connection)]
        for member in heard:
            member.hear()
        return heard

    def answers(self) -> list[Any]:
        """Wait for the answers of all members; in order."""
        while not all(member.over for member in self.members):
            self.hear()
        for member in self.members:
            member.process.join(PATIENCE_S)
            assert member.process.exitcode == 0, f"a process ended with {member.process.exitcode}"
        return [member.answer for member in self.members]

    def end(self) -> None:
        """Kill the processes that still run."""
        for member in self.members:
            member.process.kill()
            member.process.join(PATIENCE_S)
            member.pipe.close()


def _attend(place: tuple[Callable[[str], Store], str], job: tuple[Work, tuple[Any, ...]], start: Barrier,
            pipe: Connection) -> None:
    (opener, url), (work, arguments) = place, job
    try:
        with opener(url) as store:
            start.wait(PATIENCE_S)
            answer = work(store, lambda content: pipe.send(("report", content)), *arguments)
        pipe.send(("answer", answer))
    except BaseException:      # noqa: BLE001 - reported to the test
        pipe.send(("failed", traceback.format_exc()))
