"""The themes of the conformance suite, each a class of tests that a store must pass."""

from __future__ import annotations

import pkgutil

import pytest

# before their import, so that failed assertions show their values in other projects' tests, too
pytest.register_assert_rewrite(*(f"{__name__}.{theme.name}" for theme in pkgutil.iter_modules(__path__)))
