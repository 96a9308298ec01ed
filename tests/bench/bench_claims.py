"""Claims a second from one SQLite file, compared with bare UPDATEs."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path

from claiming import CONFIG, Claim, claiming, claims_per_second, waiting_runs
from tools import show

PROCESSES, RUNS, ROUNDS = 8, 2000, 3

# the same durability as the store
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


def claim_bare(path: Path) -> Claim:
    connection = sqlite3.connect(path, isolation_level=None, timeout=30)
    connection.executescript(BARE)

    def claim() -> int | None:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(CLAIM, (uuid.uuid4().hex, "bench")).fetchall()
        connection.execute("COMMIT")
        return int(rows[0][0]) if rows else None

    return claim


def fill_store(path: Path) -> None:
    from hyperspace_core.stores.sqlite import open_store

    with open_store(f"sqlite:///{path}", "bench") as store:
        store.submit(waiting_runs(RUNS))


def claim_store(path: Path) -> Claim:
    from hyperspace_core.stores.sqlite import open_store

    return claiming(open_store(f"sqlite:///{path}", "bench"))


def rate(fill: Callable[[Path], None], opened: Callable[[Path], Claim]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        fill(path)
        return claims_per_second(opened, path, processes=PROCESSES, runs=RUNS)


def main() -> None:
    rates: dict[str, list[float]] = {"bare": [], "store": []}
    for _ in range(ROUNDS):            # in turns, so that load on the machine affects both
        rates["bare"].append(rate(fill_bare, claim_bare))
        rates["store"].append(rate(fill_store, claim_store))
    bare, store = max(rates["bare"]), max(rates["store"])
    show(f"claims from one SQLite file, {PROCESSES} processes, {RUNS} runs, best of {ROUNDS}", [
        ("bare UPDATE … RETURNING", f"{bare:8.0f} claims/s"),
        ("hyperspace store", f"{store:8.0f} claims/s"),
        ("ratio", f"{store / bare:8.2f}   (aim: 0.50 or more)"),
    ])


if __name__ == "__main__":
    os.environ.pop("HYPERSPACE_STORAGE", None)
    main()
