"""Virtual environments with the recorded packages of a run, cached."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import TYPE_CHECKING, Any

from hyperspace_core.errors import HyperspaceError, NotFound, error_line
from hyperspace_core.plugin import CHANGES, SNAPSHOT, unpacked
from hyperspace_core.records import RunRecord

if TYPE_CHECKING:
    from hyperspace_core.storage import Store

# -- Restore the code of a past run from its snapshot, or its commit and patch ----


PATCH, UNTRACKED = "uncommitted.patch", "untracked/"


@dataclass(frozen=True, kw_only=True)
class PastCode:
    """Folder with the code of a past run, to be put first on the import path."""

    folder: Path
    description: str                   # "snapshot 0123456789ab", "commit 0123456789ab and its patch"


@contextmanager
def code_of(store: Store, record: RunRecord, package: str) -> Iterator[PastCode]:
    """Restore the code of the run's last attempt.

    `package`: the project's top-level package. The checkout is only read. Raises `HyperspaceError`.
    """
    source, git = section_of(record, "source"), section_of(record, "git")
    reasons = []
    digest = source.get(SNAPSHOT) or record.code.get(SNAPSHOT)
    if isinstance(digest, str):
        try:
            folder = unpacked(store, digest)
        except (HyperspaceError, OSError) as error:
            reasons.append(_reason(error))
        else:
            yield PastCode(folder=folder, description=f"snapshot {digest[:12]}")
            return
    else:
        reasons.append("no snapshot was recorded")
    with TemporaryDirectory(prefix="hyperspace-code-") as place:
        try:
            past = _from_git(store, git, source, package, Path(place))
        except (HyperspaceError, OSError) as error:
            reasons.append(_reason(error))
            why = "; ".join(dict.fromkeys(reasons))
            raise HyperspaceError(f"run {record.id}: the code it was executed on is not available: {why}; "
                                  "--code current uses the current code") from None
        yield past


def _reason(error: HyperspaceError | OSError) -> str:
    """The message of an error; the type is added to those of Python."""
    return str(error) if isinstance(error, HyperspaceError) else error_line(error)


def section_of(record: RunRecord, name: str) -> dict[str, Any]:
    """A section of the last attempt's provenance; empty if there is none."""
    section = record.attempt.provenance.get(name) if record.attempt is not None else None
    return section if isinstance(section, dict) else {}


def _from_git(store: Store, git: dict[str, Any], source: dict[str, Any], package: str,
              place: Path) -> PastCode:
    from hyperspace_core.plugin import GitUnavailable, checked_out, patched

    root, commit, changes = git.get("root"), git.get("commit"), source.get(CHANGES)
    if not isinstance(root, str) or not isinstance(commit, str):
        raise NotFound("no commit was recorded")
    if git.get("dirty") and not isinstance(changes, str):
        raise NotFound(f"commit {commit[:12]} had uncommitted changes, which were not stored")
    tree = place / "tree"
    tree.mkdir()
    try:
        checked_out(root, commit, tree)
        if isinstance(changes, str):
            kept = unpacked(store, changes)
            if (kept / PATCH).exists():
                patched(tree, kept / PATCH)
            if (kept / UNTRACKED).is_dir():
                shutil.copytree(kept / UNTRACKED, tree, dirs_exist_ok=True)
    except GitUnavailable as error:
        raise HyperspaceError(f"{error} ({root})") from None
    and_patch = " and its uncommitted changes" if isinstance(changes, str) else ""
    return PastCode(folder=_import_root(tree, package), description=f"commit {commit[:12]}{and_patch}")


def _import_root(tree: Path, package: str) -> Path:
    """The folder that contains the package or module: the one nearest to the top."""
    found = [path.parent.parent for path in tree.rglob(f"{package}/__init__.py")]
    found += [path.parent for path in tree.rglob(f"{package}.py")]
    if not found:
        raise NotFound(f"the commit has no package '{package}'")
    return min(found, key=lambda path: (len(path.parts), str(path)))


_OURS = "hyperspace-"              # the framework and its plugins: the installed ones execute the run
_TOOLS = {"pip", "setuptools", "wheel", "uv"}
LIMIT_S = 1800.0


@dataclass(frozen=True, kw_only=True)
class EnvironmentFolder:
    """Python environment that executes runs."""

    python: Path | None                # None: the interpreter of this process
    description: str


@contextmanager
def rebuilt(record: RunRecord, environment: str, distribution: str) -> Iterator[EnvironmentFolder]:
    """Provide the environment, without the project's own `distribution`.
    Raises `HyperspaceError` if packages cannot be installed.
    """
    if environment == "current":
        yield EnvironmentFolder(python=None, description="the packages that are installed here")
        return
    wanted = _wanted(record, distribution)
    python = _interpreter(section_of(record, "python").get("version"))
    folder = _folder(wanted, python)
    if not (folder / "complete").exists():
        _make(folder, wanted, python)
    description = f"{len(wanted)} packages as recorded, in {folder}"
    yield EnvironmentFolder(python=_python_in(folder), description=description)


def _wanted(record: RunRecord, distribution: str) -> dict[str, str]:
    """Name → version of the recorded packages, without editable ones."""
    section = section_of(record, "packages")
    installed, editable = section.get("installed"), section.get("editable") or []
    if not isinstance(installed, dict):
        raise HyperspaceError(f"run {record.id}: its packages were not recorded and cannot be rebuilt; "
                              "omit --env")
    left_out = {name.lower() for name in (*editable, *_TOOLS, distribution)}
    return {name: version for name, version in installed.items()
            if name.lower() not in left_out and not name.lower().startswith(_OURS)}


def _interpreter(version: object) -> str:
    """Path of the recorded Python version on this machine."""
    minor = ".".join(str(version).split(".")[:2])
    if minor == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    found = shutil.which(f"python{minor}")
    if found is None:
        raise HyperspaceError(f"the run was executed by Python {version}, but python{minor} is not "
                              "installed here; install it, or omit --env")
    return found


def _folder(wanted: Mapping[str, str], python: str) -> Path:
    from platformdirs import user_cache_path

    named = hashlib.sha256(json.dumps([sorted(wanted.items()), python, sys.version]).encode()).hexdigest()
    return user_cache_path("hyperspace", appauthor=False) / "environments" / named[:24]


def _make(folder: Path, wanted: Mapping[str, str], python: str) -> None:
    """Build in a temporary folder, then rename it, so that it is always complete."""
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    made = Path(mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        _call([python, "-m", "venv", "--without-pip", str(made)])
        _install(made, wanted)
        _share_framework(made)
        (made / "complete").write_text("")
        made.rename(folder)
    except OSError as error:
        if not (folder / "complete").exists():     # else another process made it first
            raise HyperspaceError(f"{folder}: cannot create the environment: {error.strerror}") from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _install(made: Path, wanted: Mapping[str, str]) -> None:
    """Install these packages without dependencies: the recorded set is complete."""
    listed = made / "requirements.txt"
    listed.write_text("".join(f"{name}=={version}\n" for name, version in sorted(wanted.items())))
    if not wanted:
        return
    uv = shutil.which("uv")
    to = ["--python", str(_python_in(made))]
    if uv is not None:
        _call([uv, "pip", "install", "--quiet", *to, "--no-deps", "-r", str(listed)])
    else:
        _call([sys.executable, "-m", "pip", *to, "install", "--quiet", "--no-deps", "--no-input",
               "--disable-pip-version-check", "-r", str(listed)])


def _share_framework(made: Path) -> None:
    """Link this process's framework and its metadata, so that it executes the run."""
    import hyperspace_core.errors as anchor

    package = Path(anchor.__file__).parent
    there = Path(_answer(_python_in(made)))
    (there / package.name).symlink_to(package, target_is_directory=True)
    for folder in {Path(sysconfig.get_path("purelib")), package.parent}:
        for metadata in folder.glob("hyperspace_core-*.dist-info"):
            if not (there / metadata.name).exists():
                (there / metadata.name).symlink_to(metadata, target_is_directory=True)


def _answer(python: Path) -> str:
    """Site-packages folder of that environment."""
    return _call([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _call(command: list[str]) -> str:
    unwanted = ("PYTHONPATH", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False,
                              env=environment)
    except subprocess.TimeoutExpired:
        raise HyperspaceError(f"`{' '.join(command[:4])} …` took longer than {LIMIT_S:g} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        why = lines[-1] if lines else f"exit code {done.returncode}"
        raise HyperspaceError(f"the recorded packages cannot be installed: {why}; omit --env to use "
                              "those that are installed here")
    return done.stdout
