"""Declarations of a project: migrations, same behaviour, new defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from hyperspace_core.components import Component, Scenario
from hyperspace_core.errors import RegistrationError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.project import open_project
from hyperspace_core.extension.register import NewDefault, Register, Registered, SameBehaviour
from hyperspace_core.migrations import add, rename
from support.world import World


class Family(Component):
    pass


@dataclass
class Forest(Family):
    trees: int = 100


@dataclass
class Trial(Scenario):
    rows: int = 10

    def single_run(self, forest: Family = Forest()) -> float:  # noqa: B008 - a default is a config
        return 0.0


def train(lr: float = 0.1) -> float:
    return lr


@pytest.fixture
def contents() -> Registered:
    return Registered()


@pytest.fixture
def register(contents: Registered) -> Register:
    return Register(contents, origin="project zoo", project="zoo")


def test_migrations_keep_their_order(register: Register, contents: Registered) -> None:
    register.migration("b", add("depth", 1, of="Forest"))
    register.migration("a", {"op": "rename", "parameter": "n", "to": "trees"}, add("x", None))
    register.migration("b", add("depth", 1, of="Forest"))

    assert [(one.name, one.project, len(one.steps)) for one in contents.migrations.values()] == [
        ("b", "zoo", 1), ("a", "zoo", 2)]


@pytest.mark.parametrize(("name", "steps", "text"), [
    ("a", [rename("x", "y")], "register.migration('a'): registered twice, with other steps; give one of "),
    ("", [rename("x", "y")], "register.migration(''): expected a name of 1 to 200 printable characters"),
    (5, [rename("x", "y")], "register.migration(5): expected a name of 1 to 200 printable characters"),
    ("b", [], "register.migration('b'): it has no steps"),
    ("b", [{"op": "add", "parameter": "x"}], "register.migration('b'): step 1: add: `value` is missing"),
])
def test_an_invalid_migration_is_refused(name: Any, steps: list[Any], text: str, register: Register) -> None:
    register.migration("a", rename("u", "v"))

    with pytest.raises(RegistrationError) as caught:
        register.migration(name, *steps)
    assert str(caught.value).startswith(text)


def test_same_behaviour_takes_two_fingerprints(register: Register, contents: Registered) -> None:
    register.same_behaviour(Forest, "0123abcd", "f" * 64)
    register.same_behaviour("Forest", "0123abcd", "f" * 64)

    assert contents.same_behaviour == [SameBehaviour(component="Forest", old="0123abcd", new="f" * 64)]


@pytest.mark.parametrize(("arguments", "text"), [
    ((Forest, "0123abc", "f" * 8), "a fingerprint, 8 to 64 of the digits 0-9 a-f, found str '0123abc'"),
    ((Forest, "f" * 8, "0123ABCD"), "a fingerprint, 8 to 64 of the digits 0-9 a-f, found str '0123ABCD'"),
    ((Forest, "f" * 8, None), "a fingerprint, 8 to 64 of the digits 0-9 a-f, found None"),
    ((Forest, "f" * 8, "f" * 8), "the old and the new fingerprint are both ffffffff"),
    ((5, "f" * 8, "0" * 8), "expected a class, or its name in a config"),
])
def test_an_invalid_fingerprint_is_refused(arguments: tuple[Any, ...], text: str, register: Register) -> None:
    with pytest.raises(RegistrationError) as caught:
        register.same_behaviour(*arguments)
    assert text in str(caught.value) and str(caught.value).startswith("register.same_behaviour(")


def test_new_default_takes_a_class_scenario_or_function(register: Register, contents: Registered) -> None:
    register.new_default(Forest, "trees", old=50)
    register.new_default(Trial, "rows", old=5)
    register.new_default(Trial, "forest", old=Forest(trees=3))
    register.new_default(train, "lr", old=0.2)
    register.scenario(train)

    assert [(one.parameter, one.old) for one in contents.new_defaults] == [
        ("trees", 50), ("rows", 5), ("forest", {"className": "Forest", "trees": 3}), ("lr", 0.2)]
    scenario = contents.registry.find(Scenario, "train").target
    assert NewDefault(target=train, parameter="lr", old=0.2).is_of(scenario)
    assert not NewDefault(target=train, parameter="lr", old=0.2).is_of(Trial)


@pytest.mark.parametrize(("target", "parameter", "old", "text"), [
    (Forest, "tress", 5, "(Forest, 'tress'): there is no such parameter; did you mean 'trees'?"),
    ("Forest", "trees", 5, "('Forest', 'trees'): expected the class or function of the parameter"),
    (Forest, "trees", object, "(Forest, 'trees'): old: expected the default as a config has it, found type"),
    (Forest, "trees", {1: 2}, "(Forest, 'trees'): old: expected the default as a config has it, found dict"),
])
def test_an_invalid_new_default_is_refused(target: Any, parameter: str, old: Any, text: str,
                                           register: Register) -> None:
    with pytest.raises(RegistrationError) as caught:
        register.new_default(target, parameter, old=old)
    message = str(caught.value)
    assert message.startswith(f"register.new_default{text}") and "\n" not in message


def test_an_opened_project_has_its_declarations(world: World) -> None:
    world.project("zoo", """
        from hyperspace_core import hookimpl
        from hyperspace_core.migrations import rename

        def train(lr: float = 0.1):
            return lr

        @hookimpl
        def hyperspace_register(register):
            register.scenario(train)
            register.migration("rates", rename("rate", "lr"))
            register.same_behaviour("train", "01234567", "89abcdef")
            register.new_default(train, "lr", old=0.2)
    """)
    project = open_project("zoo", build_manager())

    assert [(one.name, one.steps) for one in project.migrations] == [
        ("rates", ({"op": "rename", "parameter": "rate", "to": "lr"},))]
    assert project.same_behaviour == (SameBehaviour(component="train", old="01234567", new="89abcdef"),)
    assert [(one.parameter, one.old) for one in project.new_defaults] == [("lr", 0.2)]
