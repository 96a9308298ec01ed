"""What a run depends on: one small gatherer a section, each a built-in plugin that abstains with a reason.

What cannot change while a process lives is gathered once and kept.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


def warm_up(project: Project) -> None:
    """Gather what is the same for all runs of this process, so that processes forked from it have it already.

    May be called again at any time: what is still fresh is left as it is. Never raises.
    """
    from hyperspace_core.capture.components import prepare as prepare_components

    ahead = [getattr(plugin, "prepare", None) for plugin in project.extensions.builtins]
    for prepare in (*ahead, partial(prepare_components, project)):
        if prepare is None:
            continue
        try:
            prepare()
        except Exception:
            # each run will say what it could not capture
            logging.getLogger("hyperspace").debug("capture could not be prepared", exc_info=True)
