"""Latency from submission to start, compared with polling a SQLite file."""

from __future__ import annotations

import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tools import show, trivial_project

RUNS, LOOK_S = 30, 0.02        # the loop polls as often as the store


def hyperspace_ms(folder: Path) -> list[float]:
    """Milliseconds from submission to start of each run, by its record."""
    from hyperspace_core.records.run import NewRun
    from hyperspace_core.records.states import State
    from hyperspace_core.storage import new_token
    from hyperspace_core.stores.sqlite import open_store

    env = trivial_project(folder)
    command = [sys.executable, "-P", "-m", "hyperspace_core", "worker", "--project", "trivial"]
    worker = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    waits = []
    with open_store(env["HYPERSPACE_STORAGE"], "trivial") as store:
        for _ in range(RUNS + 1):
            run = store.submit([NewRun(uid=new_token(), project="trivial", task="nothing", submitted={})])[0]
            while (record := store.get(run)).state is not State.COMPLETED:
                time.sleep(0.005)
            if record.submitted_at is not None and record.started_at is not None:
                waits.append((record.started_at - record.submitted_at).total_seconds() * 1000)
    worker.terminate()
    worker.wait()
    return waits[1:]               # the first waited for the worker's start


def bare_ms(folder: Path) -> list[float]:
    """Milliseconds until another thread sees an inserted row."""
    path = folder / "bare.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode=WAL; CREATE TABLE runs(id INTEGER PRIMARY KEY)")
    seen: list[float] = []

    def look() -> None:
        reader = sqlite3.connect(path, isolation_level=None)
        while len(seen) < RUNS:
            if reader.execute("SELECT count(*) FROM runs").fetchone()[0] > len(seen):
                seen.append(time.perf_counter())
            time.sleep(LOOK_S)

    watcher = threading.Thread(target=look)
    watcher.start()
    writer = sqlite3.connect(path, isolation_level=None)
    waits = []
    for number in range(RUNS):
        began = time.perf_counter()
        writer.execute("INSERT INTO runs DEFAULT VALUES")
        while len(seen) <= number:
            time.sleep(0.001)
        waits.append((seen[number] - began) * 1000)
    watcher.join()
    return waits


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours, bare = hyperspace_ms(Path(folder)), bare_ms(Path(folder))
    median, least = statistics.median(ours), statistics.median(bare)
    show(f"from submission to start, one waiting worker, {RUNS} runs", [
        (f"a bare loop that polls every {LOOK_S * 1000:.0f} ms", f"{least:8.1f} ms"),
        ("hyperspace worker", f"{median:8.1f} ms, at most {max(ours):.1f} ms   (aim: under 200)"),
        ("ratio", f"{median / least:8.2f}"),
    ])


if __name__ == "__main__":
    main()
