"""Conformance suites for tuners and pruners; they need pytest."""

from __future__ import annotations

import pytest

# before their import, so that failed assertions show their values in other projects' tests, too
pytest.register_assert_rewrite("hyperspace_tuning.testing.tuners", "hyperspace_tuning.testing.pruners")

from hyperspace_tuning.testing.pruners import PrunerConformance  # noqa: E402
from hyperspace_tuning.testing.tuners import TunerConformance  # noqa: E402

__all__ = ["PrunerConformance", "TunerConformance"]
