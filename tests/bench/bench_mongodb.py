"""Claims from MongoDB, compared with bare find_one_and_update; start latency.

It uses the server of the plugin's tests, or that of `HYPERSPACE_TEST_MONGODB=uri`. The ratios matter: the
absolute figures depend on the server. The test server reads every document for each claim, so the bare loop
runs on the store's documents and on small ones.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from claiming import CONFIG, Claim, claiming, claims_per_second, waiting_runs
from tools import show, trivial_project

PROCESSES, RUNS, ROUNDS, STARTS = 4, 200, 2, 20


@contextmanager
def server() -> Iterator[str]:
    """The URI of a test server, or the configured one."""
    from hyperspace_mongodb.testing import Server

    named = os.environ.get("HYPERSPACE_TEST_MONGODB")
    if named:
        yield named
        return
    with tempfile.TemporaryDirectory() as folder:
        running = Server(Path(folder) / "server", "--sync-on-commit").start()
        try:
            yield running.uri
        finally:
            running.kill()


@contextmanager
def database(uri: str) -> Iterator[str]:
    """The URL of a temporary database."""
    from pymongo import MongoClient

    from hyperspace_mongodb.testing.fixtures import with_database

    url = with_database(uri, f"hyperspace_bench_{uuid.uuid4().hex[:8]}")
    # the test server reads all runs for each claim, which under load may exceed the worker's timeout
    yield f"{url}{'&' if '?' in url else '?'}timeoutMS=60000"
    client: MongoClient[dict[str, Any]] = MongoClient(url)
    with client:
        client.drop_database(client.get_default_database())


def bare_runs(url: str) -> Any:
    """A collection with the same durability as the store."""
    from pymongo import MongoClient

    client: MongoClient[dict[str, Any]] = MongoClient(url, w="majority", outbox=True)
    return client.get_default_database()["runs"]


def fill_bare(url: str) -> None:
    runs = bare_runs(url)
    runs.create_index([("state", 1), ("priority", -1), ("_id", 1)])
    runs.insert_many([{"_id": number, "state": "QUEUED", "priority": 0, "attempt": 0, "config": CONFIG}
                      for number in range(RUNS)])


def claim_bare(url: str) -> Claim:
    """Claim from small documents."""
    return bare_loop(url, {"state": "QUEUED"}, "priority", {"state": "RUNNING"})


def claim_same(url: str) -> Claim:
    """Claim from the store's documents by their index, without fence or record."""
    return bare_loop(url, {"hyperspace.project": "bench", "status": "QUEUED"}, "hyperspace.priority",
                     {"status": "RUNNING"})


def bare_loop(url: str, waiting: dict[str, Any], priority: str, taken: dict[str, Any]) -> Claim:
    runs, order = bare_runs(url), [(priority, -1), ("_id", 1)]

    def claim() -> int | None:
        change = {"$set": taken | {"token": uuid.uuid4().hex, "owner": "bench"}, "$inc": {"attempt": 1}}
        found = runs.find_one_and_update(waiting, change, sort=order)
        return None if found is None else int(found["_id"])

    return claim


def fill_store(url: str) -> None:
    from hyperspace_mongodb.store import open_store

    with open_store(url, "bench") as store:
        store.submit(waiting_runs(RUNS))


def claim_store(url: str) -> Claim:
    from hyperspace_mongodb.store import open_store

    return claiming(open_store(url, "bench"))


def rate(uri: str, fill: Callable[[str], None], opened: Callable[[str], Claim]) -> float:
    with database(uri) as url:
        fill(url)
        return claims_per_second(opened, url, processes=PROCESSES, runs=RUNS)


def starts_ms(uri: str) -> list[float]:
    """Milliseconds from submission to start of each run; one worker waits."""
    from hyperspace_core.records.run import NewRun
    from hyperspace_core.records.states import State
    from hyperspace_core.storage import new_token
    from hyperspace_mongodb.store import open_store

    waits = []
    with tempfile.TemporaryDirectory() as folder, database(uri) as url:
        env = trivial_project(Path(folder)) | {"HYPERSPACE_STORAGE": url}
        command = [sys.executable, "-P", "-m", "hyperspace_core", "worker", "--project", "trivial"]
        worker = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
        with open_store(url, "trivial") as store:
            for _ in range(STARTS + 1):
                new = NewRun(uid=new_token(), project="trivial", task="nothing", submitted={})
                run = store.submit([new])[0]
                while (record := store.get(run)).state is not State.COMPLETED:
                    time.sleep(0.01)
                if record.submitted_at is not None and record.started_at is not None:
                    waits.append((record.started_at - record.submitted_at).total_seconds() * 1000)
        worker.terminate()
        worker.wait()
    return waits[1:]               # the first waited for the worker's start


def bare_ms(uri: str) -> list[float]:
    """Milliseconds of an insertion and a bare claim: the minimum for any worker."""
    with database(uri) as url:
        fill_bare(url)
        runs, claim, waits = bare_runs(url), claim_bare(url), []
        runs.delete_many({})
        for number in range(STARTS):
            began = time.perf_counter()
            runs.insert_one({"_id": number, "state": "QUEUED", "priority": 0, "attempt": 0, "config": CONFIG})
            claim()
            waits.append((time.perf_counter() - began) * 1000)
    return waits


def main() -> None:
    with server() as uri:
        rates: dict[str, list[float]] = {"small": [], "same": [], "store": []}
        for _ in range(ROUNDS):        # in turns, so that load on the machine affects all
            rates["small"].append(rate(uri, fill_bare, claim_bare))
            rates["same"].append(rate(uri, fill_store, claim_same))
            rates["store"].append(rate(uri, fill_store, claim_store))
        waits, least = starts_ms(uri), statistics.median(bare_ms(uri))
    small, same, store = (max(found) for found in rates.values())
    median = statistics.median(waits)
    show(f"claims from MongoDB, {PROCESSES} processes, {RUNS} runs, each claimed once, best of {ROUNDS}", [
        ("bare find_one_and_update, small documents", f"{small:8.1f} claims/s"),
        ("bare find_one_and_update, the same documents", f"{same:8.1f} claims/s"),
        ("hyperspace store", f"{store:8.1f} claims/s"),
        ("ratio to the same documents", f"{store / same:8.2f}   (aim: 0.50 or more)"),
        ("ratio to small documents", f"{store / small:8.2f}")])
    show(f"from submission to start, one waiting worker on MongoDB, {STARTS} runs", [
        ("a bare insertion and a bare claim", f"{least:8.1f} ms"),
        ("hyperspace worker", f"{median:8.1f} ms, at most {max(waits):.1f} ms   (aim: under 500)"),
        ("ratio", f"{median / least:8.2f}")])


if __name__ == "__main__":
    os.environ.pop("HYPERSPACE_STORAGE", None)
    main()
