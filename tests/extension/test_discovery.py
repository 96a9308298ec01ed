"""Entry points: order, distributions, and errors of loading."""

from __future__ import annotations

import shutil
import sys

import pytest

from hyperspace_core.errors import ProjectError
from hyperspace_core.extension.manager import by_name, conflict, find
from hyperspace_core.storage import this_version
from support.world import World

GROUP = "hyperspace.tests"


def test_entry_points_are_sorted_by_name_not_by_path(world: World) -> None:
    for name in ("mid", "alpha", "zeta"):
        world.install(f"dist-{name}", {GROUP: {name: "nowhere"}}, {})
    assert [one.name for one in find(GROUP)] == ["alpha", "mid", "zeta"]


def test_the_distribution_and_its_version_are_known(world: World) -> None:
    world.install("dist-a", {GROUP: {"a": "nowhere:thing"}}, {}, version="2.5")
    (found,) = find(GROUP)
    assert (found.source, found.module, found.value) == ("dist-a 2.5", "nowhere", "nowhere:thing")


def test_find_imports_nothing(world: World) -> None:
    world.install("dist-a", {GROUP: {"a": "shy_module"}}, {"shy_module.py": "raise RuntimeError('imported')"})
    assert len(find(GROUP)) == 1
    assert "shy_module" not in sys.modules


def test_two_distributions_under_one_name_are_both_named(world: World) -> None:
    world.install("dist-b", {GROUP: {"same": "b"}}, {})
    world.install("dist-a", {GROUP: {"same": "a"}}, {})
    (several,) = by_name(find(GROUP)).values()
    assert conflict(several) == "offered by dist-a 1.0 and dist-b 1.0; uninstall all but one"


def test_a_module_or_an_object_in_it_is_loaded(world: World) -> None:
    world.install("dist-a", {GROUP: {"m": "loadable", "o": "loadable:Outer.inner"}},
                  {"loadable.py": "class Outer:\n    inner = 7\n"})
    module, inner = (one.load() for one in find(GROUP))
    assert module.__name__ == "loadable"
    assert inner == 7


@pytest.mark.parametrize(("value", "text", "cause"), [
    ("missing_module", "", "its module 'missing_module' does not exist"),
    ("faulty.sub", "", "its module 'faulty.sub' does not exist"),
    ("faulty", "import not_installed_at_all",
     "it needs the module 'not_installed_at_all', which is not installed"),
    ("faulty", "from json import nonsense", "ImportError: cannot import name 'nonsense' from 'json'"),
    ("faulty", "x = 1\nraise ValueError('two\\nlines')", "ValueError: two lines"),
    ("faulty", "def f(:\n    pass", "SyntaxError: "),
    ("faulty", "import sys; sys.exit(3)", "SystemExit(3)"),
    ("faulty:absent", "present = 1", "its module 'faulty' has no 'absent'"),
    ("faulty:a b", "", "its entry point 'faulty:a b' is not of the form 'package.module'"),
])
def test_each_kind_of_import_failure_is_one_line(world: World, value: str, text: str, cause: str) -> None:
    world.install("dist-a", {GROUP: {"a": value}}, {"faulty.py": text})
    (found,) = find(GROUP)
    with pytest.raises(ProjectError) as caught:
        found.load()
    assert str(caught.value).startswith(cause)
    assert "\n" not in str(caught.value)


def test_the_place_of_the_failure_is_named(world: World) -> None:
    folder = world.install("dist-a", {GROUP: {"a": "faulty"}}, {"faulty.py": "x = 1\n\nx.y\n"})
    (found,) = find(GROUP)
    with pytest.raises(ProjectError, match=r"faulty\.py:3\)$") as caught:
        found.load()
    assert str(folder) in str(caught.value)


def test_ctrl_c_during_an_import_is_raised(world: World) -> None:
    world.install("dist-a", {GROUP: {"a": "faulty"}}, {"faulty.py": "raise KeyboardInterrupt"})
    (found,) = find(GROUP)
    with pytest.raises(KeyboardInterrupt):
        found.load()


def test_core_version_is_the_installed_version() -> None:
    assert this_version()[0].isdigit()


def test_what_is_installed_changed_or_removed_later_counts(world: World) -> None:
    folder = world.install("dist-a", {GROUP: {"a": "nowhere"}}, {})
    assert [one.name for one in find(GROUP)] == ["a"]

    world.install("dist-b", {GROUP: {"b": "nowhere"}}, {})
    assert [one.name for one in find(GROUP)] == ["a", "b"]

    (folder / "dist_a-1.0.dist-info" / "entry_points.txt").write_text(f"[{GROUP}]\nother = nowhere\n")
    assert [one.name for one in find(GROUP)] == ["b", "other"]

    shutil.rmtree(folder)
    assert [one.name for one in find(GROUP)] == ["b"]


def test_the_first_distribution_of_a_name_counts(world: World) -> None:
    world.install("dist-a", {GROUP: {"old": "nowhere"}}, {}, version="1.0")
    world.root /= "first"
    world.install("dist-a", {GROUP: {"new": "nowhere"}}, {}, version="2.0")
    assert [(one.name, one.source) for one in find(GROUP)] == [("new", "dist-a 2.0")]

    world.root /= "before"
    world.install("dist-a", {}, {})
    assert find(GROUP) == []
