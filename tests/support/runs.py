"""Good and failing runs: the source of the module `lab.runs` in the tests."""

import asyncio
import atexit
import contextlib
import ctypes
import json
import locale
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from multiprocessing import shared_memory
from pathlib import Path

from hyperspace_core.run import Run

VERSION = 1


def good(run: Run, value: float = 1.0) -> float:
    run.log_scalar("value", value, 0)
    return value


def odd_numbers(run: Run) -> float:
    for value in (math.nan, math.inf, -math.inf, -0.0):
        run.log_scalar("odd", value)
    return math.nan


def everything(run: Run) -> dict:
    run.progress(1, 4, "first fold")
    run.info["folds"] = [1, 2]
    run.info["folds"].append(3)
    run.log_artifact(b"weights", "model.bin")
    return {"result": 0.5, "loss": 2}


def version(run: Run) -> float:
    return VERSION


def dies(run: Run, how: str = "segfault") -> float:
    for step in range(1000):
        run.log_scalar("step", step, step)
    print("last words", flush=True)
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit 0":
        os._exit(0)
    elif how == "exit 3":
        os._exit(3)
    elif how == "abort":
        os.abort()
    elif how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif how == "guardian":
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait()
    return 0.0


def raises(run: Run, what: str = "ValueError") -> float:
    if what == "SystemExit":
        sys.exit(3)
    if what == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if what == "GeneratorExit":
        raise GeneratorExit
    raise ValueError("too high")


async def later(run: Run) -> float:
    await asyncio.sleep(0)
    return 1.0


def prints(run: Run, count: int = 1, size: int = 10) -> float:
    for _ in range(count):
        sys.stdout.write("x" * size + "\n")
    return 1.0


def prints_bytes(run: Run) -> float:
    os.write(1, b"\xff\xfe no newline")
    return 1.0


def prints_in_c(run: Run) -> float:
    libc = ctypes.CDLL(None)
    libc.puts(b"from C")
    libc.printf(b"held back by C")
    print("from Python \u00e9", file=sys.stderr)
    return 1.0


def waits(run: Run, how: str = "idle") -> float:
    if how == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if how == "polite":
        run.should_stop()
    print("waiting", flush=True)
    if how == "polite":
        while not run.should_stop():
            signal.sigtimedwait((), 0.01)
        return 7.0
    while True:
        signal.sigtimedwait((), 0.05)


def vandal(run: Run) -> float:
    os.chdir("/")
    locale.setlocale(locale.LC_ALL, "C")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.close()
    sys.stderr = None
    os.close(0)
    os.close(1)
    os.close(2)
    os.environ.clear()
    sys.path[:] = []
    threading.Thread(target=threading.Event().wait, daemon=False).start()
    return 3.0


def forks(run: Run) -> float:
    pid = os.fork()
    if pid == 0:
        run.log_scalar("copy", 1.0)
        return 5.0
    return 2.0 if os.waitpid(pid, 0)[1] == 0 else -1.0


def ends_its_fork(run: Run) -> float:
    run.should_stop()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, b"x")
        threading.Event().wait()
    os.read(reader, 1)
    os.kill(pid, signal.SIGTERM)
    return float(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def leaves_daemon(run: Run, then: str = "return") -> float:
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.setsid()
        pid = os.fork()
        if pid:
            os.write(writer, str(pid).encode())
            os._exit(0)
        os.close(writer)
        os.execvp("sleep", ["sleep", "1000"])
    os.close(writer)
    helper = subprocess.Popen(["sleep", "1000"])
    print(json.dumps([int(os.read(reader, 100)), helper.pid]), flush=True)
    if then == "wait":
        threading.Event().wait()
    return 1.0


def shares_memory(run: Run) -> float:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        total = pool.apply(sum, ([1, 2],))
    block = shared_memory.SharedMemory(create=True, size=10_000)
    print(block.name, flush=True)
    return float(total)


def at_exit(run: Run) -> float:
    atexit.register(print, "cleaned up")
    return 1.0


def surroundings(run: Run) -> float:
    opened = {}
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):                      # the listing's own descriptor
            opened[entry.name] = str(entry.readlink())
    print(json.dumps({
        "environment": dict(os.environ), "started_with": Path("/proc/self/environ").read_text(),
        "cwd": str(Path.cwd()), "path": sys.path, "open": opened, "leads": os.getsid(0) == os.getpid(),
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
    }))
    return 1.0


def echo(run: Run, text: str = "") -> float:
    return float(len(text))


ALL = [good, odd_numbers, everything, version, dies, raises, later, prints, prints_bytes, prints_in_c, waits,
       vandal, forks, ends_its_fork, leaves_daemon, shares_memory, at_exit, surroundings, echo]
