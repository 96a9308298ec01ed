"""For all tests."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# a loaded machine is no failure
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

# Tests start many processes; libraries that each take all cores would slow down one another many times.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A shell ignores Ctrl-C for what it starts in the background, and every process that is started from there
# would inherit that; tests that press it start from what a terminal gives.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def url(hyperspace_storage: str) -> str:
    """The address of a store that does not exist yet."""
    return hyperspace_storage
