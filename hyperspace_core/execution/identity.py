"""The owner of a run, and the proof that its process is dead.

A missing pid proves death only within one boot and one pid namespace, and only together with the start time
of the process: pids are reused. In all other cases the lease decides.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import secrets
import socket
from functools import cache
from pathlib import Path

from hyperspace_core.execution.result import in_bytes
from hyperspace_core.records.run import Owner

_STAT_STATE = 0            # fields of /proc/PID/stat behind the command's closing bracket
_STAT_STARTED = 19         # clock ticks since boot: no step of the wall clock changes it


def this_process(worker: str) -> Owner:
    """This process as an owner, under the worker's name."""
    pid = os.getpid()
    started = _started(pid)
    return Owner(worker=worker, host=host_name(), user=user_name(), boot_id=_boot_id(),
                 pid_namespace=_pid_namespace(), pid=pid, process_started=0.0 if started is None else started)


def proven_dead(owner: Owner) -> bool:
    """True only where the owner's process is certainly gone; False: alive or unknown."""
    if not owner.pid or not owner.boot_id or not owner.pid_namespace:
        return False
    if owner.boot_id != _boot_id() or owner.pid_namespace != _pid_namespace():
        return False
    stat = _stat(owner.pid)
    if stat is None:
        return _gone(owner.pid)
    if stat[_STAT_STATE] in ("Z", "X"):
        return True
    return bool(owner.process_started) and _seconds(stat) != owner.process_started


def worker_name() -> str:
    """A unique name: host, pid, four random digits."""
    return f"{host_name()}-{os.getpid()}-{secrets.token_hex(2)}"


def user_at_host() -> str:
    return f"{user_name()}@{host_name()}"


def host_name() -> str:
    return socket.gethostname() or "localhost"


def user_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):       # a uid without an entry in passwd, as in containers
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()         # the command may hold brackets and blanks


def _seconds(stat: list[str]) -> float:
    return int(stat[_STAT_STARTED]) / os.sysconf("SC_CLK_TCK")


def _started(pid: int) -> float | None:
    stat = _stat(pid)
    if stat is not None:
        return _seconds(stat)
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _gone(pid: int) -> bool:
    """Check by a signal that the pid does not exist: /proc may hide processes."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


# -- Detect that the kernel killed a process because memory ran out --

GROUPS = Path("/sys/fs/cgroup")


def out_of_memory_kills() -> dict[str, int]:
    """The number of out-of-memory kills in this control group and on the machine."""
    counts = {}
    for place, path, key in [*_group_counters(), ("the machine", Path("/proc/vmstat"), "oom_kill")]:
        with contextlib.suppress(OSError, ValueError):
            counts[place] = _field(path, key)
    return counts


def proof(before: dict[str, int], after: dict[str, int], max_rss_bytes: int | None) -> str | None:
    """One line for people where a counter rose, else None."""
    risen = [place for place, count in after.items() if count > before.get(place, count)]
    if not risen:
        return None
    peak = "" if max_rss_bytes is None else f" (peak RSS {in_bytes(max_rss_bytes)})"
    return f"killed by the kernel: out of memory in {risen[0]}{peak}"


def _group_counters() -> list[tuple[str, Path, str]]:
    """The counter files of this process: of cgroup v2, or of v1's memory controller."""
    found = []
    for line in _lines(Path("/proc/self/cgroup")):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        inside = path.strip().lstrip("/")
        if number == "0":
            found += [("its control group", root / inside / "memory.events", "oom_kill")
                      for root in (GROUPS, GROUPS / "unified")]
        elif "memory" in controllers.split(","):
            found.append(("its control group", GROUPS / "memory" / inside / "memory.oom_control", "oom_kill"))
    return found


def _field(path: Path, key: str) -> int:
    for line in _lines(path):
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    raise ValueError(f"{path} has no line '{key}'")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
