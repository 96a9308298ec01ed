"""Wrong options are refused in one line that names them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hyperspace_core.errors import ExitCode, UsageError
from hyperspace_core.worker.state import WorkerOptions


@pytest.mark.parametrize(("wrong", "message"), [
    ({"slots": 0}, "--slots: expected a whole number >= 1, got 0"),
    ({"slots": -1}, "--slots: expected a whole number >= 1, got -1"),
    ({"slots": True}, "--slots: expected a whole number >= 1, got True"),
    ({"slots": 100_000}, "--slots: at most 1024, got 100000"),
    ({"max_runs": 0}, "--max-runs: expected a whole number >= 1, got 0"),
    ({"isolation": "wram"},
     "--isolation: expected one of warm, spawn, inline, got 'wram'; did you mean 'warm'?"),
    ({"isolation": "inline", "slots": 2}, "--slots 2 and --isolation inline contradict each other"),
    ({"poll_s": 0.0}, "--poll: expected seconds > 0, got 0"),
    ({"poll_s": float("nan")}, "--poll: expected seconds > 0, got nan"),
    ({"grace_s": -1.0}, "--grace: expected seconds >= 0, got -1"),
])
def test_wrong_options_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        WorkerOptions(**wrong)
    assert caught.value.exit_code is ExitCode.USAGE
    assert "\n" not in str(caught.value)
