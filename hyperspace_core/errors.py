"""The errors that a user can cause, and their exit codes.

A message is one line: place, cause and cure. The command line prints it without a traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of the `hyperspace` command."""

    OK = 0
    FAILED = 1          # the command worked, and a check or a drained run failed
    USAGE = 2           # unknown command, option or value on the command line
    INPUT = 3           # an unusable project, task, config or file
    STORE = 4           # the store cannot be reached, read or written
    NOT_FOUND = 5       # no such run, task, worker
    REFUSED = 6         # the run's state does not allow it; runs were changed at the target of a copy
    INTERRUPTED = 130   # Ctrl-C


class HyperspaceError(Exception):
    """An error that the user can fix; its text is the whole message."""

    exit_code = ExitCode.INPUT


class UsageError(HyperspaceError):
    """Arguments that contradict each other or cannot be read."""

    exit_code = ExitCode.USAGE


class ConfigError(HyperspaceError):
    """A config tree that does not fit the signatures.

    `problems` holds every problem found, each a full line; the text joins them.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class UnknownClassError(ConfigError):
    """A `className` that the opened project does not have.

    A class of its own: in a worker it may only mean that the worker's code is older.
    """


class RegistrationError(HyperspaceError):
    """A component, scenario or task that cannot be registered."""


class ProjectError(HyperspaceError):
    """A project or plugin that cannot be found, imported or opened."""


class TaskError(HyperspaceError):
    """A task file that cannot be read or a task that does not exist."""


class UnknownTaskError(TaskError):
    """A task that the opened project does not have."""

    exit_code = ExitCode.NOT_FOUND


class ValueNotStorable(HyperspaceError):
    """A value that stores cannot return unchanged; the text has path and cure."""


class StoreError(HyperspaceError):
    """Wrong store address or schema, no rights, disk full. A retry does not help."""

    exit_code = ExitCode.STORE


class StoreUnavailable(StoreError):
    """The store does not answer now; a retry may help. Workers wait for it."""


class NotFound(HyperspaceError):
    """No such run, task or artifact."""

    exit_code = ExitCode.NOT_FOUND


class Refused(HyperspaceError):
    """The run's state does not allow this transition."""

    exit_code = ExitCode.REFUSED


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to `word`, or None."""
    from difflib import get_close_matches

    names = list(known)
    by_folded = {name.casefold().replace("-", "_"): name for name in names}
    found = get_close_matches(word.casefold().replace("-", "_"), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`"; did you mean 'x'?"` or an empty string."""
    name = nearest(word, known)
    return f"; did you mean '{name}'?" if name else ""


def first_names(names: Iterable[str], most: int) -> str:
    """`a, b and 3 more`: the first names, and the count of the others."""
    every = list(names)
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


# -- The text of an exception, on one line --

REASON_CHARACTERS = 500


def error_line(error: BaseException) -> str:
    """`ValueError: its message` as one shortened line, also where `__str__` fails."""
    try:
        said = str(error)
    except BaseException as second:                # noqa: BLE001 - user code may raise anything
        said = f"<its __str__ raised {type(second).__name__}>"
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return shortened(f"{name}({said})")
    return shortened(f"{name}: {' '.join(said[:4 * REASON_CHARACTERS].split())}" if said else name)


def shortened(text: str, limit: int = REASON_CHARACTERS) -> str:
    """`text`, or its head and tail with the number of characters left out; encodable."""
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]} … [{len(text) - 2 * half} characters left out] … {text[-half:]}"
