"""Run a command line: an exit code, and one line on stderr for an error."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
from collections.abc import Sequence

import click

from hyperspace_core.cli.root import COMPLETION, build_cli
from hyperspace_core.cli.screen import complain, put, warn
from hyperspace_core.errors import ExitCode, HyperspaceError

NAME = "hyperspace"


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code (see `ExitCode`)."""
    _never_fail_to_print()
    debug = "--debug" in arguments or bool(os.environ.get("HYPERSPACE_DEBUG"))
    log, warnings = logging.getLogger("hyperspace"), _Warnings(tracebacks=debug)
    log.addHandler(warnings)
    try:
        # --debug may stand anywhere
        answer = _answer([argument for argument in arguments if argument != "--debug"])
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
        return ExitCode.OK
    except BaseException as error:
        if COMPLETION in os.environ:       # a completion prints no message
            return error.code if isinstance(error, SystemExit) and error.code == 0 else ExitCode.FAILED
        if debug and not isinstance(error, SystemExit):
            log.error("the traceback (--debug)", exc_info=error)
        return _code_of(error)
    finally:
        log.removeHandler(warnings)
    return answer if isinstance(answer, int) else ExitCode.OK


def _answer(arguments: list[str]) -> object:
    """Invoke the command; click's `main` would handle broken pipes and Ctrl-C."""
    cli = build_cli()
    if COMPLETION in os.environ:
        return cli.main(arguments, prog_name=NAME, standalone_mode=False)
    try:
        with cli.make_context(NAME, arguments) as context:
            return cli.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code


def _code_of(error: BaseException) -> int:  # noqa: PLR0911 - one line a kind
    match error:
        case SystemExit(code=code):
            return code if isinstance(code, int) else ExitCode.FAILED
        case KeyboardInterrupt() | click.Abort():
            if sys.stderr.isatty():
                put(err=True)       # the terminal shows ^C
            complain("interrupted")
            return ExitCode.INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():     # a group without a command
            put(error.format_message(), err=True)
            return ExitCode.USAGE
        case click.UsageError():
            complain(_usage(error))
            return ExitCode.USAGE
        case click.ClickException():
            complain(error.format_message())
            return ExitCode.FAILED
        case HyperspaceError():
            complain(str(error))
            return error.exit_code
        case OSError(filename=name, strerror=why) if name is not None:
            complain(f"{name}: {why}")
            return ExitCode.FAILED
        case _:
            complain(f"this is a bug in hyperspace: {type(error).__name__}: {error}; --debug shows where")
            return ExitCode.FAILED


def _usage(error: click.UsageError) -> str:
    """Format a usage error like the other messages: lower case first, the cure last."""
    if isinstance(error, click.NoSuchOption) and re.fullmatch(r"-\d", error.option_name):
        return "a number below zero is neither a run id nor an option"
    message = error.format_message()
    message = message[:1].lower() + message[1:]
    if error.ctx is not None and isinstance(error, click.MissingParameter | click.NoSuchOption):
        message = f"{message.removesuffix('.')} (see `{error.ctx.command_path} --help`)"
    return message


def _never_fail_to_print() -> None:
    """Print what a terminal cannot encode, such as "é", as an escape."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _forget_stdout() -> None:
    """Discard stdout after a broken pipe, so that Python prints no error at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Warnings(logging.Handler):
    """Print the framework's log records as warnings."""

    def __init__(self, *, tracebacks: bool) -> None:
        super().__init__(logging.WARNING)
        self._tracebacks = tracebacks

    def emit(self, record: logging.LogRecord) -> None:
        warn(self.format(record) if self._tracebacks else record.getMessage())
