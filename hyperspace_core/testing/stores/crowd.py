"""Processes that open the same store, begin together, and answer over pipes of their own.

A pipe a process, because a shared queue may stay locked for ever by one that is killed.
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
    """One process of a crowd, and what it has reported."""

    def __init__(self, process: BaseProcess, pipe: Connection) -> None:
        self.process = process
        self.pipe = pipe
        self.reports: list[Any] = []
        self.answer: Any = None
        self.over = False

    def hear(self) -> None:
        """Take one message that is there. `AssertionError`, with its traceback, where the process failed."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, OSError):
            self.over = True               # it was killed
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
    """`work(store, report, *arguments)` in a process for each of `arguments`."""

    def __init__(self, opener: Callable[[str], Store], url: str, work: Work,
                 arguments: Sequence[tuple[Any, ...]]) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._start = spawn.Barrier(len(arguments))    # kept, for it goes with its last holder here
        self.members: list[Member] = []
        for each in arguments:
            here, there = spawn.Pipe()
            process = spawn.Process(target=_attend, args=((opener, url), (work, each), self._start, there),
                                    daemon=True)
            process.start()
            there.close()
            self.members.append(Member(process, here))

    def hear(self) -> list[Member]:
        """Wait for news; the members that had some."""
        open_ones = {member.pipe: member for member in self.members if not member.over}
        ready = connection.wait(list(open_ones), PATIENCE_S)
        assert ready or not open_ones, f"{len(open_ones)} processes have nothing to say for {PATIENCE_S:g} s"
        heard = [open_ones[pipe] for pipe in ready if isinstance(pipe, Connection)]
        for member in heard:
            member.hear()
        return heard

    def answers(self) -> list[Any]:
        """What each of them answered, in order; waits until all have."""
        while not all(member.over for member in self.members):
            self.hear()
        for member in self.members:
            member.process.join(PATIENCE_S)
            assert member.process.exitcode == 0, f"a process ended with {member.process.exitcode}"
        return [member.answer for member in self.members]

    def end(self) -> None:
        """Whoever still lives is killed."""
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
    except BaseException:      # noqa: BLE001 - told to the test
        pipe.send(("failed", traceback.format_exc()))
