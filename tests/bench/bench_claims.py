"""Claims a second from one SQLite file, by 8 processes, beside a bare UPDATE … RETURNING loop."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools import show

PROCESSES, RUNS, ROUNDS = 8, 2000, 3
Opened = Callable[[Path], Callable[[], int | None]]       # a store at a path -> its claim
CONFIG = {"classifier": {"className": "Forest", "trees": 100, "max_depth": None},
          "scaler": {"className": "Standard", "with_std": True}}

# the same promises to the disk as the store makes
BARE = """
PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=30000;
"""
TABLE = """
CREATE TABLE runs(id INTEGER PRIMARY KEY AUTOINCREMENT, state TEXT NOT NULL,
  priority INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0, token TEXT, owner TEXT,
  config TEXT NOT NULL) STRICT;
CREATE INDEX claims ON runs(state, priority DESC, id);
"""
CLAIM = """
UPDATE runs SET state='RUNNING', attempt=attempt+1, token=?, owner=?
 WHERE id=(SELECT id FROM runs WHERE state='QUEUED' ORDER BY priority DESC, id LIMIT 1)
RETURNING id, attempt, config
"""


def fill_bare(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(BARE + TABLE)
        configs = [(repr(CONFIG),)] * RUNS
        connection.executemany("INSERT INTO runs(state, config) VALUES('QUEUED', ?)", configs)


def claim_bare(path: Path) -> Callable[[], int | None]:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.executescript(BARE)

    def claim() -> int | None:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(CLAIM, (uuid.uuid4().hex, "bench")).fetchall()
        connection.execute("COMMIT")
        return int(rows[0][0]) if rows else None

    return claim


def fill_store(path: Path) -> None:
    from hyperspace_core.records.run import NewRun
    from hyperspace_core.stores.sqlite import open_store

    with open_store(f"sqlite:///{path}", "bench") as store:
        store.submit([
            NewRun(uid=uuid.uuid4().hex, project="bench", task="holdout", submitted=CONFIG, config=CONFIG,
                   scenario={"className": "Holdout"}, seed=0)
            for _ in range(RUNS)
        ])


def claim_store(path: Path) -> Callable[[], int | None]:
    from hyperspace_core.execution.identity import this_process, worker_name
    from hyperspace_core.storage import new_token
    from hyperspace_core.stores.sqlite import open_store

    store, owner = open_store(f"sqlite:///{path}", "bench"), this_process(worker_name())

    def claim() -> int | None:
        taken = store.claim("bench", owner, new_token())
        return None if taken is None else taken.record.id

    return claim


def claimer(opened: Opened, path: Path, start: Any, answers: Any) -> None:
    """One process: claim until nothing is left."""
    taken: list[int] = []
    try:
        claim = opened(path)
        start.wait()
        while (number := claim()) is not None:
            taken.append(number)
        answers.put((taken, "", time.monotonic()))
    except Exception as error:
        answers.put((taken, f"{type(error).__name__}: {error}", time.monotonic()))


def claims_per_second(fill: Callable[[Path], None], opened: Opened) -> float:
    """From the moment that all processes are ready to the moment that the last one finds nothing."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        fill(path)
        start, answers = context.Barrier(PROCESSES + 1), context.Queue()
        arguments = (opened, path, start, answers)
        processes = [context.Process(target=claimer, args=arguments) for _ in range(PROCESSES)]
        for process in processes:
            process.start()
        start.wait()
        began = time.monotonic()
        results = [answers.get() for _ in processes]
        for process in processes:
            process.join()
    errors = [error for _, error, _ in results if error]
    counts = Counter(number for taken, _, _ in results for number in taken)
    if errors or len(counts) != RUNS or set(counts.values()) != {1}:
        raise SystemExit(f"not every run was claimed once: {len(counts)} of {RUNS}, {errors}")
    last: float = max(ended for _, _, ended in results)
    return RUNS / (last - began)


def main() -> None:
    rates: dict[str, list[float]] = {"bare": [], "store": []}
    for _ in range(ROUNDS):            # in turns, so that a slow moment of the machine meets both
        rates["bare"].append(claims_per_second(fill_bare, claim_bare))
        rates["store"].append(claims_per_second(fill_store, claim_store))
    bare, store = max(rates["bare"]), max(rates["store"])
    show(f"claims from one SQLite file, {PROCESSES} processes, {RUNS} runs, best of {ROUNDS}", [
        ("bare UPDATE … RETURNING", f"{bare:8.0f} claims/s"),
        ("hyperspace store", f"{store:8.0f} claims/s"),
        ("ratio", f"{store / bare:8.2f}   (aim: 0.50 or more)"),
    ])


if __name__ == "__main__":
    os.environ.pop("HYPERSPACE_STORAGE", None)
    main()
