"""F13, F14: workers on three machines, one with a wrong clock, one cut from the network.

The final checks query the store: nothing was lost, nothing was done twice, and other workers lost nothing.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from certificates import self_signed
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.logged import Point
from hyperspace_core.records.run import RunRecord
from hyperspace_core.records.states import Outcome, State
from hyperspace_core.storage import Store
from hyperspace_mongodb.testing import Server
from hyperspace_mongodb.testing.fixtures import VARIABLE, installed
from machines import Machine, Network, NotPermitted, clock_off, network
from pytest_hyperspace.project import ProjectFolder
from support.behaving import FILES, PROJECT, WorkerProcess, alive, began, opened_for_tests, submit, until

HEARTBEAT_S, TTL_S = 0.6, 3.0
RUNS, FEWER = 200, 40
HOUR_S = 3600.0
PATIENCE_S = 90.0
TAG = "MACHINES_TEST"          # in the environment of every process that a test starts on its machines
CUT = "cut-off"

KNOWN = '''
import os
import time
from pathlib import Path

from hyperspace_core.run import Run


def behave(run: Run, how: str, folder: str) -> dict[str, float]:
    """Logs a known sequence; fails where an attempt is executed twice. Waits on the machine to be cut off."""
    with (Path(folder) / f"began-{run.id}-{run.attempt}").open("x") as file:
        file.write(str(os.getpid()))
    step = 0
    while step < 5 + run.id % 7 or waits(Path(folder)):
        run.log_scalar("known", 1000.0 * run.id + step, step)
        step += 1
        time.sleep(0.01)
    return {"result": float(run.attempt), "points": float(step)}


def waits(folder: Path) -> bool:
    return os.uname().nodename == "cut-off" and not (folder / "go").exists()
'''


@dataclass(frozen=True, kw_only=True)
class Site:
    """Three machines with a worker each, and a server that they reach over the network."""

    network: Network
    machines: dict[str, Machine]
    workers: dict[str, WorkerProcess]
    store: Store
    folder: Path               # shared by all machines, for the tests' own files
    tag: str

    def strays(self) -> list[psutil.Process]:
        """Processes that a machine left running, except the workers."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(TAG) == self.tag and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder]) -> ProjectFolder:
    return hyperspace_project(FILES | {"scenarios.py": KNOWN}, name=PROJECT)


@pytest.fixture
def cables() -> Iterator[Network]:
    if os.environ.get(VARIABLE):
        pytest.skip(f"the server must stand on a network of its own: not with one that {VARIABLE} names")
    with contextlib.ExitStack() as stack:
        try:
            made = stack.enter_context(network())
        except NotPermitted as error:
            pytest.skip(str(error))
        yield made


@pytest.fixture
def url(cables: Network, tmp_path: Path) -> Iterator[str]:
    """With TLS, as between any two machines."""
    installed()
    certificate = self_signed(tmp_path / "certificate", cables.address)
    server = Server(tmp_path / "mongodb", "--sync-on-commit", "--tls-cert-file", str(certificate),
                    "--tls-key-file", str(certificate.with_name("key.pem")), host=cables.address).start()
    yield server.url(PROJECT, tlsCAFile=str(certificate))
    server.kill()


@pytest.fixture
def site(url: str, cables: Network, project: ProjectFolder, tmp_path: Path) -> Iterator[Site]:
    tag = uuid.uuid4().hex
    with opened_for_tests(url, HEARTBEAT_S) as store, contextlib.ExitStack() as stack:
        machines = {name: cables.machine(name) for name in ("well", "clock-off", CUT)}
        workers = {}
        for name, machine in machines.items():
            own = {TAG: tag, "XDG_STATE_HOME": str(tmp_path / name)}
            if name == "clock-off":
                own |= clock_off(HOUR_S, tmp_path / "clock")
            workers[name] = WorkerProcess(url, project.env() | own, via=machine.entering)
            stack.callback(workers[name].end)
        yield Site(network=cables, machines=machines, workers=workers, store=store, tag=tag, folder=tmp_path)


def cut_in_the_middle(site: Site) -> tuple[int, int]:
    """The run during which its machine is cut off, and the pid of the process that executes it."""
    run = site.workers[CUT].wait_for("RunStarted")["run"]
    pid = began(site.folder, run)
    until(lambda: len(list(site.store.points(run))) > 5, "the run is in the middle")
    site.network.cut(site.machines[CUT])
    return run, pid


def all_done(site: Site, runs: list[int]) -> None:
    """Wait for the files on disk first, to spare the server."""
    until(lambda: len(list(site.folder.glob("began-*"))) > len(runs), "all runs have begun", PATIENCE_S)
    done = RunFilter(project=PROJECT, states=(State.COMPLETED,))
    until(lambda: site.store.count(done).get(State.COMPLETED) == len(runs), "all runs are done")


def taken_over(site: Site, run: int) -> None:
    """Wait until another machine has taken the run over; the first one's process still runs."""
    until(lambda: (site.folder / f"began-{run}-2").exists(), "another machine takes over", PATIENCE_S)


def stop(site: Site, *names: str) -> None:
    for name in names:
        site.workers[name].signal(signal.SIGINT)
    for name in names:
        site.workers[name].report()


def host(record: RunRecord, attempt: int) -> str:
    worker = record.attempts[attempt - 1].worker
    assert worker is not None
    return worker.host


def known(run: int, points: list[Point]) -> bool:
    """The sequence logged by the scenario, from its first point on: complete, without duplicates."""
    return [(point.seq, point.step, point.value) for point in points] == [
        (seq, seq, 1000.0 * run + seq) for seq in range(len(points))]


def nothing_lost_nothing_twice(site: Site, runs: list[int], interrupted: int | None) -> list[RunRecord]:
    """C1 to C5, and only the interrupted run was taken from its worker."""
    store = site.store
    for name, worker in site.workers.items():                      # shown where a test fails
        print(name, *(line["text"] for line in worker.lines if line["kind"] == "Notice"), sep="\n  ")
    records = [store.get(run) for run in runs]
    assert len({record.uid for record in records}) == len(runs)
    assert sum(store.count(RunFilter(project=PROJECT)).values()) == len(runs)
    for record in records:
        lost = 1 if record.id == interrupted else 0
        outcomes = [each.outcome for each in record.attempts]
        assert (record.id, outcomes) == (record.id, [Outcome.LOST] * lost + [Outcome.COMPLETED])
        assert record.state is State.COMPLETED
        assert (record.losses, record.failures) == (lost, 0)
        assert record.result == len(record.attempts)
        points = list(store.points(record.id))
        assert known(record.id, points) and len(points) == record.metrics["points"]
    begun = {path.name for path in site.folder.glob("began-*")}
    assert begun == {f"began-{record.id}-{each.number}" for record in records for each in record.attempts}
    assert store.held(PROJECT) == []
    assert store.check() == ()
    until(lambda: not site.strays(), f"no process is left: {site.strays()}")
    return records


def clocks(site: Site, records: list[RunRecord]) -> dict[str, list[float]]:
    """By machine: how far its clock was ahead of the store's time at the start of each run."""
    ahead: dict[str, list[float]] = {name: [] for name in site.machines}
    for record in records:
        first = next(iter(site.store.points(record.id)))
        assert record.started_at is not None
        ahead[host(record, len(record.attempts))].append(first.at - record.started_at.timestamp())
    return ahead


@pytest.mark.timeout(240)
def test_f13_f14_a_wrong_clock_and_a_cut_cable_lose_nothing(site: Site) -> None:
    runs = submit(site.store, count=RUNS, config={"folder": str(site.folder)})
    interrupted, pid = cut_in_the_middle(site)
    taken_over(site, interrupted)
    (site.folder / "go").touch()
    until(lambda: not alive(pid), "the run ends where it was cut off, too")
    site.network.mend(site.machines[CUT])
    all_done(site, runs)
    stop(site, *site.machines)

    records = nothing_lost_nothing_twice(site, runs, interrupted)

    late = records[runs.index(interrupted)].attempts[0].late       # what it brought afterwards: a note
    assert late is not None and (late.outcome, late.result) == (Outcome.COMPLETED, 1.0)
    first = list(site.store.points(interrupted, attempt=1))
    assert known(interrupted, first) and len(first) == late.metrics["points"]
    ahead = clocks(site, records)
    assert min(map(len, ahead.values())) >= 5, {name: len(ran) for name, ran in ahead.items()}
    assert all(HOUR_S - 60 < each < HOUR_S + 60 for each in ahead["clock-off"])
    assert all(abs(each) < 60 for name in ("well", CUT) for each in ahead[name])


@pytest.mark.timeout(240)
def test_a_lost_machine_counts_one_loss_and_keeps_its_points(site: Site) -> None:
    runs = submit(site.store, count=FEWER, config={"folder": str(site.folder)})
    interrupted, _ = cut_in_the_middle(site)
    all_done(site, runs)
    site.workers[CUT].signal(signal.SIGKILL)                       # its power is off
    stop(site, "well", "clock-off")

    records = nothing_lost_nothing_twice(site, runs, interrupted)

    assert {host(record, len(record.attempts)) for record in records} == {"well", "clock-off"}
    first = list(site.store.points(interrupted, attempt=1))
    assert known(interrupted, first) and len(first) > 5


def test_a_killed_test_leaves_no_machines(cables: Network) -> None:
    """The kernel removes the cables with their namespace."""
    script = ("import sys, machines\n"
              "with machines.network() as network:\n"
              "    machine = network.machine('one')\n"
              "    print(network.here, machine.pid, flush=True)\n"
              "    sys.stdin.read()\n")
    with subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parent, text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        here, pid = process.stdout.readline().split()
        assert Path("/sys/class/net", here).exists() and alive(int(pid))
        process.kill()
    until(lambda: not Path("/sys/class/net", here).exists(), "the cable is gone")
    until(lambda: not alive(int(pid)), "the machine is gone")
