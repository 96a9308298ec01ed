"""Machines for a test: network namespaces, each with a cable to a switch, which this process is plugged into.

Nothing has a name that could outlive the test, as `ip netns add` would give: a namespace is there while some
process is in it, a cable while the namespaces at both its ends are. The process that holds a namespace ends
with the pipe that leads to it from here, so all is gone even when the test is killed. Linux, with the rights.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

TOOLS = ("ip", "unshare", "nsenter", "setpriv")
PREFIX = 24

_HOLD = 'echo "$0" > /proc/sys/kernel/hostname && echo there && exec cat'
# only what Python asks for; libfaketime 0.9.10 makes every `time.sleep` of Python 3.11 an error
_SHIFT = '''
import datetime
import os
import time

SHIFT_S = float(os.environ["CLOCK_SHIFT_S"])
SHIFT = datetime.timedelta(seconds=SHIFT_S)
REAL, time_, time_ns = datetime.datetime, time.time, time.time_ns


class Kind(type):
    def __instancecheck__(cls, thing):
        return isinstance(thing, REAL)


class Shifted(REAL, metaclass=Kind):
    """Makes plain moments: what is computed with them must not notice."""

    def __new__(cls, *values, **named):
        return REAL(*values, **named)

    @classmethod
    def now(cls, tz=None):
        return REAL.now(tz) + SHIFT

    @classmethod
    def utcnow(cls):
        return REAL.utcnow() + SHIFT


time.time = lambda: time_() + SHIFT_S
time.time_ns = lambda: time_ns() + int(SHIFT_S * 1e9)
datetime.datetime = Shifted
'''


class NotPermitted(Exception):
    """Namespaces cannot be created; the message has the reason."""


class Machine:
    """A network and a host name; disk, processes and users are those of this machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._holder = subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c", _HOLD, name], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != "there\n":
            why = self._holder.stderr.read().strip()
            self.end()
            raise NotPermitted(f"a network namespace cannot be made here: {why}")

    @property
    def pid(self) -> int:
        return self._holder.pid

    @property
    def entering(self) -> tuple[str, ...]:
        """A prefix for a command: it runs on this machine, with the same pid, and dies with this process."""
        there = f"/proc/{self.pid}/ns"
        return ("setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={there}/net", f"--uts={there}/uts")

    def ip(self, command: str, *, probe: bool = False) -> None:
        run([*self.entering, "ip", *command.split()], probe=probe)

    def end(self) -> None:
        self._holder.communicate()         # closes the pipe


class Network:
    """A switch, a cable from it to here, and machines with a cable each. `address` is this side's."""

    def __init__(self, switch: Machine, stack: contextlib.ExitStack) -> None:
        self._switch, self._stack = switch, stack
        self._net = free_net()
        self.address = f"{self._net}.1"
        self._machines: list[Machine] = []
        switch.ip("link add switch type bridge", probe=True)
        switch.ip("link set switch up")
        self.here = here = f"hs{switch.pid}"       # unique, and goes with the switch
        run(["ip", *f"link add {here} type veth peer name here netns {switch.pid}".split()], probe=True)
        stack.callback(run, ["ip", "link", "del", here])       # the kernel would delay it
        run(["ip", *f"addr add {self.address}/{PREFIX} dev {here}".split()])
        run(["ip", *f"link set {here} up".split()])
        switch.ip("link set here master switch up")

    def machine(self, name: str) -> Machine:
        """Add a machine with a cable."""
        machine = Machine(name)
        self._stack.callback(machine.end)
        self._machines.append(machine)
        self._switch.ip(f"link add {name} type veth peer name eth0 netns {machine.pid}")
        self._switch.ip(f"link set {name} master switch up")
        machine.ip("link set lo up")
        machine.ip(f"addr add {self._net}.{len(self._machines) + 1}/{PREFIX} dev eth0")
        machine.ip("link set eth0 up")
        return machine

    def cut(self, machine: Machine) -> None:
        """Disconnect its cable at the switch, without any message to either side."""
        self._switch.ip(f"link set {machine.name} down")

    def mend(self, machine: Machine) -> None:
        self._switch.ip(f"link set {machine.name} up")


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """Raises `NotPermitted` if it cannot be created."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        raise NotPermitted(f"needs {', '.join(missing)}")
    with contextlib.ExitStack() as stack:
        switch = Machine("switch")
        stack.callback(switch.end)
        yield Network(switch, stack)


def free_net() -> str:
    """The first three numbers of a private network that this machine has no route to."""
    while True:
        net = f"10.{random.randrange(256)}.{random.randrange(256)}"
        routes = run(["ip", "-4", "route", "show", "to", "match", f"{net}.0/{PREFIX}"]).splitlines()
        inside = run(["ip", "-4", "route", "show", "to", "root", f"{net}.0/{PREFIX}"])
        if not inside and all(route.startswith("default") for route in routes):
            return net


def clock_off(seconds: float, folder: Path) -> Mapping[str, str]:
    """The environment of processes whose wall clock is wrong; intervals stay right, as in practice."""
    folder.mkdir(parents=True)
    (folder / "sitecustomize.py").write_text(_SHIFT, encoding="utf-8")
    paths = [str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {"PYTHONPATH": os.pathsep.join(paths), "CLOCK_SHIFT_S": str(seconds)}


def run(command: list[str], *, probe: bool = False) -> str:
    """The output of a command; with `probe` a failure means that it is not permitted here."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        why = f"{' '.join(command)}: {done.stderr.strip()}"
        raise NotPermitted(why) if probe else RuntimeError(why)
    return done.stdout
