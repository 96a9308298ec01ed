"""F6, F9 to F12: a server that is away, silent, lossy, duplicating or slow; real workers.

Each store here uses a proxy; the final checks query the server directly.
"""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymongo.uri_parser import parse_uri

from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.execution.identity import this_process
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store, new_token
from hyperspace_mongodb.testing import Server
from proxy import Proxy
from pytest_hyperspace.project import ProjectFolder
from support.behaving import (
    FILES,
    PROJECT,
    WorkerProcess,
    began,
    in_state,
    opened_for_tests,
    submit,
    until,
    worker_processes,
)

HEARTBEAT_S, TTL_S = 0.5, 2.5
Start = Callable[..., WorkerProcess]

LOGGING = '''
import os
import time
from pathlib import Path
from urllib.parse import urlsplit

from hyperspace_core.run import Run


def behave(run: Run, how: str = "well", folder: str = "") -> int:
    """Logs a point every hundredth of a second until it may end; gives the number of points."""
    (Path(folder) / f"began-{run.id}-{run.attempt}").write_text(str(os.getpid()))
    logged = 0
    while logged == 0 or (how == "wait" and not (Path(folder) / "go").exists()):
        run.log_scalar("loss", float(logged), logged)
        logged += 1
        time.sleep(0.01)
    return logged
'''


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES | {"scenarios.py": LOGGING}, name=PROJECT)


@pytest.fixture
def proxy(mongodb_uri: str) -> Iterator[Proxy]:
    (host, port), *_ = parse_uri(mongodb_uri)["nodelist"]
    with Proxy(host, port, seed=7) as proxy:
        yield proxy


@pytest.fixture
def store(mongodb_url: str) -> Iterator[Store]:
    """The store without the proxy."""
    with opened_for_tests(mongodb_url, HEARTBEAT_S) as store:
        yield store


@pytest.fixture
def through(proxy: Proxy, mongodb_url: str) -> str:
    """The URL through the proxy; without `directConnection` the server would reveal its real address."""
    parts = urlsplit(mongodb_url)
    user, at, _ = parts.netloc.rpartition("@")
    options = "&".join(filter(None, (parts.query, "directConnection=true")))
    return f"mongodb://{user}{at}127.0.0.1:{proxy.port}{parts.path}?{options}"


@pytest.fixture
def start(store: Store, through: str, project: ProjectFolder) -> Iterator[Start]:
    with worker_processes(through, project.env()) as start:
        yield start


def ttls(count: float) -> None:
    end = time.monotonic() + count * TTL_S
    until(lambda: time.monotonic() >= end, f"{count:g} TTLs")


def ended_whole(store: Store, run: int) -> None:
    """The run was executed once, by its first worker, with every logged point."""
    record = in_state(store, run, State.COMPLETED)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.COMPLETED], record.attempts
    assert record.losses == 0
    assert [point.seq for point in store.points(run)] == list(range(int(record.result or 0)))


def test_f6_a_server_away_for_five_ttls_loses_nothing(store: Store, start: Start, proxy: Proxy,
                                                      tmp_path: Path) -> None:
    workers = [start(), start()]
    runs = submit(store, "wait", 2, config={"folder": str(tmp_path)})
    pids = [began(tmp_path, run) for run in runs]
    proxy.refuse()
    ttls(5)
    assert [began(tmp_path, run) for run in runs] == pids          # and no second attempt has begun
    proxy.open()
    ttls(1)                                                        # long enough for a reap
    (tmp_path / "go").touch()
    for run in runs:
        ended_whole(store, run)
    for worker in workers:
        worker.signal(signal.SIGINT)
        worker.report()


def test_f7_what_ended_while_the_server_was_away_is_delivered(store: Store, start: Start, proxy: Proxy,
                                                              tmp_path: Path) -> None:
    worker = start()
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    pid = began(tmp_path, run)
    proxy.refuse()
    (tmp_path / "go").touch()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the run has ended")
    ttls(1)
    assert store.get(run).state is State.RUNNING
    proxy.open()
    ended_whole(store, run)
    worker.signal(signal.SIGINT)
    worker.report()


def test_f9_no_verb_waits_forever_for_a_silent_server(store: Store, through: str, proxy: Proxy) -> None:
    run, = submit(store)
    with open_store(through, build_manager(), PROJECT) as distant:
        claim = distant.claim(PROJECT, this_process("me"), new_token(), only=[run])
        assert claim is not None
        proxy.fall_silent()
        for verb in (lambda: distant.beat(claim.lease), lambda: distant.get(run), lambda: submit(distant)):
            with pytest.raises(StoreUnavailable):
                verb()
        proxy.speak()
        beats = []

        def heard() -> bool:
            with contextlib.suppress(StoreUnavailable):            # until it has noticed
                beats.append(distant.beat(claim.lease))
            return bool(beats)

        until(heard, "a beat that comes through")
        assert beats[0].held


def test_f9_a_worker_stops_despite_a_silent_server(store: Store, start: Start, proxy: Proxy,
                                                   tmp_path: Path) -> None:
    worker = start(grace_s=2.0)
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    pid = began(tmp_path, run)
    proxy.fall_silent()
    worker.wait_for("Notice")
    worker.signal(signal.SIGTERM)
    worker.report()
    assert not Path(f"/proc/{pid}").exists()
    assert store.get(run).state is State.RUNNING                   # its lease expires
    proxy.speak()
    start()
    began(tmp_path, run, attempt=2)
    (tmp_path / "go").touch()
    record = in_state(store, run, State.COMPLETED)
    assert [attempt.outcome for attempt in record.attempts] == [Outcome.LOST, Outcome.COMPLETED]


def test_f9_a_paused_server_is_no_reason_to_reap(own_mongodb_server: Server, project: ProjectFolder,
                                                 tmp_path: Path) -> None:
    url = own_mongodb_server.url("paused")
    with opened_for_tests(url, HEARTBEAT_S) as store, worker_processes(url, project.env()) as start:
        start(), start()
        run, = submit(store, "wait", config={"folder": str(tmp_path)})
        began(tmp_path, run)
        own_mongodb_server.pause()
        ttls(3)
        own_mongodb_server.resume()
        ttls(1)
        (tmp_path / "go").touch()
        ended_whole(store, run)


def test_a_killed_server_loses_no_confirmed_write(
        own_mongodb_server: Server, project: ProjectFolder, tmp_path: Path) -> None:
    url = own_mongodb_server.url("killed")
    with opened_for_tests(url, HEARTBEAT_S) as store, worker_processes(url, project.env()) as start:
        start()
        run, = submit(store, "wait", config={"folder": str(tmp_path)})
        began(tmp_path, run)
        queued = submit(store, "well", 5, config={"folder": str(tmp_path)})
        own_mongodb_server.kill()
        ttls(1)
        own_mongodb_server.start()
        (tmp_path / "go").touch()
        for each in (run, *queued):
            ended_whole(store, each)


@pytest.mark.parametrize("fault", ["answers are lost", "each write is delivered twice"])
def test_f10_f11_every_run_is_claimed_once_and_ends_once(store: Store, start: Start, proxy: Proxy,
                                                         tmp_path: Path, fault: str) -> None:
    store.change_settings(PROJECT, heartbeat_s=2.0, ttl_s=10.0)    # timing is not tested here
    runs = submit(store, "well", 30, config={"folder": str(tmp_path)})
    if fault == "answers are lost":
        proxy.lost_share = 0.05
    else:
        proxy.twice = True
    workers = [start(drain=True), start(drain=True)]
    reports = [worker.report()["states"] for worker in workers]
    assert proxy.lost + proxy.doubled > 5
    for run in runs:
        ended_whole(store, run)
    assert sorted(int(run) for report in reports for run in report) == sorted(runs)
    assert len(list(tmp_path.glob("began-*"))) == len(runs)


def test_f12_a_slow_server_is_no_reason_to_reap(store: Store, through: str, project: ProjectFolder,
                                                proxy: Proxy, tmp_path: Path) -> None:
    with worker_processes(f"{through}&timeoutMS={round(1000 * TTL_S / 2)}", project.env()) as start:
        start(), start()
        # up to twice the heartbeat for query and answer together, and less than half a TTL
        proxy.delay_s = (0.0, HEARTBEAT_S)
        run, = submit(store, "wait", config={"folder": str(tmp_path)})
        pid = began(tmp_path, run)
        ttls(5)
        (tmp_path / "go").touch()
        ended_whole(store, run)
        assert began(tmp_path, run) == pid
