"""The root command: core's commands, each imported on use, and plugin commands."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

import click

from hyperspace_core.cli.commands import FROM_PLUGINS, SECTIONS, hyperspace_commands
from hyperspace_core.cli.terminal import echo_error, echo_raw, warn
from hyperspace_core.errors import ExitCode, HyperspaceError, RegistrationError, nearest
from hyperspace_core.extension.features import missing_command

COMPLETION = "_HYPERSPACE_COMPLETE"        # set by a shell that asks for completions


class PluginCommandError(HyperspaceError):
    """A failure inside a command that a plugin brings: a mistake in the plugin."""

    exit_code = ExitCode.FAILED


@dataclass(frozen=True, kw_only=True)
class CommandEntry:
    """A command as it was registered: its module is imported when the command runs."""

    name: str
    target: str                    # "package.module:command"
    section: str
    help: str
    plugin: str                    # empty for core's own

    def load(self) -> click.Command:
        """Import the command. Raises `PluginCommandError` for a plugin's command that cannot be imported."""
        module, _, attribute = self.target.partition(":")
        try:
            command: click.Command = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            if not self.plugin:
                raise
            raise PluginCommandError(f"command '{self.name}' of plugin '{self.plugin}' cannot be loaded: "
                                     f"{type(error).__name__}: {error}; --debug shows where") from error
        return command


def _below_a_group(ctx: click.Context, name: str) -> str:
    """`runs logs` for `logs`; empty where no group has such a command."""
    root = ctx.find_root().command
    groups = [] if not isinstance(root, Root) else [
        (group, found) for group in root.list_commands(ctx)
        if isinstance(found := root.get_command(ctx, group), click.Group)]
    return next((f"{group} {name}" for group, found in groups if name in found.list_commands(ctx)), "")


class Commands(click.Group):
    """A group that names the nearest command to a misspelt one, and takes further commands from plugins."""

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            if name.startswith("-"):
                return super().resolve_command(ctx, args)
            missing = missing_command(f"{_path(ctx)} {name}".strip())
            near = _below_a_group(ctx, name) or nearest(name, self.list_commands(ctx))
            cure = f"Did you mean '{near}'?" if near else f"`{ctx.command_path} --help` lists them."
            raise click.UsageError(missing or f"no command '{name}'. {cure}", ctx)
        return (name if command is None else command.name), command, args[1:]

    def list_commands(self, ctx: click.Context) -> list[str]:
        root = ctx.find_root().command
        below = root.names_below(_path(ctx)) if isinstance(root, Root) else []
        return sorted({*super().list_commands(ctx), *below})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = super().get_command(ctx, cmd_name)
        root = ctx.find_root().command
        if found is None and isinstance(root, Root):
            found = root.find(f"{_path(ctx)} {cmd_name}")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names), default=0)
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.help_line(ctx, name, room)) for name in names])

    def help_line(self, ctx: click.Context, name: str, room: int) -> str:
        """The line of a command in `--help`; a command with a registered line is not imported."""
        root = ctx.find_root().command
        entry = root.registered.get(f"{_path(ctx)} {name}".strip()) if isinstance(root, Root) else None
        if entry is not None and entry.help:
            return entry.help
        command = self.get_command(ctx, name)
        return "" if command is None or command.hidden else command.get_short_help_str(limit=room)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, HyperspaceError, OSError):
            raise
        except Exception as error:
            root, name = ctx.find_root().command, f"{_path(ctx)} {ctx.invoked_subcommand}".strip()
            plugin = root.sources.get(name) if isinstance(root, Root) else None
            if plugin is None:
                raise
            raise PluginCommandError(f"command '{name}' of plugin '{plugin}' failed: "
                                     f"{type(error).__name__}: {error}; --debug shows where") from error


def _path(ctx: click.Context) -> str:
    """What a user types between `hyperspace` and the subcommand: "" at the root, else "store", …"""
    names: list[str] = []
    while ctx.parent is not None:
        names.append(ctx.info_name or "")
        ctx = ctx.parent
    return " ".join(reversed(names))


class Root(Commands):
    """The root command. Core registers its commands by the door that plugins use, `hyperspace_commands`.

    Plugins are asked only for other names than core's, or to list all.
    """

    def __init__(self, load_plugins: Callable[[Root], None], **options: Any) -> None:
        super().__init__(**options)
        self.registered: dict[str, CommandEntry] = {}
        self._plugin = ""                      # whose commands are being added
        self._asked = False
        self._load_plugins = load_plugins
        self.sources: dict[str, str] = {}      # command → the plugin that added it
        hyperspace_commands(self)

    def add(self, name: str, target: str, *, section: str = FROM_PLUGINS, help: str = "") -> None:
        """Register a command by an import string; its module is imported when the command is used.

        `name`: as it is typed; "store copy" adds `copy` to the group `store`. `target`:
        "package.module:command", a click command. `section`: the heading in `--help`. `help`: its line there.
        Raises `RegistrationError` for a command that exists already.
        """
        module, colon, attribute = target.partition(":")
        if not (name and module and colon and attribute):
            raise RegistrationError(f"command '{name}': expected 'package.module:command', not {target!r}")
        self._note(name)
        self.registered[name] = CommandEntry(name=name, target=target, section=section, help=help,
                                             plugin=self._plugin)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a command that is already imported; see `add`."""
        wanted = name or cmd.name or ""
        self._note(wanted)
        super().add_command(cmd, wanted)

    def _note(self, name: str) -> None:
        """Note which plugin adds a command. Raises `RegistrationError` for one that exists already."""
        if not name or name in self.registered or name in self.commands:
            raise RegistrationError(f"command '{name}' exists already; give it another name")
        if self._plugin:
            self.sources[name] = self._plugin

    @contextlib.contextmanager
    def adding(self, plugin: str) -> Iterator[None]:
        """Let a plugin add its commands; where it fails, none of them stays."""
        before = dict(self.registered), dict(self.commands), dict(self.sources)
        self._plugin = plugin
        try:
            yield
        except BaseException:
            self.registered, self.commands, self.sources = before
            raise
        finally:
            self._plugin = ""

    def find(self, name: str) -> click.Command | None:
        """A command by what is typed for it, as "store copy"; None for one that is registered nowhere."""
        if name not in self.registered and name not in self.commands:
            self._ask_plugins()
        entry = self.registered.get(name)
        return self.commands.get(name) if entry is None else entry.load()

    def names_below(self, group: str) -> list[str]:
        """The subcommands that plugins add to a group."""
        self._ask_plugins()
        return [name.rpartition(" ")[2] for name in self.registered if name.rpartition(" ")[0] == group]

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask_plugins()
        listed = [entry for name, entry in self.registered.items() if " " not in name]
        listed.sort(key=lambda entry: [*SECTIONS, entry.section].index(entry.section))
        return [*(entry.name for entry in listed), *sorted(self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return self.find(cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        names = self.list_commands(ctx)
        widest = max(map(len, names))          # one width for all sections
        room = formatter.width - widest - 6
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in SECTIONS}
        for name in names:
            entry = self.registered.get(name)
            heading = FROM_PLUGINS if entry is None else entry.section
            sections.setdefault(heading, []).append((name.ljust(widest), self.help_line(ctx, name, room)))
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def _ask_plugins(self) -> None:
        if not self._asked:
            self._asked = True
            self._load_plugins(self)


def _plugin_commands(cli: Root) -> None:
    """Let each installed plugin add its commands; one that fails is reported and adds none."""
    from hyperspace_core.extension.manager import build_manager

    extensions = build_manager()
    for plugin, add in extensions.implementations("hyperspace_commands", core=False):
        try:
            with cli.adding(plugin):
                add(cli=cli)
        except Exception as error:  # noqa: BLE001 - a broken plugin must not take the other commands away
            extensions.report_broken(plugin, error)
    # a message would land in the middle of what is being typed
    for skipped in () if COMPLETION in os.environ else (*extensions.broken, *extensions.retired):
        warn(str(skipped))


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from hyperspace_core.storage import this_version

        click.echo(f"hyperspace {this_version()}")
        ctx.exit()


def build_cli(load_plugins: Callable[[Root], None] = _plugin_commands) -> Root:
    """Build the command line; `load_plugins` is called once, when it is needed."""
    return Root(
        load_plugins, name="hyperspace",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
        params=[
            click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False,
                         callback=_show_version, help="Show the version and exit."),
            click.Option(["--debug"], is_flag=True, expose_value=False, envvar="HYPERSPACE_DEBUG",
                         help="Show the traceback of an error."),
        ],
        help="Queue, run and compare experiments.\n\n"
             "HYPERSPACE_PROJECT and HYPERSPACE_STORAGE are the defaults of --project and --storage.",
    )


# -- Run a command line: an exit code, and one line on stderr for an error --

NAME = "hyperspace"
AFTER_COMMANDS = ("--project", "-p", "--storage", "--no-plugin")       # typed before one by habit


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
        with cli.make_context(NAME, list(arguments)) as context:
            return cli.invoke(context)
    except click.NoSuchOption as error:
        if error.ctx is None or error.ctx.parent is not None or error.option_name not in AFTER_COMMANDS:
            raise
        text = f"{error.option_name} stands after the command: `{_reordered(arguments)}`"
        raise click.UsageError(text) from None
    except click.exceptions.Exit as end:
        return end.exit_code


def _reordered(arguments: list[str]) -> str:
    """The command line with its leading options, each with a value, at the end."""
    rest, moved = list(arguments), list[str]()
    while rest and rest[0].startswith("-"):
        count = 1 if "=" in rest[0] else 2
        moved, rest = [*moved, *rest[:count]], rest[count:]
    return shlex.join([NAME, *rest, *moved])


def _code_of(error: BaseException) -> int:
    """Print the error; return its exit code."""
    code: int
    match error:
        case SystemExit(code=given):
            return given if isinstance(given, int) else ExitCode.FAILED
        case KeyboardInterrupt() | click.Abort():
            if sys.stderr.isatty():
                echo_raw(err=True)       # the terminal shows ^C
            text, code = "interrupted", ExitCode.INTERRUPTED
        case click.exceptions.NoArgsIsHelpError():     # a group without a command
            echo_raw(error.format_message(), err=True)
            return ExitCode.USAGE
        case click.UsageError():
            text, code = _usage(error), ExitCode.USAGE
        case click.ClickException():
            text, code = error.format_message(), ExitCode.FAILED
        case HyperspaceError():
            text, code = str(error), error.exit_code
        case OSError(filename=name, strerror=why) if name is not None:
            text, code = f"{name}: {why}", ExitCode.FAILED
        case _:
            text = f"this is a bug in hyperspace: {type(error).__name__}: {error}; --debug shows where"
            code = ExitCode.FAILED
    echo_error(text)
    return code


def _usage(error: click.UsageError) -> str:
    """Format a usage error like the other messages: lower case first, the cure last."""
    if isinstance(error, click.NoSuchOption) and re.fullmatch(r"-\d", error.option_name):
        return "a number below zero is neither a run id nor an option"
    message = error.format_message()
    message = message[:1].lower() + message[1:]
    extra = re.search(r"unexpected extra arguments? \((\S+=\S*)", message)
    if extra is not None and error.ctx is not None and any(
            "--set" in option.opts for option in error.ctx.command.params):
        message = f"{message}; write --set {extra[1].removesuffix(')')}"
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


# -- Delay Ctrl-C during an action that must not stop half-way --

@contextlib.contextmanager
def held_interrupt() -> Iterator[Callable[[], bool]]:
    """Delay the first Ctrl-C (the yielded function reports it), not the second."""
    pressed = False

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)
