"""The pytest plugin of all tests: of core, of the plugins and of the examples (`-p` in pyproject.toml)."""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# Tests start many processes; libraries that each take all cores would slow down one another many times.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# Each process would compile scikit-learn anew, where an installer has not: 5 s instead of 2.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell ignores Ctrl-C for what it starts in the background, and each process started from there would
# inherit that; tests that press Ctrl-C start from what a terminal gives.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A loaded machine is slow; that is no failure of a property.
settings.register_profile("hyperspace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hyperspace")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Let failed assertions in support modules show their values."""
    here = Path(__file__).parent
    pytest.register_assert_rewrite(*(f"support.{file.stem}" for file in here.glob("*.py")),
                                   *(file.stem for folder in early_config.getini("pythonpath")
                                     for file in folder.glob("*.py")))


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more worker than processors for `-n logical`: tests of processes wait a third of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True, tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A worker that has nothing left takes tests over: few tests last as long as thousands of others."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getvalue("dist") == "load" else None


def pytest_collection_finish() -> None:
    """The garbage collector need not walk through thousands of collected tests."""
    gc.freeze()
