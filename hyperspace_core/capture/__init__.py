"""Capture of what a run depends on: one built-in plugin per section.

Facts that cannot change during a process are captured once and cached.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project


def warm_capture(project: Project) -> None:
    """Capture what all runs share in advance, so that forks inherit it.

    May be called again at any time: fresh results are kept. Never raises.
    """
    from hyperspace_core.capture.code_fingerprint import prepare_fingerprints
    from hyperspace_core.capture.snapshot import project_code

    for plugin in project.extensions.builtins:
        _try(getattr(plugin, "prepare", list))         # not every section has something to prepare
    _try(partial(prepare_fingerprints, project))
    _try(partial(project_code, project))


def keep_warm(project: Project) -> None:
    """Refresh results that soon expire, so that no run waits. Never raises."""
    _try(partial(_look_again, project))


def _look_again(project: Project) -> None:
    from hyperspace_core.capture.git import git_of
    from hyperspace_core.capture.snapshot import project_code

    git = git_of(project)
    if git is not None:
        with git.hurried() as quick:
            if quick:
                project_code(project)


def _try(prepare: Callable[[], object]) -> None:
    try:
        prepare()
    except Exception:
        # each run records what it could not capture
        logging.getLogger("hyperspace").debug("capture could not be prepared", exc_info=True)
