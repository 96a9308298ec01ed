"""Overhead of a run: 200 empty runs, drained by one worker with capture on."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from pathlib import Path

from tools import hyperspace, show, trivial_project

RUNS = 200


def nothing(answer: object) -> None:
    """The work of a process of the bare fork server."""


def bare_fork_server_ms() -> float:
    """Milliseconds per process of Python's fork server, in sequence."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__"])
    started = context.Process(target=nothing, args=(None,))
    started.start()
    started.join()
    began = time.perf_counter()
    for number in range(RUNS):
        process = context.Process(target=nothing, args=(number,))
        process.start()
        process.join()
    return (time.perf_counter() - began) / RUNS * 1000


def hyperspace_ms(isolation: str, runs: int) -> tuple[float, float]:
    """Milliseconds per run, and seconds from the command to the first claim."""
    from hyperspace_core.records.filter import RunFilter
    from hyperspace_core.stores.sqlite import open_store

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = trivial_project(folder)
        numbers = ",".join(map(str, range(runs)))
        hyperspace(env, "submit", "nothing", "--grid", f"number={numbers}")
        began = time.time()
        hyperspace(env, "worker", "--drain", "--isolation", isolation)
        with open_store(env["HYPERSPACE_STORAGE"], "trivial") as store:
            records = list(store.find(RunFilter(project="trivial")))
    sections = {section for record in records for section in record.attempts[-1].provenance}
    states = {record.state.value for record in records}
    if states != {"COMPLETED"} or not {"git", "packages", "host"} <= sections:
        raise SystemExit("not all runs completed with their provenance")
    starts = [record.started_at.timestamp() for record in records if record.started_at]
    ends = [record.finished_at.timestamp() for record in records if record.finished_at]
    return (max(ends) - min(starts)) / runs * 1000, min(starts) - began


def main() -> None:
    bare = bare_fork_server_ms()
    warm, ready = hyperspace_ms("warm", RUNS)
    inline, _ = hyperspace_ms("inline", RUNS)
    spawn, _ = hyperspace_ms("spawn", 20)
    show(f"a run that does nothing, {RUNS} of them, capture on", [
        ("bare fork server (multiprocessing)", f"{bare:8.1f} ms a process"),
        ("hyperspace, warm", f"{warm:8.1f} ms a run   (aim: 15 or less)"),
        ("ratio", f"{warm / bare:8.2f}"),
        ("hyperspace, inline", f"{inline:8.1f} ms a run"),
        ("hyperspace, spawn", f"{spawn:8.1f} ms a run"),
        ("from the command to the first claim", f"{ready * 1000:8.0f} ms"),
    ])


if __name__ == "__main__":
    main()
