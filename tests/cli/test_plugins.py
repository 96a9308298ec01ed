"""Tests of `hyperspace plugins`."""

from __future__ import annotations

from collections.abc import Callable

from support.commands import Answer
from support.world import World

Typed = Callable[..., Answer]

GOOD = """
    from hyperspace_core import hookimpl

    @hookimpl
    def hyperspace_seed(seed): ...

    @hookimpl
    def hyperspace_worker_changed(worker, state): ...
"""


def named(answer: Answer, name: str) -> dict[str, object]:
    return next(one for one in answer.json if one["name"] == name)


def test_a_plugin_is_listed_with_version_file_and_hooks(typed: Typed, world: World) -> None:
    folder = world.plugin("watcher", GOOD, version="2.5")

    answer = typed("plugins")

    assert "watcher  watcher-plugin 2.5  loaded" in answer.lines
    assert f"  file   {folder / 'watcher_plugin.py'}" in answer.lines
    assert "  hooks  hyperspace_seed, hyperspace_worker_changed" in answer.lines


def test_a_broken_plugin_is_listed_with_its_cause(typed: Typed, world: World) -> None:
    world.plugin("watcher", GOOD)
    world.plugin("breaker", "import nowhere_to_be_found")

    answer = typed("plugins", "--json")

    assert answer.err == ""
    assert named(answer, "watcher")["state"] == "loaded"
    broken = named(answer, "breaker")
    assert broken["state"] == "broken"
    assert "it needs the module 'nowhere_to_be_found', which is not installed" in str(broken["cause"])
    assert "  why  it needs the module" in typed("plugins").out


def test_a_disabled_plugin_is_listed_as_left_out(typed: Typed, world: World) -> None:
    world.plugin("watcher", GOOD)

    assert named(typed("plugins", "--no-plugin", "watcher", "--json"), "watcher")["state"] == "left out"


def test_all_lists_the_built_in_plugins(typed: Typed, url: str) -> None:
    assert "git" not in {one["name"] for one in typed("plugins", "--json").json}
    git = named(typed("plugins", "--all", "--json"), "git")
    assert (git["state"], git["hooks"]) == ("built in", ["hyperspace_capture"])


def test_an_unknown_plugin_cannot_be_disabled(typed: Typed, world: World) -> None:
    world.plugin("watcher", GOOD)

    assert "no plugin 'wacher' to leave out; did you mean 'watcher'?" in typed(
        "plugins", "--no-plugin", "wacher", expect=2).err
