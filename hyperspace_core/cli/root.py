"""The root command: core's commands, each imported on use, and plugin commands."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from hyperspace_core.errors import ExitCode, HyperspaceError, RegistrationError, nearest

# heading -> command -> the module that holds it, under the same name
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "Work": ("submit", "tune", "worker", "status", "searches", "results", "compare", "effects", "plot"),
    "Runs": ("run", "rerun", "reproduce", "rescore", "parity", "runs", "queue"),
    "Projects": ("new", "projects", "tasks", "components", "check", "backfill"),
    "Maintenance": ("plugins", "store", "doctor"),
}
COMPLETION = "_HYPERSPACE_COMPLETE"        # set by a shell that asks for completions
COMMANDS = tuple(name for names in SECTIONS.values() for name in names)


class PluginCommandError(HyperspaceError):
    """A plugin's command failed: a bug in the plugin."""

    exit_code = ExitCode.FAILED


class Commands(click.Group):
    """A group that suggests the nearest command for a misspelt one."""

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is None and not ctx.resilient_parsing:
            if name.startswith("-"):
                return super().resolve_command(ctx, args)
            near = nearest(name, self.list_commands(ctx))
            cure = f"Did you mean '{near}'?" if near else f"`{ctx.command_path} --help` lists them."
            raise click.UsageError(f"no command '{name}'. {cure}", ctx)
        return (name if command is None else command.name), command, args[1:]


class Root(Commands):
    """Finds core's commands by name; loads plugins for other names and for the list."""

    def __init__(self, load_plugins: Callable[[click.Group], None], **options: Any) -> None:
        super().__init__(**options)
        self._load_plugins = load_plugins
        self._asked = False
        self.sources: dict[str, str] = {}      # command -> the plugin that added it

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._ask_plugins()
        return [*COMMANDS, *sorted(self.commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in COMMANDS:
            module = importlib.import_module(f"hyperspace_core.cli.commands.{cmd_name}")
            command: click.Command = getattr(module, cmd_name)
            return command
        self._ask_plugins()
        return self.commands.get(cmd_name)

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Add a plugin's command. Raises `RegistrationError` if the name exists already."""
        wanted = name or cmd.name
        if not wanted or wanted in COMMANDS or wanted in self.commands:
            raise RegistrationError(f"command '{wanted}' exists already; give it another name")
        super().add_command(cmd, wanted)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, HyperspaceError, OSError):
            raise
        except Exception as error:
            plugin = self.sources.get(ctx.invoked_subcommand or "")
            if plugin is None:
                raise
            raise PluginCommandError(f"command '{ctx.invoked_subcommand}' of plugin '{plugin}' failed: "
                                     f"{type(error).__name__}: {error}; --debug shows where") from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        listed = self.list_commands(ctx)
        sections = {**SECTIONS, "From plugins": tuple(name for name in listed if name not in COMMANDS)}
        # one width for all sections
        widest = max(map(len, listed))
        for heading, names in sections.items():
            commands = [(name, self.get_command(ctx, name)) for name in names]
            rows = [(name.ljust(widest), command.get_short_help_str(limit=formatter.width - widest - 6))
                    for name, command in commands if command is not None and not command.hidden]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def _ask_plugins(self) -> None:
        if not self._asked:
            self._asked = True
            self._load_plugins(self)


def _plugin_commands(cli: click.Group) -> None:
    """Let each installed plugin add its commands; report one that fails."""
    from hyperspace_core.cli.screen import warn
    from hyperspace_core.extension.manager import build_manager

    extensions = build_manager()
    for plugin, add in extensions.implementations("hyperspace_commands"):
        before = dict(cli.commands)
        try:
            add(cli=cli)
            if isinstance(cli, Root):
                cli.sources |= dict.fromkeys(cli.commands.keys() - before.keys(), plugin)
        except Exception as error:  # noqa: BLE001 - a broken plugin must not disable the other commands
            cli.commands = before
            extensions.report_broken(plugin, error)
    # a message would appear inside the typed line
    for broken in () if COMPLETION in os.environ else extensions.broken:
        warn(str(broken))


def _show_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from hyperspace_core.extension.discovery import core_version

        click.echo(f"hyperspace {core_version()}")
        ctx.exit()


def build_cli(load_plugins: Callable[[click.Group], None] = _plugin_commands) -> click.Group:
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


