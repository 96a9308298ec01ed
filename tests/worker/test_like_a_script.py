"""A run behaves as the same lines do in a script: streams, exit, native threads, files of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core import RunRecord, Study
from hyperspace_core.worker.events import Notice
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker
from pytest_hyperspace.project import ProjectFolder

NAME = "script"
REGISTERING = """
    from hyperspace_core import hookimpl
    from {name}.tasks import ALL

    @hookimpl
    def hyperspace_register(register):
        for one in ALL:
            register.scenario(one)
    """
STREAMS = '''
    import io, os, sys

    def reconfigure():
        sys.stdout.reconfigure(encoding="utf-8", line_buffering=False)
        sys.stderr.reconfigure(errors="replace")

    def wrap():
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8")

    def write_through():
        sys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=True)

    def detach():
        sys.stdout = io.TextIOWrapper(sys.stdout.detach(), encoding="utf-8")

    def fdopen():
        sys.stdout = os.fdopen(sys.stdout.fileno(), "w", 1, closefd=False)

    def raw():
        sys.stdout.buffer.write(b"raw ")
        sys.stdout.buffer.flush()

    def seek():
        assert sys.stdout.writable() and not sys.stdout.isatty()

    def close_errors():
        sys.stderr.close()

    CASES = {one.__name__: one for one in (reconfigure, wrap, write_through, detach, fdopen, raw, seek,
                                           close_errors)}

    def streams(case: str) -> float:
        CASES[case]()
        print("gr\\u00fcn")
        return 1.0

    def closes_output() -> float:
        print("before")
        sys.stdout.close()
        return 1.0

    ALL = [streams, closes_output]
    '''
EXITS = '''
    import atexit, os, threading
    from pathlib import Path

    def ends(file: str) -> float:
        """Write what happens in which order: the exit hooks of `threading` come before those of `atexit`."""
        def add(word):
            with open(file, "a") as out:
                out.write(word + " ")

        go = threading.Event()
        threading.Thread(target=lambda: (go.wait(), add("thread"))).start()
        threading._register_atexit(lambda: (add("threading"), go.set()))
        atexit.register(add, "atexit")
        return 1.0

    ALL = [ends]
    '''
FOLDERS = '''
    import os
    from pathlib import Path
    from hyperspace_core import Run

    def where(run: Run) -> dict[str, float]:
        """1 for the run's folder, 2 for another one."""
        return {"result": 1.0 if Path.cwd().samefile(run.workdir) else 2.0,
                "data": float(run.path("data/x.txt").read_text())}

    def own(run: Run, k: int) -> float:
        assert os.listdir() == []
        Path("model.txt").write_text(str(k))
        Path("kept.txt").write_text("an artifact")
        run.log_artifact("kept.txt")
        return float(Path("model.txt").read_text())

    def reads(file: str) -> float:
        return float(open(file).read())

    def wraps_the_error() -> float:
        try:
            return reads("data/x.txt")
        except OSError as error:
            raise RuntimeError("no data") from error

    def child_sees_the_project() -> float:
        import subprocess, sys
        return float(subprocess.check_output([sys.executable, "-c", "import there; print(there.VALUE)"]))

    ALL = [where, own, reads, wraps_the_error, child_sees_the_project]
    '''
ISOLATIONS = ("warm", "spawn", "inline")


@pytest.fixture
def project(hyperspace_project: Callable[..., ProjectFolder], request: pytest.FixtureRequest,
            tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    files = {"hyperspace.py": REGISTERING.format(name=NAME), "tasks.py": request.param}
    made = hyperspace_project(files, name=NAME)
    (tmp_path / "here/data").mkdir(parents=True)
    (tmp_path / "here/data/x.txt").write_text("7")
    monkeypatch.chdir(tmp_path / "here")
    return made


class Ran:
    """The records of a drained queue, and what its worker said."""

    def __init__(self, records: list[RunRecord], notices: list[str]) -> None:
        self.records, self.notices = records, notices


def drain(study: Study, **options: Any) -> Ran:
    notices: list[str] = []

    def hear(event: Any) -> None:
        if isinstance(event, Notice):
            notices.append(event.text)

    report = Worker(study.store, NAME, study.extensions, WorkerOptions(drain=True, echo=False, **options),
                    on_event=hear).run()
    return Ran([study.get(ended.run) for ended in sorted(report.ended, key=lambda one: one.run)], notices)


def printed(study: Study, record: RunRecord) -> str:
    return "".join(chunk.text for chunk in study.store.output(record.id))


@pytest.mark.parametrize("project", [STREAMS], indirect=True)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_streams_can_be_changed_as_in_a_script(study: Study, isolation: str) -> None:
    cases = ["reconfigure", "wrap", "write_through", "detach", "raw", "seek", "close_errors"]
    cases += [] if isolation == "inline" else ["fdopen"]       # the descriptor is the worker's there
    for case in cases:
        study.submit("streams", {"case": case})
    study.submit("closes_output")

    ran = drain(study, isolation=isolation)

    assert [record.reason for record in ran.records if record.state != "COMPLETED"] == []
    for record, case in zip(ran.records, cases, strict=False):
        assert printed(study, record).endswith("grün\n"), case
    assert printed(study, ran.records[-1]) == "before\n"


@pytest.mark.parametrize("project", [EXITS], indirect=True)
@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_a_run_ends_in_the_order_of_an_interpreter(study: Study, isolation: str, tmp_path: Path) -> None:
    told = tmp_path / "order"
    study.submit("ends", {"file": str(told)})

    drain(study, isolation=isolation)

    assert told.read_text().split() == ["threading", "thread", "atexit"]


@pytest.mark.parametrize("project", [FOLDERS], indirect=True)
@pytest.mark.parametrize(("isolation", "folder"), [("warm", 1.0), ("spawn", 1.0), ("inline", 2.0)])
def test_a_run_of_a_worker_has_its_own_folder(study: Study, isolation: str, folder: float) -> None:
    study.submit("where")

    (record,) = drain(study, isolation=isolation).records

    assert dict(record.metrics) == {"result": folder, "data": 7.0}


@pytest.mark.parametrize("project", [FOLDERS], indirect=True)
@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_runs_side_by_side_share_no_relative_file(study: Study, isolation: str, tmp_path: Path) -> None:
    for k in range(4):
        study.submit("own", {"k": k})

    ran = drain(study, isolation=isolation, slots=2)

    assert sorted(record.result or 0 for record in ran.records) == [0, 1, 2, 3]
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["data"]
    line = "hyperspace: removed with the run's folder: model.txt; run.log_artifact(path) keeps a file"
    assert [printed(study, record) for record in ran.records] == [f"{line}\n"] * 4


@pytest.mark.parametrize("project", [FOLDERS], indirect=True)
@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_a_missing_relative_file_names_both_folders(study: Study, isolation: str, tmp_path: Path) -> None:
    study.submit("reads", {"file": "data/x.txt"})
    study.submit("wraps_the_error")
    study.submit("reads", {"file": "nowhere.txt"})

    first, second, third = drain(study, isolation=isolation).records

    cure = f"write run.path('data/x.txt') for {tmp_path / 'here/data/x.txt'}"
    for record in (first, second):
        assert record.state == "FAILED" and record.reason is not None
        assert "'data/x.txt' is not in the run's own folder, " in record.reason
        assert record.reason.endswith(cure)
    assert third.reason is not None and third.reason.endswith("'nowhere.txt'")


@pytest.mark.parametrize("project", [FOLDERS], indirect=True)
def test_a_relative_python_path_stays_valid(study: Study, tmp_path: Path,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here/lib").mkdir()
    (tmp_path / "here/lib/there.py").write_text("VALUE = 3\n")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [before, "lib"])))
    study.submit("child_sees_the_project")

    (record,) = drain(study).records

    assert record.result == 3, record.reason


NATIVE = '''
    import ctypes, ctypes.util

    # a thread that Python does not know, as a library starts one at its import
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    forever = ctypes.cast(library.pause, ctypes.c_void_p)
    thread = ctypes.c_ulong()
    assert library.pthread_create(ctypes.byref(thread), None, forever, None) == 0

    def go() -> float:
        return 1.0

    ALL = [go]
    '''


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux lists the threads of a process")
@pytest.mark.parametrize("project", [NATIVE], indirect=True)
def test_native_threads_of_an_import_make_runs_spawn(study: Study) -> None:
    study.submit("go")

    ran = drain(study)

    assert [record.state for record in ran.records] == ["COMPLETED"]
    said = [text for text in ran.notices if "native thread" in text]
    assert len(said) == 1 and said[0].endswith("; each run starts a new interpreter")


def test_threads_that_end_before_a_fork_are_no_reason() -> None:
    """OpenBLAS has a pool from its import on, and ends it before each fork."""
    pytest.importorskip("numpy")

    assert printed_by("import numpy", OPENBLAS_NUM_THREADS="4") == "[]\n"


def test_a_process_with_one_thread_does_not_fork_to_look() -> None:
    assert printed_by("import os; os.fork = None") == "[]\n"


def printed_by(before: str, **environment: str) -> str:
    lines = f"{before}; from hyperspace_core.execution.code import native_threads; print(native_threads())"
    return subprocess.run([sys.executable, "-c", lines], text=True, capture_output=True, check=True,
                          env={**os.environ, **environment}).stdout
