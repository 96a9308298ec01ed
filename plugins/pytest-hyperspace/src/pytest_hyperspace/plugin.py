"""The pytest plugin; pytest loads it in every run, so it imports nothing but pytest."""

from __future__ import annotations

import pytest

# before their import, so that failed assertions show their values in other projects' tests, too
pytest.register_assert_rewrite("pytest_hyperspace.stores", "pytest_hyperspace.tuners",
                               "pytest_hyperspace.pruners")
