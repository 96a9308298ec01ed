"""Core and an example do the main job without any plugin, and name the plugin of what is missing."""

from __future__ import annotations

import re
import shlex
import site
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

from hyperspace_core.extension.features import FEATURES
from support.shell import Shell, copied_checkout, own_data

pytestmark = pytest.mark.timeout(300)      # pip builds packages here

COMMANDS = [(command, name) for name, feature in FEATURES.items() for command in feature.commands]
ACCESSORS = [(f"{kind}.{accessor}", name) for name, feature in FEATURES.items()
             for kind, accessors in (("study", feature.study), ("results", feature.results))
             for accessor in accessors]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A shell in a copy of the checkout; its environment has core, digits and packages of other projects."""
    environment = tmp_path_factory.mktemp("alone")
    venv.create(environment, with_pip=find_spec("pip") is None, symlinks=True)
    pip = environment / "bin" / "pip"
    if not pip.exists():           # the package itself is linked below; to install it takes seconds
        pip.write_text('#!/bin/sh\nexec python -m pip "$@"\n')
        pip.chmod(0o755)
    own = next(environment.glob("lib/python*/site-packages"))
    for place in map(Path, site.getsitepackages()):
        for found in place.iterdir():
            if "hyperspace" not in found.name.lower() and not (own / found.name).exists():
                (own / found.name).symlink_to(found)
    shell = Shell(copied_checkout(tmp_path_factory.mktemp("checkout")),
                  own_data(tmp_path_factory.mktemp("data"), first=environment / "bin"))
    shell.run("pip install -e . -e docs/examples/digits\nexport HYPERSPACE_PROJECT=digits")
    return shell


def test_no_plugin_of_ours_is_installed(alone: Shell) -> None:
    listed = alone.run("pip list").stdout

    assert re.findall(r"^\S*hyperspace\S*", listed, re.M) == ["hyperspace-core", "hyperspace-example-digits"]


def test_core_alone_does_the_main_job(alone: Shell) -> None:
    alone.run("hyperspace submit holdout --grid classifier=Forest,Linear,Support")
    alone.run("hyperspace worker --drain")
    status = alone.run("hyperspace status").stdout
    results = alone.run("hyperspace results holdout").stdout
    alone.run("hyperspace rerun 2 --seed 5")
    alone.run("hyperspace worker --drain")
    listed = alone.run("hyperspace runs list").stdout
    shown = alone.run("hyperspace runs show 4").stdout
    alone.run("hyperspace runs export 1 --to exported")

    assert "3 completed" in status and "Best so far" in status
    assert sorted(re.findall(r"Forest|Linear|Support", results)) == ["Forest", "Linear", "Support"]
    assert listed.count("COMPLETED") == 4
    assert "COMPLETED" in shown
    assert any((alone.place / "exported").iterdir())


@pytest.mark.parametrize(("command", "plugin"), COMMANDS)
def test_a_command_names_its_plugin(alone: Shell, command: str, plugin: str) -> None:
    value = " 1" if command.endswith("--search") else ""
    answer = alone.run(f"hyperspace {command}{value}", expect=2).stdout

    assert answer == f"error: hyperspace {command} is in {plugin}: {installation(alone, plugin)}\n"


def test_an_accessor_names_its_plugin(alone: Shell) -> None:
    program = f"""
        from hyperspace_core import Study

        with Study("digits", "sqlite:///accessors.db") as study:
            of = {{"study": study, "results": study.results("holdout")}}
            for kind, name in {[name.split(".") for name, _ in ACCESSORS]}:
                try:
                    getattr(of[kind], name)
                except AttributeError as error:
                    print(error)
        """
    lines = alone.run(f"python -c {shlex.quote(re.sub('^        ', '', program, flags=re.M))}").stdout

    assert lines.splitlines() == [f"{name} is in {plugin}: {installation(alone, plugin)}"
                                  for name, plugin in ACCESSORS]


def test_a_store_names_its_plugin(alone: Shell) -> None:
    answer = alone.run("hyperspace runs list --storage mongodb://localhost/runs", expect=4).stdout

    line, = answer.splitlines()
    assert line.endswith(installation(alone, "hyperspace-mongodb"))


def test_the_printed_command_works_when_pasted(alone: Shell) -> None:
    refused = alone.run("hyperspace check", expect=2).stdout
    _, _, pasted = refused.strip().partition(" is in hyperspace-migrate: ")

    try:
        alone.run(pasted)
        alone.run("hyperspace check")
    finally:
        alone.run("pip uninstall --yes hyperspace-migrate")


def installation(shell: Shell, plugin: str) -> str:
    return f"pip install -e {shell.folder}/plugins/{plugin}"
