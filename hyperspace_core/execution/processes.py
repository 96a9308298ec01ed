"""Adopt, reap and kill the processes under a fork server.

On Linux, a fork server adopts all processes that its run leaves behind. Elsewhere only the run's process
group is reached: a daemon that left the group stays.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path

from hyperspace_core.execution.protocol import ChildEnded

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
LINUX = sys.platform.startswith("linux")
PATIENCE_S = 5.0               # for processes that SIGKILL does not end at once
TRACKER_S = 1.0                # for multiprocessing's resource trackers to clean up and end


def adopt_orphans() -> None:
    """Make orphans among the descendants children of this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the thread that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def children() -> set[int]:
    """The living or unreaped children of the main thread; empty where unknown."""
    with contextlib.suppress(OSError):
        return {int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()}
    if not LINUX:
        return set()
    import psutil  # a kernel without a list of them

    return {child.pid for child in psutil.Process().children()}


def death_of(pid: int) -> ChildEnded | None:
    """Reap a child that has ended; None while it lives."""
    reaped, status, usage = os.wait4(pid, os.WNOHANG)
    if not reaped:
        return None
    if not LINUX:                                  # on Linux, `end_strays` finds everything
        kill_group(pid)
    code = os.waitstatus_to_exitcode(status)
    return ChildEnded(exit_code=code if code >= 0 else None, signal=-code if code < 0 else None,
                      max_rss_bytes=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def reap_others(but: int | None) -> set[int]:
    """Reap all other ended children; their pids."""
    gone: set[int] = set()
    for pid in children() - {but}:
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0]:
                gone.add(pid)
    return gone


def end_strays(spared: Collection[int]) -> None:
    """Kill all children but the spared ones, also newly adopted ones.

    Resource trackers of multiprocessing may end by themselves first: killed, they would leak shared memory.
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
    """Kill the group of a session leader; another process may have the pid by now."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.getsid(leader) == leader:
            os.killpg(leader, signal.SIGKILL)


def end_marked(mark: str) -> None:
    """Kill every process with `NAME=value` in its environment.

    For the descendants of a lost fork server. Needs /proc; misses processes with another environment.
    """
    began = time.monotonic()
    while _kill_marked(mark.encode()) and time.monotonic() - began < PATIENCE_S:
        time.sleep(0.001)


def kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def passed_on(number: int, here: int) -> bool:
    """In a signal handler that process `here` set: True in a process forked from it.

    There the signal has its default effect: pools end their workers that way.
    """
    if os.getpid() == here:
        return False
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return True


def volunteer_for_the_kernel() -> None:
    """Let the kernel kill the run, not its worker, when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _prctl(option: int, value: int) -> None:
    if LINUX:
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _kill_marked(mark: bytes) -> bool:
    """Kill the marked processes; True where one was found."""
    found = False
    for folder in Path("/proc").glob("[0-9]*") if LINUX else ():
        with contextlib.suppress(OSError):         # it ended just now, or belongs to another user
            # a descriptor, unlike a pid, cannot mean another process later
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
