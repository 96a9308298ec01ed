"""S19, S22, S27, S28: the password of the store never appears, in any command or failure."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from traceback import TracebackException
from typing import Any
from urllib.parse import quote

import click
import psutil
import pytest
from pymongo import MongoClient

from hyperspace_core.cli.main import build_cli, run as run_command
from hyperspace_core.errors import StoreUnavailable
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store, resolve_url
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_mongodb.testing import Server
from hyperspace_mongodb.testing.fixtures import installed
from pytest_hyperspace.project import ProjectFolder
from support.behaving import PROJECT, began, in_state, submit, until

CANARY = f"S3cr3t-{secrets.token_hex(6)}"         # in no file of the checkout, which runs may record
PASSWORD = f"{CANARY}/@:% ü"
SHOWN = "ann:***@127.0.0.1"
COMMAND = [sys.executable, "-P", "-m", "hyperspace_core"]
TASK = "behave"
# the values of arguments; the others are run ids
ARGUMENTS = {"task": TASK, "text": "a note", "number": "3", "name": "Thing", "src": "", "dst": ""}
MORE = {
    ("submit",): ["--set", "how=environment"], ("worker",): ["--drain"], ("new",): ["--dry-run"],
    ("runs", "tag"): ["--add", "seen"], ("runs", "delete"): ["--dry-run"], ("store", "gc"): ["--dry-run"],
}


def commands() -> list[tuple[tuple[str, ...], list[str]]]:
    """Every command, with arguments that make it work."""

    def leaves(command: click.Command, context: click.Context, path: tuple[str, ...]) -> Iterator[
            tuple[tuple[str, ...], click.Command]]:
        if not isinstance(command, click.Group):
            yield path, command
            return
        for name in command.list_commands(context):
            one = command.get_command(context, name)
            assert one is not None
            yield from leaves(one, click.Context(one, parent=context, info_name=name), (*path, name))

    cli = build_cli()
    found = []
    for path, command in leaves(cli, click.Context(cli), ()):
        if path == ("store", "copy"):      # takes two addresses; below
            continue
        names = [one.name or "" for one in command.params if isinstance(one, click.Argument)]
        found.append((path, [*path, *(ARGUMENTS.get(name, "1") for name in names), *MORE.get(path, [])]))
    # one that makes the first run, and one that executes it
    return sorted(found, key=lambda one: (one[0] != ("submit",), one[0] != ("worker",)))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that requires a password; user ann may use only the database "behaving"."""
    installed()
    server = Server(tmp_path_factory.mktemp("guarded"), "--sync-on-commit").start()
    server.add_user("ann", PASSWORD, {"role": "readWrite", "db": PROJECT})
    server.add_user("root", "root")
    server.restart("--auth", "--sync-on-commit")
    yield server
    server.kill()


@pytest.fixture
def url(guarded: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    address = guarded.url(PROJECT, "ann", PASSWORD, timeoutMS="8000")
    assert PASSWORD not in address and CANARY in address           # percent-encoded
    monkeypatch.setenv("HYPERSPACE_STORAGE", address)
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)
    return address


@pytest.fixture
def store(url: str, project: ProjectFolder) -> Iterator[Store]:
    with open_store(url, build_manager(), PROJECT) as store:
        yield store


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def clean(self) -> str:
        """All texts so far, checked to be without the password."""
        said = self.out + self.err
        assert CANARY not in said, said
        return said


Typed = Callable[..., Answer]


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str]) -> Typed:
    """Run a command in this process; its whole output."""

    def one(*words: str) -> Answer:
        capfd.readouterr()
        code = run_command(words)
        return Answer(code, *capfd.readouterr())

    return one


# arguments beside a run id: another run, a hyper-parameter, a kind of plot, a metric
MISUSED = {("compare",), ("effects",), ("plot",), ("rescore",)}


def test_no_command_shows_or_stores_the_password(
        url: str, project: ProjectFolder, guarded: Server, typed: Typed, own_folders: Path, tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)            # a run is exported to its own folder
    for path, words in commands():
        answer = typed(*words)
        assert answer.code == 2 if path in MISUSED else answer.code in (0, 1, 3, 5, 6), (path, answer)
        assert "Traceback" not in answer.clean, path
        assert "this is a bug" not in answer.err, path
    with MongoClient(guarded.url("admin", "root", "root")) as client:
        whole = {name: [repr(one) for one in client[PROJECT][name].find()]
                 for name in client[PROJECT].list_collection_names()}
    assert any("how" in one for one in whole["runs"])              # something was stored
    assert CANARY not in repr(whole)
    assert traces_in(own_folders) == traces_in(tmp_path) == []


def traces_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def test_a_copy_of_the_store_has_no_password(url: str, store: Store, typed: Typed, tmp_path: Path) -> None:
    submit(store, "environment")
    file = tmp_path / "url"
    file.touch(mode=0o600)
    file.write_text(url)

    answer = typed("store", "copy", f"@{file}", f"sqlite:///{tmp_path}/copy.db", "--project", PROJECT)

    assert answer.code == 0, answer
    assert "warning: a password" not in answer.clean
    file.unlink()
    assert (tmp_path / "copy.db").exists()
    assert traces_in(tmp_path) == []


def test_the_address_is_shown_without_the_password(url: str, store: Store, typed: Typed) -> None:
    submit(store)
    assert SHOWN in typed("store", "info").clean
    assert SHOWN in typed("doctor").clean
    assert SHOWN in repr(store)
    assert CANARY not in repr(store) + repr(store.info())


FAILURES: dict[str, dict[str, Any]] = {
    "wrong password": {"password": f"{CANARY}-but-wrong"},
    "no such user": {"user": "bob"},
    "no rights": {"database": "elsewhere"},
    "nothing listens": {"port": 1},
    "no such host": {"host": "nowhere.invalid"},
    "no TLS there": {"options": {"tls": "true"}},
    "no such certificate": {"options": {"tls": "true", "tlsCAFile": "/nowhere.pem"}},
    "no such option": {"options": {"conect": "true"}},
    "a wrong value": {"options": {"maxPoolSize": "many"}},
    "no such mechanism": {"options": {"authMechanism": "GUESSING"}},
    "a secret option": {"options": {"tlsCertificateKeyFilePassword": CANARY, "tlsCertificateKeyFile": "/x"}},
    "a port beyond": {"port": 99999},
    "a space": {"host": "a b"},
    "no host": {"host": "", "port": None},
}


def failing(server: Server, *, user: str = "ann", password: str = PASSWORD, host: str = "127.0.0.1",
            port: int | None = 0, database: str = PROJECT, options: dict[str, str] | None = None) -> str:
    where = host if port is None else f"{host}:{port or server.port}"
    asked = "".join(f"&{name}={value}" for name, value in (options or {}).items())
    return (f"mongodb://{user}:{quote(password, safe='')}@{where}/{database}?authSource=admin&timeoutMS=3000"
            f"{asked}")


UNESCAPED = [f"mongodb://ann:{CANARY}@x@127.0.0.1/{PROJECT}", f"mongodb://ann:{CANARY}/x@127.0.0.1/{PROJECT}",
             f"mongodb://ann:x?{CANARY}@127.0.0.1/{PROJECT}", f"ann:{CANARY}@127.0.0.1:1"]


@pytest.mark.parametrize(("failure", "words"), [
    *((failure, ("status",)) for failure in (*FAILURES, *range(len(UNESCAPED)))),
    *(("wrong password", words) for words in (
        ("submit", TASK), ("store", "info"), ("worker",), ("run", TASK), ("rerun", "1"))),
])
def test_no_failure_shows_the_password(guarded: Server, project: ProjectFolder,
                                       monkeypatch: pytest.MonkeyPatch, typed: Typed, failure: str | int,
                                       words: tuple[str, ...]) -> None:
    address = UNESCAPED[failure] if isinstance(failure, int) else failing(guarded, **FAILURES[failure])
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)

    monkeypatch.setenv("HYPERSPACE_STORAGE", address)

    answer = typed(*words)

    assert answer.code == 4, answer.clean
    errors = [line for line in answer.err.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == 1, answer.clean
    assert errors[0].startswith("error: ")


@pytest.mark.parametrize("failure", ["wrong password", "nothing listens", "no such option"])
def test_tracebacks_and_driver_logs_hide_the_password(
        guarded: Server, project: ProjectFolder, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """In a separate process: the driver configures its log on import."""
    monkeypatch.setenv("HYPERSPACE_PROJECT", PROJECT)
    monkeypatch.setenv("HYPERSPACE_STORAGE", failing(guarded, **FAILURES[failure]))
    monkeypatch.setenv("PYMONGO_LOG_ALL", "debug")
    script = ("import logging, sys; logging.basicConfig(level=logging.DEBUG); "
              "from hyperspace_core.cli.main import run; sys.exit(run(['status', '--debug']))")

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    answer = Answer(done.returncode, done.stdout, done.stderr)
    assert "Traceback" in answer.clean
    assert answer.code == 4


def test_a_password_on_the_command_line_gives_a_warning(url: str, project: ProjectFolder, typed: Typed,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HYPERSPACE_STORAGE")

    assert "warning: a password on the command line can be read by every user of this machine" in typed(
        "status", "--storage", url).clean


def test_local_variables_in_tracebacks_hide_the_password(guarded: Server, project: ProjectFolder) -> None:
    """As IPython and pytest print them, for the frames of our code."""
    address = resolve_url(failing(guarded, port=1), PROJECT)
    with pytest.raises(StoreUnavailable) as raised:
        open_store(address, build_manager(), PROJECT)

    shown = TracebackException.from_exception(raised.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "hyperspace" in Path(frame.filename).parent.name]
    assert len(ours) >= 3
    assert CANARY not in repr([frame.locals for frame in ours])


@pytest.mark.parametrize("isolation", ["warm", "spawn"])
def test_s22_child_processes_get_no_password_or_connection(
        url: str, store: Store, tmp_path: Path, isolation: str, guarded: Server) -> None:
    file = tmp_path / "url"
    file.touch(mode=0o600)
    file.write_text(url + "\n")
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    environment = {name: value for name, value in os.environ.items() if name != "HYPERSPACE_STORAGE"}
    worker = subprocess.Popen([*COMMAND, "worker", "--storage-file", str(file), "--isolation", isolation],
                              env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        pid = began(tmp_path, run)
        assert CANARY not in surroundings(psutil.Process(worker.pid))
        family = until(lambda: psutil.Process(worker.pid).children(recursive=True), "a family")
        assert pid in [one.pid for one in family]
        for one in family:
            assert CANARY not in surroundings(one)
            assert not [each for each in one.net_connections() if each.raddr
                        and each.raddr.port == guarded.port]
        (tmp_path / "go").touch()
        in_state(store, run, State.COMPLETED)
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(60)
    assert worker.returncode == 0


def test_s22_child_processes_do_not_inherit_the_address(
        url: str, store: Store, tmp_path: Path) -> None:
    run, = submit(store, "wait", config={"folder": str(tmp_path)})
    worker = subprocess.Popen([*COMMAND, "worker"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        began(tmp_path, run)
        for one in psutil.Process(worker.pid).children(recursive=True):
            assert CANARY not in surroundings(one)
        (tmp_path / "go").touch()
        in_state(store, run, State.COMPLETED)
    finally:
        worker.send_signal(signal.SIGINT)
        worker.wait(60)


def surroundings(process: psutil.Process) -> str:
    return "\0".join([*process.cmdline(), *process.environ().values()])
