"""The processes under a guardian: adopting them, seeing them end, ending what is left.

Whole on Linux, where a guardian adopts whatever its run leaves behind. Elsewhere only the run's process group
is reached: a daemon that left the group stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")
PATIENCE_S = 5.0               # for what SIGKILL does not end at once
TRACKER_S = 1.0                # for multiprocessing's resource trackers to clean up and leave by themselves


@dataclass(frozen=True, kw_only=True)
class Death:
    """How a process ended."""

    exit_code: int | None
    signal: int | None
    max_rss_bytes: int | None


def adopt_orphans() -> None:
    """From now on the orphans among this process's descendants become its children."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Be killed when the thread that forked this process ends; at once where it has ended already."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def children() -> set[int]:
    """The living or unreaped children of this process's main thread; empty where the system cannot tell."""
    with contextlib.suppress(OSError):
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    return _children_by_search() if LINUX else set()


def death_of(pid: int) -> Death | None:
    """Reap a child that has ended; None while it lives."""
    reaped, status, usage = os.wait4(pid, os.WNOHANG)
    if not reaped:
        return None
    if not LINUX:                                  # there `end_strays` finds everything
        kill_group(pid)
    code = os.waitstatus_to_exitcode(status)
    return Death(exit_code=code if code >= 0 else None, signal=-code if code < 0 else None,
                 max_rss_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def reap_others(but: int | None) -> set[int]:
    """Reap whatever else has ended; their pids."""
    gone: set[int] = set()
    for pid in children() - {but}:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                gone.add(pid)
    return gone


def end_strays(spared: Collection[int]) -> None:
    """Kill every child but the spared ones, and what becomes a child by that, until none is left.

    Resource trackers of multiprocessing go last, by themselves: killed, they would leave shared memory.
    """
    began = time.monotonic()
    while (strays := children() - set(spared)) and time.monotonic() - began < PATIENCE_S:
        trackers = {pid for pid in strays if _is_tracker(pid)}
        patient = strays != trackers or time.monotonic() - began < TRACKER_S
        for pid in strays - trackers if patient else strays:
            kill(pid, signal.SIGKILL)
        reap_others(None)
        if children() - set(spared):
            time.sleep(0.001)


def kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def kill_session(leader: int) -> None:
    """For a process that is not one's own child: its number may be somebody's by now who leads no session."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getsid(leader) == leader:
            os.killpg(leader, signal.SIGKILL)


def end_marked(mark: str) -> None:
    """Kill every process that has `NAME=value` in its environment: what a lost guardian can end no more.

    A process that was started with another environment is not found; nor any, where there is no /proc.
    """
    began = time.monotonic()
    while _kill_marked(mark.encode()) and time.monotonic() - began < PATIENCE_S:
        time.sleep(0.001)


def kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def passed_on(number: int, here: int) -> bool:
    """For the handler of a signal that process `here` set up: True in a process that was forked from it.

    There the signal ends the process, as it would without the handler: pools end their workers that way.
    """
    if os.getpid() == here:
        return False
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return True


def volunteer_for_the_kernel() -> None:
    """Where memory runs out, the kernel shall take the run, not its worker."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _prctl(option: int, value: int) -> None:
    if LINUX:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _kill_marked(mark: bytes) -> bool:
    """True where there was one."""
    found = False
    for folder in Path("/proc").glob("[0-9]*") if LINUX else ():
        with contextlib.suppress(OSError):         # it ends just now, or is somebody else's
            # what is held by its descriptor cannot become another process before it is killed
            descriptor = os.pidfd_open(int(folder.name))
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    found = True
            finally:
                os.close(descriptor)
    return found


def _is_tracker(pid: int) -> bool:
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _children_by_search() -> set[int]:
    """For kernels without the list of children."""
    import psutil

    return {child.pid for child in psutil.Process().children()}
