"""Kill a process between two commands that it sends to the server."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pymongo.monitoring

from hyperspace_mongodb.store import open_store
from pytest_hyperspace.stores.harness import PROJECT

PATIENCE_S = 60.0
MOST_COMMANDS = 60             # no verb sends more commands


class Guillotine(pymongo.monitoring.CommandListener):
    """Kills this process without cleanup before its n-th command is sent."""

    def __init__(self) -> None:
        self.left = 0

    def started(self, event: pymongo.monitoring.CommandStartedEvent) -> None:
        if self.left == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def succeeded(self, event: pymongo.monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: pymongo.monitoring.CommandFailedEvent) -> None: ...


def die_at(url: str, command: int, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    guillotine = Guillotine()
    pymongo.monitoring.register(guillotine)
    with open_store(url, PROJECT) as store:
        guillotine.left = command
        act(store, *arguments)


def each_kill(url: str, act: Callable[..., Any], arguments: Callable[[], tuple[Any, ...]]) -> Iterator[Any]:
    """The arguments of `act` after each kill; ends when it has run to its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hyperspace_mongodb.store", "pytest_hyperspace.stores.harness"])
    for command in range(1, MOST_COMMANDS):
        given = arguments()
        process = context.Process(target=die_at, args=(url, command, act, given), daemon=True)
        process.start()
        process.join(PATIENCE_S)
        assert process.exitcode in (0, -signal.SIGKILL), f"command {command}: {process.exitcode}"
        yield given
        if process.exitcode == 0:
            assert command > 1, "nothing was killed"
            return
    raise AssertionError(f"sends {MOST_COMMANDS} commands, and more")
