"""Turn exceptions of user code into text: only text crosses a process border."""

from __future__ import annotations

import contextlib
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pluggy

from hyperspace_core.errors import error_line, shortened
from hyperspace_core.records.run import Finish
from hyperspace_core.records.states import Outcome

TRACEBACK_CHARACTERS = 64 << 10
_OWN_CODE = (str(Path(__file__).parent), pluggy.__file__)      # as in code objects
_FRAMEWORK = tuple(f"{Path(file).parent}{os.sep}" for file in _OWN_CODE)


def failure(error: BaseException, folder: Path | None = None) -> Finish:
    """The outcome of a run whose code raised `error`; `folder`: of the project's files."""
    text = error_line(error) + _elsewhere(error, folder)
    if isinstance(error, SystemExit):
        reason = f"{text}: the run's code ended its process instead of returning a result"
        return Finish(outcome=Outcome.CRASHED, traceback=traceback_text(error), reason=shortened(reason))
    outcome = Outcome.OUT_OF_MEMORY if isinstance(error, MemoryError) else Outcome.FAILED
    return Finish(outcome=outcome, reason=text, traceback=traceback_text(error))


def _elsewhere(error: BaseException, folder: Path | None) -> str:
    """Where a missing relative file is, if the project's folder has it and the run's has not."""
    for link in _chain(error):
        name = link.filename if isinstance(link, FileNotFoundError) else None
        if folder is not None and isinstance(name, str) and name and not Path(name).is_absolute():
            with contextlib.suppress(OSError):
                if (folder / name).exists() and not folder.samefile(Path.cwd()):
                    return (f"; {name!r} is not in the run's own folder, {Path.cwd()}: "
                            f"write run.path({name!r}) for {folder / name}")
    return ""


def traceback_text(error: BaseException) -> str:
    """The traceback from the user's first frame on, shortened where it is very long."""
    for link in _chain(error):
        link.__traceback__ = _users_part(link.__traceback__)
    try:
        lines = traceback.TracebackException.from_exception(error, compact=True).format()
        return shortened("".join(lines), TRACEBACK_CHARACTERS)
    except BaseException as second:                # noqa: BLE001 - reading an exception may raise anything
        return f"{error_line(error)}\n(its traceback cannot be shown: {type(second).__name__})\n"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    todo: list[BaseException | None] = [error]
    while todo:
        link = todo.pop()
        if link is None or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        todo += [link.__cause__, link.__context__]
        if isinstance(link, BaseExceptionGroup):
            todo += link.exceptions


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """The frames behind the leading ones of the framework; all where none is left."""
    own = trace
    while own is not None and own.tb_frame.f_code.co_filename.startswith(_FRAMEWORK):
        own = own.tb_next
    return own or trace
