"""The test server: start, stop, pause, kill, restart."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import NetworkTimeout, OperationFailure, ServerSelectionTimeoutError

from hyperspace_mongodb.testing import Server, ServerNotInstalled, server_python
from hyperspace_mongodb.testing.fixtures import installed, with_database


def test_it_listens_once_it_has_started(own_mongodb_server: Server) -> None:
    with own_mongodb_server.client() as client:
        assert client.admin.command("ping")["ok"] == 1.0


def test_data_survive_a_restart_on_the_same_port(own_mongodb_server: Server) -> None:
    port = own_mongodb_server.port
    with own_mongodb_server.client() as client:
        client.t.things.insert_one({"_id": 1})
        own_mongodb_server.restart("--sync-on-commit")

        assert own_mongodb_server.port == port
        assert client.t.things.find_one() == {"_id": 1}


def test_journaled_writes_survive_a_kill(own_mongodb_server: Server) -> None:
    with own_mongodb_server.client(w="majority", journal=True) as client:
        client.t.things.insert_one({"_id": 1})
        own_mongodb_server.kill()
        own_mongodb_server.start()

        assert client.t.things.find_one() == {"_id": 1}


def test_a_paused_one_answers_nothing_until_it_is_resumed(own_mongodb_server: Server) -> None:
    with own_mongodb_server.client(socketTimeoutMS=200, retryReads=False) as client:
        client.admin.command("ping")
        own_mongodb_server.pause()
        with pytest.raises(NetworkTimeout):
            client.admin.command("ping")
        own_mongodb_server.resume()
    with own_mongodb_server.client() as client:
        client.admin.command("ping")


def test_a_stopped_one_refuses_connections(own_mongodb_server: Server) -> None:
    own_mongodb_server.stop()

    with (own_mongodb_server.client(serverSelectionTimeoutMS=300) as client,
          pytest.raises(ServerSelectionTimeoutError, match="refused")):
        client.admin.command("ping")


def test_with_auth_it_asks_for_the_password(own_mongodb_server: Server) -> None:
    own_mongodb_server.add_user("ann", "s3cr3t/@")
    own_mongodb_server.restart("--auth")

    with MongoClient(own_mongodb_server.url("t", "ann", "s3cr3t/@")) as client:
        client.t.things.insert_one({})
    with own_mongodb_server.client() as client, pytest.raises(OperationFailure):
        client.t.things.insert_one({})


def test_it_ends_with_the_process_that_started_it(tmp_path: Path, own_mongodb_server: Server) -> None:
    script = ("import sys, os; from pathlib import Path; from hyperspace_mongodb.testing import Server; "
              f"s = Server(Path({str(tmp_path / 'other')!r})).start(); print(s.pid, flush=True); os._exit(9)")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    pid = int(done.stdout)
    end = threading.Event()
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            break
        end.wait(0.02)
    else:
        raise AssertionError(f"process {pid} lives on")


def test_the_command_prints_its_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    installed()
    process = subprocess.Popen([sys.executable, "-m", "hyperspace_mongodb.testing", "--port", "0",
                                "--folder", str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        uri = process.stdout.readline().split()[-1]
        with MongoClient(uri) as client:
            client.admin.command("ping")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    with MongoClient(uri, serverSelectionTimeoutMS=300) as client, pytest.raises(ServerSelectionTimeoutError):
        client.admin.command("ping")


def test_a_port_that_is_taken_is_one_line(mongodb_server: Server, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "hyperspace_mongodb.testing", "--folder", str(tmp_path),
                           "--port", str(mongodb_server.port)], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "in use" in done.stderr


@pytest.mark.parametrize(("options", "said"), [
    (("--port", "99999"), "expected 0 to 65535, got '99999'"),
    (("--port", "0", "--folder", "{in_use}"), "another test server uses this folder"),
    (("--port", "0", "--folder", "/proc/nowhere"), "/proc/nowhere: No such file or directory"),
])
def test_an_invalid_argument_is_one_line(mongodb_server: Server, options: tuple[str, ...], said: str) -> None:
    words = [word.format(in_use=mongodb_server.folder) for word in options]
    done = subprocess.run([sys.executable, "-m", "hyperspace_mongodb.testing", *words], capture_output=True,
                          text=True, check=False)

    assert done.returncode != 0
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_missing_package_index_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("UV_OFFLINE", "PIP_NO_INDEX"):
        monkeypatch.setenv(variable, "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))

    with pytest.raises(ServerNotInstalled) as raised:
        server_python(tmp_path / "cache")
    assert str(raised.value).startswith("SecantusDB==0.7.0b3 could not be installed (")
    assert "\n" not in str(raised.value)


def test_two_concurrent_installs_share_one_environment(tmp_path: Path) -> None:
    """With a stand-in for the package, to avoid a second download."""
    script = INSTALL.format(wheel=stand_in(tmp_path), made=tmp_path / "made", cache=tmp_path / "cache")
    both = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
            for _ in range(2)]
    first, second = (process.communicate()[0].strip() for process in both)

    assert first == second
    assert subprocess.run([first, "-c", "import stand_in"], check=False).returncode == 0
    assert (tmp_path / "made").read_text() == "made\n"


INSTALL = """
from pathlib import Path
from hyperspace_mongodb.testing import environment

make = environment._make

def counted(*args):
    with open('{made}', "a") as file:
        file.write("made\\n")
    make(*args)

environment.SERVER, environment._make = '{wheel}', counted
print(environment.server_python(Path('{cache}')))
"""


def stand_in(folder: Path) -> Path:
    wheel = folder / "stand_in-1-py3-none-any.whl"
    info = "stand_in-1.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("stand_in.py", "")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: stand-in\nVersion: 1\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", f"stand_in.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n")
    return wheel


@pytest.mark.parametrize(("uri", "expected"), [
    ("mongodb://h:1", "mongodb://h:1/db"),
    ("mongodb://h:1/other?tls=true", "mongodb://h:1/db?tls=true"),
    ("mongodb://u:p%40@h,i:2", "mongodb://u:p%40@h,i:2/db?authSource=admin"),
    ("mongodb://u:p@h/users?w=1", "mongodb://u:p@h/db?w=1&authSource=users"),
])
def test_a_named_server_is_used_with_databases_of_the_tests_own(uri: str, expected: str) -> None:
    assert with_database(uri, "db") == expected


def test_every_database_is_a_new_one(fresh_mongodb_url: Callable[[], str]) -> None:
    assert fresh_mongodb_url() != fresh_mongodb_url()
