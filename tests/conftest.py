"""For all tests."""

from __future__ import annotations

import signal

# A shell ignores Ctrl-C for what it starts in the background, and every process that is started from there
# would inherit that; tests that press it start from what a terminal gives.
signal.signal(signal.SIGINT, signal.default_int_handler)
