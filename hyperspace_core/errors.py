"""Everything a user can do wrong, and the exit code that says so.

A message is one line: where, what stood there, and the cure. The command line prints it without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """What the `hyperspace` command answers to the shell."""

    OK = 0
    FAILED = 1          # the command did its work and the answer is "no": a check or a drained run failed
    USAGE = 2           # unknown command, option or value on the command line
    INPUT = 3           # a project, task, config or file that cannot be used as it is
    STORE = 4           # the store cannot be reached, read or written
    NOT_FOUND = 5       # no such run, task, worker
    REFUSED = 6         # the run's state does not allow it; a copy found runs that were changed where it went
    INTERRUPTED = 130   # Ctrl-C


class HyperspaceError(Exception):
    """A mistake that the user can mend; its text is the whole message."""

    exit_code = ExitCode.INPUT


class UsageError(HyperspaceError):
    """Arguments that contradict each other or cannot be read."""

    exit_code = ExitCode.USAGE


class ConfigError(HyperspaceError):
    """A config tree that does not fit the signatures it is meant for.

    `problems` holds every problem found, each a full line; the text joins them.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnknownClassError(ConfigError):
    """A `className` that the opened project does not have.

    Kept apart from other config errors: in a worker it may only mean that this worker's code is older.
    """


class RegistrationError(HyperspaceError):
    """A component, scenario or task that cannot be registered as it stands."""


class ProjectError(HyperspaceError):
    """A project or plugin that cannot be found, imported or opened."""


class TaskError(HyperspaceError):
    """A task file that cannot be read or a task that does not exist."""


class UnknownTaskError(TaskError):
    """A task that the opened project does not have."""

    exit_code = ExitCode.NOT_FOUND


class ValueNotStorable(HyperspaceError):
    """A value that no store could give back unchanged; names its path and the cure."""


class StoreError(HyperspaceError):
    """The store refuses: wrong address, wrong schema, no rights, disk full. Trying again does not help."""

    exit_code = ExitCode.STORE


class StoreUnavailable(StoreError):
    """The store does not answer now; trying again may help. Workers wait for it."""


class NotFound(HyperspaceError):
    """No such run, task or artifact."""

    exit_code = ExitCode.NOT_FOUND


class Refused(HyperspaceError):
    """The run's state does not allow this transition."""

    exit_code = ExitCode.REFUSED


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that the user most likely meant, or None."""
    from difflib import get_close_matches

    names = list(known)
    by_folded = {name.casefold().replace("-", "_"): name for name in names}
    found = get_close_matches(word.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` or an empty string."""
    name = nearest(word, known)
    return f"; did you mean '{name}'?" if name else ""
