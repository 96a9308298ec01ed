"""The machine: operating system, processor, memory, GPUs, variables."""

from __future__ import annotations

import contextlib
import os
import platform
import socket
from functools import cache
from pathlib import Path
from typing import Any

from hyperspace_core.capture.environment import recorded_variables
from hyperspace_core.markers import hookimpl
from hyperspace_core.sink import Section


class HostCapture:
    """The provenance section `host`."""

    def __init__(self, _extensions: object = None) -> None:
        pass

    @hookimpl
    def hyperspace_capture(self) -> Section:
        machine = _machine()
        changing = {"gpus": list(machine["gpus"]), "environment": recorded_variables(os.environ)}
        return Section("host", machine | changing)

    def prepare(self) -> None:
        _machine()


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
    }


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
