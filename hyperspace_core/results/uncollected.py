"""Many small objects at once: meanwhile Python's collector of cycles stays away.

It would look through all of them again and again as they grow in number, and find nothing to take away: that
is a fifth of the time in which tens of thousands of runs become a table.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Whoever has switched it off finds it so afterwards, too."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
