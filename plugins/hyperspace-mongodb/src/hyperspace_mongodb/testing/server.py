"""Run the test server as a process on a free port of this machine."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from hyperspace_mongodb.testing.environment import server_python

if TYPE_CHECKING:
    from pymongo import MongoClient

HOST = "127.0.0.1"
START_S, STOP_S = 30.0, 30.0
LOOK_AGAIN_S = 0.02
_LISTENING = re.compile(r"secantus listening on \S+:(\d+)")
# the server ends with the process that started it, even after SIGKILL
_MAIN = """
import sys
try:
    import ctypes, signal
    ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)
except (AttributeError, OSError):
    pass
from secantus.cli import main
sys.exit(main())
"""


class Server:
    """One server on one folder, for this machine only. As a context manager it is started and stopped.

    Start it on a thread that outlives it: it ends with the thread that started it.
    """

    def __init__(self, folder: Path, *options: str, host: str = HOST, port: int = 0,
                 cache: Path | None = None) -> None:
        """`port` 0 means a free one, kept from the first start on; `options`: server options (`--auth`).

        `host`: the address to listen on. On another one than 127.0.0.1, every client has full access.
        """
        self.folder, self.options, self.host, self.port = folder, options, host, port
        self._cache = cache
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    @property
    def uri(self) -> str:
        """Its address, without a database or a user."""
        return f"mongodb://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def log(self) -> str:
        """Its output since its last start."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    def url(self, database: str, user: str = "", password: str = "", **options: str) -> str:
        """The URL of a database on it, for a user of database `admin`."""
        who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        asked = ({"authSource": "admin"} if user else {}) | options
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
        return f"mongodb://{who}{self.host}:{self.port}/{database}" + (f"?{query}" if query else "")

    def start(self) -> Server:
        """Start it and wait until it listens. Raises `ServerNotInstalled`, RuntimeError with its log."""
        python = server_python(self._cache)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._take_folder()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(python), "-c", _MAIN, "--host", self.host, "--port", str(self.port),
                 "--storage-path", str(self.folder / "data"), *self.options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        end = time.monotonic() + START_S
        while (found := _LISTENING.search(self.log)) is None:
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise RuntimeError(f"the test server has not started:\n{self.log}")
            time.sleep(LOOK_AGAIN_S)
        self.port = int(found[1])
        return self

    def _take_folder(self) -> None:
        """Lock the folder until this server ends: two servers would damage it, or read the other's log."""
        if self._lock is None:
            lock = (self.folder / "lock").open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                raise RuntimeError(f"{self.folder}: another test server uses this folder") from None
            self._lock = lock

    def _ended(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def wait(self) -> int:
        """Wait until it ends by itself or an exception is raised; its exit code."""
        return self._running().wait()

    def stop(self) -> None:
        """SIGTERM; wait until it has ended and its folder is free."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)    # a paused process ignores SIGTERM
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._ended()

    def kill(self) -> None:
        """SIGKILL: data not written to disk is lost."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        self._ended()

    def restart(self, *options: str) -> Server:
        """Stop it if it runs, and start it on the same folder and port with these options."""
        self.stop()
        self.options = options
        return self.start()

    def pause(self) -> None:
        """Stop answering until `resume`; the system still accepts connections."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def client(self, **options: Any) -> MongoClient[dict[str, Any]]:
        """A plain client, to read the stored documents."""
        from pymongo import MongoClient

        return MongoClient(self.uri, **options)

    def add_user(self, name: str, password: str, *roles: Any) -> None:
        """Add a user in database `admin`, by default with all rights. Call it before `restart("--auth")`."""
        with self.client() as client:
            client.admin.command("createUser", name, pwd=password, roles=list(roles or ["root"]))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the test server is not running")
        return self._process

    def __enter__(self) -> Server:
        return self if self._process is not None else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()
