"""What `reproduce` and `parity` share: what is told while runs are executed again."""

from __future__ import annotations

import logging
import sys

from hyperspace_core.cli.screen import note, warn
from hyperspace_core.reproduce.replay import Listener
from hyperspace_core.worker.report import Event, Notice, Printed, RunEnded


def teller(*, echo: bool, count: int) -> Listener:
    """Tells warnings, what the runs print where that is wished, and each end where there are several."""
    ended = 0

    def hear(event: Event) -> None:
        nonlocal ended
        match event:
            case Notice(text=text, level=level) if level >= logging.WARNING:
                warn(text)
            case Printed(text=text) if echo:
                sys.stderr.write(text)
            case RunEnded() if count > 1:
                ended += 1
                note(f"{ended} of {count} executed")

    return hear
