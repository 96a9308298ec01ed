"""A copy of the checkout with its own virtual environment, for the commands in the docs."""

from __future__ import annotations

import compileall
import os
import re
import shutil
import site
import subprocess
import sys
import tempfile
import venv
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
NEEDED = ("hyperspace_core", "docs/examples", "plugins", "tests/support", "pyproject.toml", "README.md",
          "LICENSE")

# gives a new environment access to the packages of the test environment; see `fresh_environment`
SEEN = "\"$(python -c 'import sysconfig; print(sysconfig.get_path(\"purelib\"))')/parent.pth\""


@dataclass
class Shell:
    """A shell in a folder; keeps exported variables and the current folder between commands."""

    folder: Path
    environment: dict[str, str]
    place: Path = field(init=False)
    ran_before: set[str] = field(default_factory=set)      # commands that need not be run again

    def __post_init__(self) -> None:
        self.place = self.folder

    def run(self, block: str, *, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a block of commands; output and errors together in `stdout`."""
        with tempfile.NamedTemporaryFile("r") as left:
            typed = f"trap '(pwd; env -0) > {left.name}' EXIT\n{self.offline(block)}"
            done = subprocess.run(["bash", "-euo", "pipefail", "-c", typed], cwd=self.place, check=False,
                                  env=self.environment, text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self._remember(block, *left.read().partition("\n")[::2])
        assert done.returncode == expect, f"{block}\nended with {done.returncode}:\n{done.stdout}"
        return done

    def _remember(self, block: str, place: str, environment: str) -> None:
        self.place = Path(place or self.place)
        values = dict(one.split("=", 1) for one in environment.split("\0") if "=" in one)
        exported = re.findall(r"^export (.*)$", block, re.M)
        self.environment |= {name: values[name] for line in exported for name in re.findall(r"(\w+)=", line)}

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command that runs until it is stopped."""
        words = ["bash", "-c", f"exec {command}"]
        return subprocess.Popen(words, cwd=self.place, env=self.environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    @staticmethod
    def offline(block: str) -> str:
        """pip without an index: packages come from the checkout, and their requirements are installed."""
        for command in ("pip install", "pip wheel"):
            block = block.replace(f"{command} ", f"{command} --quiet --no-deps --no-build-isolation ")
        return re.sub(r"^python -m venv (\S+)$", rf"\g<0> && cp {SEEN} \1/lib/python*/site-packages/", block,
                      flags=re.M)


@pytest.fixture(scope="session")
def fresh_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with access to the packages of this one, but its own installations."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    own = next(folder.glob("lib/python*/site-packages"))
    others = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
    (own / "parent.pth").write_text(f"import site; {others}\n")
    return folder


@pytest.fixture(scope="module")
def shell(fresh_environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in a copy of the checkout, with its own data folder."""
    folder = copied_checkout(tmp_path_factory.mktemp("checkout"))
    return Shell(folder, own_data(tmp_path_factory.mktemp("data"), first=fresh_environment / "bin"))


def copied_checkout(folder: Path) -> Path:
    """Copy what the commands of the docs need of the checkout; its bytecode, too, as each starts Python."""
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name,
                            ignore=shutil.ignore_patterns("*.egg-info", ".*"))
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder / name)
    for name in ("hyperspace_core", "plugins"):
        compileall.compile_dir(folder / name, quiet=2)
    return folder


def own_data(folder: Path, *, first: Path = Path(sys.executable).parent) -> dict[str, str]:
    """The environment variables of a new user, with `first` at the start of the path."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("HYPERSPACE_", "PYTHON", "COV_", "VIRTUAL_ENV"))}
    return {
        **kept, "PATH": f"{first}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"), "XDG_CACHE_HOME": str(user_cache_path()), "COLUMNS": "160",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.fixture
def here(tmp_path: Path) -> Shell:
    """A shell in an empty folder, with this environment's packages and its own data folder."""
    (tmp_path / "elsewhere").mkdir()
    return Shell(tmp_path / "elsewhere", own_data(tmp_path))
