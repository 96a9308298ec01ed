"""Virtual environments for tests: one for each user, in the cache folder."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from pathlib import Path

SERVER = "SecantusDB==0.7.0b3"
NAME = "secantusdb-0.7.0b3"
INSTALL_S = 600.0
_DONE = "installed"                # a file that is written last


class ServerNotInstalled(Exception):
    """The package could not be installed; the message is one line."""


def server_python(cache: Path | None = None) -> Path:
    """The interpreter of an environment with the server; the first call downloads and creates it.

    `cache`: its folder, by default the user's cache folder. Two concurrent calls return the same one. Raises
    `ServerNotInstalled`.
    """
    return python_with(NAME, SERVER, cache=cache)


def python_with(name: str, *requirements: str, cache: Path | None = None) -> Path:
    """The interpreter of the named environment with these packages. Raises `ServerNotInstalled`."""
    if cache is None:
        from platformdirs import user_cache_path

        cache = user_cache_path("hyperspace", appauthor=False)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = cache / f"{name}-py{version}"
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.with_name(f"{folder.name}.lock")):
        # its base interpreter may be deleted by now: then the link is broken
        if not ((folder / _DONE).exists() and python.exists()):
            shutil.rmtree(folder, ignore_errors=True)
            _make(folder, python, requirements)
            (folder / _DONE).touch()
    return python


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """A lock between processes; the system releases it when its process ends."""
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(folder: Path, python: Path, requirements: Sequence[str]) -> None:
    wanted = requirements[0]
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    venv.create(folder, with_pip=uv is None, symlinks=True)
    if uv is not None:
        install = [uv, "pip", "install", "--quiet", "--python", str(python), *requirements]
    else:
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                   *requirements]
    try:
        done = subprocess.run(install, capture_output=True, text=True, timeout=INSTALL_S, check=False,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise ServerNotInstalled(f"{wanted} was not installed within {INSTALL_S:g} s; is the package index "
                                 "reachable?") from None
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        last = next((line for line in reversed(said) if not line.startswith("hint:")), "no message")
        raise ServerNotInstalled(f"{wanted} could not be installed ({last}); it needs a package index and "
                                 "CPython 3.10 to 3.13")
