"""What a run depends on: one small gatherer a section, each a built-in plugin that abstains with a reason.

What cannot change while a process lives is gathered once and kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


def warm_up(project: Project) -> None:
    """Gather what is the same for all runs of this process, so that processes forked from it have it already.

    May be called again at any time: what is still fresh is left as it is. Never raises.
    """
    from hyperspace_core.capture.components import prepare
    from hyperspace_core.capture.sources import project_code

    for plugin in project.extensions.builtins:
        _try(getattr(plugin, "prepare", None))
    _try(partial(prepare, project))
    _try(partial(project_code, project))


def keep_warm(project: Project) -> None:
    """Look again at what will soon be too old to be believed, so that no run has to. Quick; never raises."""
    _try(partial(_look_again, project))


def _look_again(project: Project) -> None:
    from hyperspace_core.capture.changes import git_of
    from hyperspace_core.capture.sources import project_code

    git = git_of(project)
    if git is not None:
        with git.hurried() as quick:
            if quick:
                project_code(project)


def _try(prepare: Callable[[], object] | None) -> None:
    if prepare is None:
        return
    try:
        prepare()
    except Exception:
        # each run will say what it could not capture
        logging.getLogger("hyperspace").debug("capture could not be prepared", exc_info=True)
