"""The tables of slow tests name tests that exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.marks import PROCESS_FIXTURES, PROCESS_PLACES, SLOW_PLACES, SLOW_TESTS
from support.parsed_tests import parsed
from support.places import ROOT, sources


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def is_fixture(function: ast.FunctionDef) -> bool:
    return any("pytest.fixture" in ast.unparse(decorator) for decorator in function.decorator_list)


def test_each_place_exists() -> None:
    places = (*PROCESS_PLACES, *SLOW_PLACES, *SLOW_TESTS)

    assert [place for place in places if not (ROOT / place).exists()] == []


def test_each_fixture_exists() -> None:
    trees = [tree for _, tree in (*parsed(support=True), *sources())]
    fixtures = {function.name for tree in trees for function in functions(tree) if is_fixture(function)}

    assert sorted(PROCESS_FIXTURES - fixtures) == []


def test_each_slow_test_exists() -> None:
    own = {file: {function.name for function in functions(tree)} for file, tree in parsed()}
    inherited = {function.name for path, tree in sources() if "pytest_hyperspace" in path.parts
                 for function in functions(tree)}

    assert [(file, name) for file, names in SLOW_TESTS.items()
            for name in sorted(names - own[file] - inherited)] == []


def test_marks_are_set_by_the_tables(request: pytest.FixtureRequest) -> None:
    """This very run is marked: this test is neither slow nor starts processes."""
    items = {item.nodeid: {mark.name for mark in item.iter_markers()} for item in request.session.items}

    assert not {"slow", "processes"} & items[request.node.nodeid]
    assert all("slow" in marks for marks in items.values() if "processes" in marks)
    assert all("slow" in marks for name, marks in items.items()
               if name.startswith("tests/meta/test_every_module.py"))
