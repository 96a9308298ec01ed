"""The root command: its help, and commands of plugins."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest

from hyperspace_core.cli.main import build_cli
from support.commands import Answer
from support.world import World

Typed = Callable[..., Answer]

GREETING = """
    import click
    from hyperspace_core import hookimpl

    @click.command
    def greet():
        "Say hello."
        click.echo("hello")

    @hookimpl
    def hyperspace_commands(cli):
        cli.add_command(greet)
"""


def test_the_help_lists_every_command_once_in_its_section(typed: Typed) -> None:
    answer = typed("--help")

    assert [line for line in answer.lines if line.endswith(":") and not line.startswith(" ")][1:] == [
        "Work:", "Runs:", "Projects:", "Maintenance:"]
    for name in ("status", "results", "runs", "queue"):
        assert len([line for line in answer.lines if line.startswith(f"  {name} ")]) == 1
    assert answer.err == ""


def test_a_plugin_s_command_is_listed_and_runs(typed: Typed, world: World) -> None:
    world.plugin("greeter", GREETING)

    assert "From plugins:\n  greet  " in typed("--help").out
    assert typed("greet").out == "hello\n"
    assert "no command 'gret'. Did you mean 'greet'?" in typed("gret", expect=2).err


@pytest.mark.parametrize(("text", "cause"), [
    (GREETING.replace("cli.add_command(greet)", "cli.add_command(greet); 1 / 0"), "ZeroDivisionError"),
    (GREETING.replace("def greet", "def status"). replace("(greet)", "(status)"),
     "command 'status' exists already; give it another name"),
])
def test_a_broken_plugin_gives_a_warning_only(typed: Typed, world: World, text: str, cause: str) -> None:
    world.plugin("greeter", text)

    answer = typed("--help")

    assert "From plugins" not in answer.out
    assert "  status " in answer.out
    assert cause in answer.err
    assert answer.err.startswith("warning: ") and answer.err.count("\n") == 1


def test_core_s_own_commands_load_no_plugin(typed: Typed, world: World) -> None:
    world.plugin("greeter", "raise SystemExit('loaded')")

    assert typed("projects").err == ""


def test_a_failing_plugin_command_names_the_plugin(typed: Typed, world: World) -> None:
    world.plugin("greeter", GREETING.replace('click.echo("hello")', "1 / 0"))

    assert typed("greet", expect=1).err == ("error: command 'greet' of plugin 'greeter' failed: "
                                            "ZeroDivisionError: division by zero; --debug shows where\n")


def test_a_plugin_adds_a_subcommand_to_a_group(typed: Typed, world: World) -> None:
    text = GREETING.replace("cli.add_command(greet)",
                            'cli.add("store greet", "greeter_plugin:greet", help="Greet the store.")')
    world.plugin("greeter", text)

    assert "  greet    Greet the store.\n" in typed("store", "--help").out
    assert typed("store", "greet").out == "hello\n"
    assert "no command 'gret'. Did you mean 'greet'?" in typed("store", "gret", expect=2).err


def test_a_failing_subcommand_names_its_plugin(typed: Typed, world: World) -> None:
    text = GREETING.replace('click.echo("hello")', "1 / 0")
    world.plugin("greeter", text.replace("cli.add_command(greet)",
                                         'cli.add("store greet", "greeter_plugin:greet")'))

    assert typed("store", "greet", expect=1).err == (
        "error: command 'store greet' of plugin 'greeter' failed: "
        "ZeroDivisionError: division by zero; --debug shows where\n")


def test_the_help_of_a_group_imports_no_subcommand(typed: Typed, world: World) -> None:
    world.plugin("greeter", GREETING.replace(
        "cli.add_command(greet)", 'cli.add("store greet", "nowhere:greet", help="Greet the store.")'))

    assert "Greet the store." in typed("store", "--help").out
    assert typed("store", "greet", expect=1).err.startswith(
        "error: command 'store greet' of plugin 'greeter' cannot be loaded: ModuleNotFoundError")


@pytest.mark.parametrize("name", ["check", "backfill", "store copy"])
def test_a_command_without_its_plugin_names_it(url: str, name: str) -> None:
    with pytest.raises(click.UsageError, match=f"^hyperspace {name} is in hyperspace-migrate: pip install "):
        build_cli(lambda cli: None).main(name.split(), prog_name="hyperspace", standalone_mode=False)


@pytest.mark.parametrize("words", [(), ("runs",), ("queue",), ("store",)])
def test_a_group_without_a_command_shows_its_help(typed: Typed, words: tuple[str, ...]) -> None:
    answer = typed(*words, expect=2)

    assert answer.out == ""
    assert answer.err == typed(*words, "--help").out


def test_the_version(typed: Typed) -> None:
    assert typed("--version").out.startswith("hyperspace 0.")


def test_debug_shows_the_traceback_in_any_position(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    from hyperspace_core.cli.main import run

    for words in (["--debug", "status", "--project", "none"], ["status", "--project", "none", "--debug"]):
        assert run(words) == 3
        text = capsys.readouterr().err
        assert "Traceback (most recent call last)" in text
        assert text.splitlines()[-1].startswith("error: no project 'none' is installed")
