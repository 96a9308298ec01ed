"""The fixtures of core's tests of commands."""

from __future__ import annotations

from cli.conftest import (  # noqa: F401 - fixtures
    at_terminal,
    growing,
    harness,
    start,
    store,
    typed,
    typed_apart,
    url,
)
