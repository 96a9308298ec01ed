"""Recorded environment variables: a list of exact names, without secrets."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import platform
import random
import re
import socket
import sys
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.markers import hookimpl
from hyperspace_core.run import Absent, Run, Section

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions, Loaded

MORE = "HYPERSPACE_CAPTURE_ENV"        # further names, separated by commas
HIDDEN = "***"

RECORDED = (
    "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG",
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "NUMBA_NUM_THREADS",
    "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_DYNAMIC", "OMP_PROC_BIND", "MKL_DYNAMIC", "MKL_CBWR",
    "OPENBLAS_CORETYPE", "NVIDIA_TF32_OVERRIDE", "TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS",
    "PYTHONHASHSEED", "TOKENIZERS_PARALLELISM", "TF_DETERMINISTIC_OPS",
    "SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_PARTITION", "SLURM_JOB_NODELIST",
    "PBS_JOBID", "LSB_JOBID", "JOB_ID",
)

_SECRET_NAME = re.compile(r"key|token|secret|passw|pwd|credential|auth|cookie|dsn", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"://[^/\s]*@|PRIVATE KEY"
                           r"|^(gh[pousr]_|github_pat_|AKIA|ASIA|sk-|xox[abpr]-|eyJ|glpat-|hf_)")
_WORD = re.compile(r"[A-Za-z0-9+/_=.-]{20,}")
_RANDOM_BITS = 3.5             # entropy per character, above that of words, paths and host names


def recorded_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """The recorded variables that are set; possible secrets become `***`."""
    more = (name.strip() for name in environment.get(MORE, "").split(","))
    names = dict.fromkeys([*RECORDED, *filter(None, more)])
    return {name: HIDDEN if _is_secret(name, environment[name]) else environment[name]
            for name in names if name in environment}


def _is_secret(name: str, value: str) -> bool:
    named = _SECRET_NAME.search(name) and name not in RECORDED
    return bool(named or _SECRET_VALUE.search(value)) or any(map(_looks_random, _WORD.findall(value)))


def _looks_random(word: str) -> bool:
    mixed = re.search(r"[0-9]", word) and re.search(r"[A-Za-z]", word)
    if not mixed or re.search(r"[.-]\D|/\w+/\w+/", word):         # host names, versions, paths
        return False
    counts = Counter(word).values()
    entropy = -sum(n / len(word) * math.log2(n / len(word)) for n in counts)
    return entropy > _RANDOM_BITS


# -- The machine: operating system, processor, memory, GPUs, variables --

class HostCapture:
    """The provenance section `host`."""

    @hookimpl
    def hyperspace_capture(self) -> Section:
        machine = _machine()
        changing = {"gpus": list(machine["gpus"]), "environment": recorded_variables(os.environ)}
        return Section("host", machine | changing)

    def prepare(self) -> None:
        _machine()


_CORE_NAMES = [f"{before}openblas_get_corename{after}" for before in ("", "scipy_") for after in ("", "64_")]


@cache
def _machine() -> dict[str, Any]:
    import psutil

    return {
        "name": socket.gethostname(),
        "os": platform.platform(),
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": _cpu() or platform.processor() or platform.machine(),
        "cpus": os.cpu_count(),
        "cpus_usable": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpus": _gpus(),
        "blas": _blas_cores(),
    }


def _blas_cores() -> list[str]:
    """The kernels that the loaded OpenBLAS libraries chose, as `SkylakeX`; each rounds in its own way."""
    import ctypes

    found = set()
    with contextlib.suppress(OSError):
        maps = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace")
        for place in set(re.findall(r"\S*openblas\S*\.so\S*", maps)):
            library = ctypes.CDLL(place)
            for name in _CORE_NAMES:
                if hasattr(library, name):
                    function = getattr(library, name)
                    function.restype = ctypes.c_char_p
                    found.add(function().decode("ascii", "replace"))
    return sorted(found)


def _cpu() -> str | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() in ("model name", "Hardware", "Model"):
                return value.strip()
    return None


def _gpus() -> list[str]:
    """GPU models from the drivers' files, as a query would start CUDA."""
    found = []
    with contextlib.suppress(OSError):
        for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
            lines = card.read_text(encoding="utf-8", errors="replace").splitlines()
            found += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    with contextlib.suppress(OSError):
        for node in sorted(Path("/sys/class/kfd/kfd/topology/nodes").glob("*/gpu_id")):
            if node.read_text(encoding="ascii").strip() not in ("", "0"):
                found.append(f"AMD GPU {(node.parent / 'name').read_text(encoding='utf-8').strip()}".strip())
    return found


# -- The installed distributions and their versions --

_EDITABLE = re.compile(r'"editable":\s*true')           # some installers omit the blank
_HEADER_LINES = 40             # Name and Version are at the top; a long description may follow


class PackagesCapture:
    """The provenance section `packages`."""

    @hookimpl
    def hyperspace_capture(self) -> Section | Absent:
        installed, editable = _installed(tuple(sys.path))
        if not installed:
            return Absent("packages", "no installed distribution was found")
        return Section("packages", {"installed": dict(installed), "editable": list(editable)})

    def prepare(self) -> None:
        _installed(tuple(sys.path))


@cache
def _installed(path: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Name → version, sorted by name, and the names of the editable installs.

    Cached for the life of the process, as these are the versions that it imports.
    """
    from importlib_metadata import distributions

    found: dict[str, str] = {}
    editable = set()
    for distribution in distributions(path=list(path)):
        name, version = _name_and_version(distribution)
        if name and name not in found:             # Python imports the first one on the path
            found[name] = version
            if _EDITABLE.search(distribution.read_text("direct_url.json") or ""):
                editable.add(name)
    ordered = {name: found[name] for name in sorted(found, key=str.casefold)}
    return ordered, tuple(name for name in ordered if name in editable)


def _name_and_version(distribution: Any) -> tuple[str, str]:
    """Name and version from the top of the metadata, which is fast."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    header = text.partition("\n\n")[0].split("\n", _HEADER_LINES)[:_HEADER_LINES]
    fields = dict(line.partition(": ")[::2] for line in header)
    return fields.get("Name", "").strip(), fields.get("Version", "").strip()


@cache
def editable_folder(distribution: str) -> Path | None:
    """The folder that a distribution is installed from by `pip install -e`; None for other installs."""
    from urllib.parse import unquote, urlsplit

    import importlib_metadata

    try:
        origin = importlib_metadata.distribution(distribution).read_text("direct_url.json") or ""
    except (importlib_metadata.PackageNotFoundError, ValueError):
        return None
    found = re.search(r'"url":\s*"(file:[^"]+)"', origin) if _EDITABLE.search(origin) else None
    folder = None if found is None else Path(unquote(urlsplit(found[1]).path))
    return folder if folder is not None and folder.is_dir() else None


def top_level_names(distribution: str) -> frozenset[str]:
    """The packages and modules of a distribution; empty if not installed."""
    from importlib_metadata import PackageNotFoundError, files

    try:
        listed = files(distribution) or ()
    except (PackageNotFoundError, ValueError):
        return frozenset()
    return frozenset(file.parts[0].partition(".")[0] for file in listed)


# -- The section on the Python interpreter --

class PythonCapture:
    """The provenance section `python`."""

    @hookimpl
    def hyperspace_capture(self) -> Section:
        return Section("python", copy.deepcopy(_interpreter()))

    def prepare(self) -> None:
        _interpreter()


@cache
def _interpreter() -> dict[str, Any]:
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "build": " ".join(platform.python_build()),
        "compiler": platform.python_compiler(),
        "executable": sys.executable,
        "prefix": sys.prefix,
        "optimize": sys.flags.optimize,
        # without it, the order of sets of strings differs from run to run
        "hash_seed": os.environ.get("PYTHONHASHSEED") or ("random" if sys.flags.hash_randomization else "0"),
    }


# -- The framework's version and the active plugins, in their order --

class PluginsCapture:
    """The section `plugins`; not cached, as a plugin may be disabled anytime."""

    def __init__(self, extensions: Extensions) -> None:
        self._extensions = extensions

    @hookimpl
    def hyperspace_capture(self) -> Section:
        from hyperspace_core.storage import this_version

        project = self._extensions.project
        return Section("plugins", {
            "hyperspace": this_version(),
            "project": None if project is None else _shown(project),
            "loaded": [_shown(plugin) for plugin in self._extensions.loaded],
            "disabled": list(self._extensions.disabled),
            "broken": [str(broken) for broken in self._extensions.broken],
        })

    def prepare(self) -> None:
        self.hyperspace_capture()


def _shown(plugin: Loaded) -> dict[str, Any]:
    return {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version,
            "file": plugin.file}


# -- Seeding of the random generators that a project uses, and its record --

class Seeds:
    """Seeds `random`, and numpy and torch where they are imported."""

    def __init__(self, extensions: Extensions) -> None:
        self._seeded: tuple[int, list[str]] | None = None

    @hookimpl
    def hyperspace_seed(self, seed: int) -> None:
        random.seed(seed)
        seeded = ["random"]
        numpy = sys.modules.get("numpy")
        if numpy is not None and hasattr(numpy, "random"):
            numpy.random.seed(seed)
            seeded.append("numpy")
        torch = sys.modules.get("torch")
        if torch is not None and hasattr(torch, "manual_seed"):
            torch.manual_seed(seed)                # also on GPUs, once they are in use
            seeded.append("torch")
        self._seeded = seed, seeded

    @hookimpl
    def hyperspace_capture(self, run: Run) -> Section:
        seed, seeded = self._seeded or (run.seed, [])
        return Section("seeds", {"seed": seed, "seeded": seeded})
