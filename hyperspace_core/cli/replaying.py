"""Progress messages of `reproduce` and `parity`."""

from __future__ import annotations

import logging
import sys

from hyperspace_core.cli.terminal import echo_note, warn
from hyperspace_core.reproduce.replay import Listener
from hyperspace_core.worker.events import Event, Notice, Printed, RunEnded


def teller(*, echo: bool, count: int) -> Listener:
    """Print warnings, output of runs (`echo`), and progress of several runs."""
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
                echo_note(f"{ended} of {count} executed")

    return hear
