"""A component's fingerprint changes only with the code that it depends on."""

from __future__ import annotations

import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.capture.code_fingerprint import component_fingerprints, prepare_fingerprints
from hyperspace_core.extension.project import Project
from support.lab import Lab, lab

FILES = {
    "labwork/__init__.py": """
        from hyperspace_core import hookimpl

        @hookimpl
        def hyperspace_register(register):
            from labwork import components, scenarios
            register.module(components)
            register.module(scenarios)

        @hookimpl
        def hyperspace_train(run, trainer, model, data):
            return fit(model, data)

        def fit(model, data):
            return model
        """,
    "labwork/families.py": '''
        from hyperspace_core import Component

        class Classifier(Component):
            """A family."""
            def describe(self):
                return type(self).__name__
        ''',
    "labwork/components.py": '''
        import math
        from dataclasses import dataclass, field
        from enum import Enum
        from typing import Annotated, ClassVar, TYPE_CHECKING

        import labwork.numbers
        import labwork.deep.inner as inner
        from hyperspace_core import Int
        from . import deep, tables
        from .families import Classifier
        from .helpers import grown as enlarged, unused
        from .stars import *
        try:
            import json as fast
        except ImportError:
            fast = None
        if TYPE_CHECKING:
            from .scenarios import Holdout

        LIMIT = 10
        LIMIT += 1
        TABLE = {"a": 1}
        TABLE["b"] = 2
        TABLE.update(c=3)
        if math.pi > 3:
            ROUND = 3
        else:
            ROUND = 4

        class Mode(Enum):
            SLOW = 1
            QUICK = 2

        @dataclass
        class Schedule:
            """How fast."""
            warmup: int = 3
            def rate(self, step):
                return min(1.0, step / self.warmup)

        def pingpong(n):
            return n if n <= 0 else pongping(n - 1)

        def pongping(n):
            return pingpong(n - 1)

        @dataclass
        class Forest(Classifier):
            """A forest."""
            trees: Annotated[int, Int(1, 1000)] = 100
            depth: int | None = None
            schedule: Schedule = field(default_factory=Schedule)
            mode: Mode = Mode.SLOW
            KIND: ClassVar[str] = "tall"
            cache: int = field(default=7, init=False)

            def build(self):
                # a comment
                size = enlarged(self.trees) + LIMIT + TABLE["a"] + ROUND
                return size + pingpong(3) + labwork.numbers.half(size) + inner.deep() + starred()

            def late(self):
                from labwork import lazy
                from .more import extra
                return [lazy.work(x) for x in range(extra())]

        @dataclass
        class Support(Classifier):
            C: float = 1.0

            @property
            def wide(self):
                return self.C * 2

            def build(self, bias=0.5):
                return tables.ROWS[0] + bias + deep.double() + deep.again.thrice()
        ''',
    "labwork/helpers.py": """
        from labwork.numbers import half

        FACTOR = 2

        def grown(n):
            return n * FACTOR + half(n) + Helper(n).value()

        def unused():
            return 1

        class Helper:
            def __init__(self, n, more=1):
                self.n, self.more = n, more
            def value(self):
                return self.n + self.more
        """,
    "labwork/numbers.py": "def half(n):\n    return n / 2\n\ndef third(n):\n    return n / 3\n",
    "labwork/deep/__init__.py": "from . import again\nfrom .again import twice as double\n",
    "labwork/deep/again.py": "def twice():\n    return 2\n\ndef thrice():\n    return 3\n",
    "labwork/deep/inner.py": "from labwork.deep.core import core\n\ndef deep():\n    return core()\n",
    "labwork/deep/core.py": "def core():\n    return 1\n",
    "labwork/stars.py": "from .base_stars import *\n",
    "labwork/base_stars.py": "def starred():\n    return 7\n\ndef other():\n    return 8\n",
    "labwork/tables.py": "ROWS = [1, 2]\nfor i in range(3):\n    ROWS.append(i)\n",
    "labwork/lazy.py": "def work(x):\n    return x\n",
    "labwork/more.py": "def extra():\n    return 3\n",
    "labwork/scenarios.py": """
        from dataclasses import dataclass
        from hyperspace_core import Run, Scenario
        from labwork.components import Support
        from labwork.families import Classifier
        from labwork.numbers import third

        @dataclass
        class Holdout(Scenario):
            share: float = 0.25

            def single_run(self, run: Run, classifier: Classifier = Support(), rate: float = 0.1):
                return third(self.share) * rate
        """,
}
BOTH = {"forest", "support"}


@pytest.fixture
def project_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    with lab(tmp_path, monkeypatch, FILES) as made:
        yield made


def fingerprints(project: Project) -> dict[str, str]:
    scenario = {"className": "Holdout", "share": 0.25}
    found = {}
    for name in ("Forest", "Support"):
        config = project.complete(scenario, {"classifier": name})
        described = component_fingerprints(project, scenario, config)
        assert described["classifier"]["class"] == name
        found[name.lower()] = described["classifier"]["fingerprint"]
        found["scenario"] = described["scenario"]["fingerprint"]
        found["hook"] = described["hook:hyperspace_train"]["fingerprint"]
    assert all(one.startswith("sha256:") for one in found.values())
    return found


EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    # not executed
    "a comment": ("components", "# a comment", "# another", set()),
    "a docstring": ("components", '"""A forest."""', '"""Many trees."""', set()),
    "a docstring taken away": ("components", '"""A forest."""\n', "\n", set()),
    "formatting": ("components", "self.trees) + LIMIT", "self.trees)   +  LIMIT", set()),
    "an annotation": ("components", "depth: int | None = None", "depth: float | None = None", set()),
    "a search range": ("components", "Int(1, 1000)", "Int(5, 500)", set()),
    "a blank function": ("numbers", "def half", "\n\n\ndef half", set()),
    "an unused helper": ("helpers", "def unused():\n    return 1", "def unused():\n    return 2", set()),
    "a new function beside it": ("numbers", "def third", "def fourth(n):\n    return n\n\ndef third", set()),
    "a star's other name": ("base_stars", "return 8", "return 9", set()),
    "a scenario's type import": ("components", "from .scenarios import Holdout", "import decimal", set()),
    # contained in a config
    "a default": ("components", "= 100", "= 200", set()),
    "a default of the scenario": ("scenarios", "share: float = 0.25", "share: float = 0.5", set()),
    "a default of single_run": ("scenarios", "rate: float = 0.1", "rate: float = 0.2", set()),
    "the default component": ("scenarios", "= Support()", "= Support(C=2.0)", set()),
    "a default of a dataclass in it": ("components", "warmup: int = 3", "warmup: int = 4", set()),
    # its own code
    "a method": ("components", "+ ROUND", "- ROUND", {"forest"}),
    "a class constant": ("components", '= "tall"', '= "small"', {"forest"}),
    "a field that no config holds": ("components", "default=7", "default=8", {"forest"}),
    "a decorator": ("components", "    @property\n", "", {"support"}),
    "a default of a method": ("components", "bias=0.5", "bias=0.6", {"support"}),
    "the scenario": ("scenarios", "* rate", "/ rate", {"scenario"}),
    # its dependencies
    "a base": ("families", "type(self).__name__", "self.__class__.__name__", BOTH),
    "a dataclass in it": ("components", "min(1.0,", "min(2.0,", {"forest"}),
    "an enum in it": ("components", "QUICK = 2", "QUICK = 3", {"forest"}),
    "a constant": ("components", "LIMIT = 10", "LIMIT = 20", {"forest"}),
    "a constant's later change": ("components", "LIMIT += 1", "LIMIT += 2", {"forest"}),
    "an item that is set": ("components", '["b"] = 2', '["b"] = 3', {"forest"}),
    "a call that fills": ("components", "update(c=3)", "update(c=4)", {"forest"}),
    "a conditional constant": ("components", "ROUND = 4", "ROUND = 5", {"forest"}),
    "its condition": ("components", "math.pi > 3", "math.pi > 4", {"forest"}),
    "a loop that fills": ("tables", "range(3)", "range(4)", {"support"}),
    "a helper under another name": ("helpers", "n * FACTOR", "n + FACTOR", {"forest"}),
    "a helper's constant": ("helpers", "FACTOR = 2", "FACTOR = 3", {"forest"}),
    "a helper class's default": ("helpers", "more=1", "more=2", {"forest"}),
    "a helper's helper": ("numbers", "n / 2", "n / 4", {"forest"}),
    "a dotted module's function": ("numbers", "n / 3", "n / 9", {"scenario"}),
    "a module under another name": ("deep/core", "return 1", "return 2", {"forest"}),
    "what a package passes on": ("deep/again", "return 2", "return 4", {"support"}),
    "a module that a package passes on": ("deep/again", "return 3", "return 9", {"support"}),
    "a star": ("base_stars", "return 7", "return 6", {"forest"}),
    "recursion": ("components", "pingpong(n - 1)", "pingpong(n - 2)", {"forest"}),
    "an import inside a function": ("lazy", "return x", "return -x", {"forest"}),
    "a name imported inside a function": ("more", "return 3", "return 4", {"forest"}),
    "where an import leads": ("components", "import grown as", "import unused as", {"forest"}),
    # hooks
    "a hook": ("__init__", "return fit(model, data)", "return fit(model, 1)", {"hook"}),
    "a hook's helper": ("__init__", "    return model", "    return [model]", {"hook"}),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_the_fingerprints_that_depend_on_it(project_lab: Lab, edit: str) -> None:
    project = project_lab.open()
    before = fingerprints(project)
    file, old, new, expected = EDITS[edit]
    project_lab.edit(f"labwork/{file}.py", old, new)
    after = fingerprints(project)
    assert {name for name in before if before[name] != after[name]} == expected


def test_the_order_of_methods_does_not_count(project_lab: Lab) -> None:
    project = project_lab.open()
    before = fingerprints(project)
    text = (project_lab.root / "labwork/helpers.py").read_text()
    head, tail = text.split("    def __init__")
    project_lab.write("labwork/helpers.py",
                      f"{head}    def value(self):\n        return self.n + self.more\n    def __init__"
                      f"{tail.partition('    def value')[0]}")
    assert fingerprints(project) == before


def test_fingerprints_import_no_module(project_lab: Lab) -> None:
    project = project_lab.open()
    fingerprints(project)
    assert not {"labwork.lazy", "labwork.more"} & set(sys.modules)


def test_the_same_code_elsewhere_has_the_same_fingerprints(project_lab: Lab, tmp_path_factory: Any,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprints(project_lab.open())
    for name in [name for name in sys.modules if name.startswith("labwork")]:
        del sys.modules[name]
    with lab(tmp_path_factory.mktemp("elsewhere"), monkeypatch, FILES) as other:
        assert str(other.root) in sys.path[0]
        assert fingerprints(other.open()) == before


def test_a_file_that_became_unreadable_is_noted(project_lab: Lab) -> None:
    project = project_lab.open()
    project_lab.write("labwork/components.py", "class Forest(:\n")
    config = project.complete({"className": "Holdout", "share": 0.25}, {"classifier": "Forest"})
    found = component_fingerprints(project, {"className": "Holdout", "share": 0.25}, config)["classifier"]
    assert found["note"] == "its source was not found"
    assert found["fingerprint"] == "unread:labwork.components.Forest"


def test_too_deeply_nested_code_affects_only_itself(project_lab: Lab) -> None:
    project_lab.edit("labwork/components.py", "return self.C * 2", f"return self.C{' + 1' * 900}")
    project = project_lab.open()
    scenario = {"className": "Holdout", "share": 0.25}
    for name, readable in (("Support", False), ("Forest", True)):
        config = project.complete(scenario, {"classifier": name})
        found = component_fingerprints(project, scenario, config)
        assert found["classifier"]["fingerprint"].startswith("sha256:") is readable
        assert found["scenario"]["fingerprint"].startswith("sha256:")


def test_prepare_computes_every_fingerprint(project_lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    project = project_lab.open()
    prepare_fingerprints(project)
    known = fingerprints(project)
    monkeypatch.setattr("hyperspace_core.capture.code_fingerprint.Reach.of", None)
    assert fingerprints(project) == known


# -- other ways to write a project ---------------------------------------------------------------------------


def one_file(monkeypatch: pytest.MonkeyPatch, root: Path, text: str) -> Any:
    return lab(root, monkeypatch, {"labwork.py": text})


def test_a_plain_function_is_a_scenario_with_a_fingerprint(tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        from hyperspace_core import hookimpl

        def train(lr: float = 0.1):
            return helper(lr)

        def helper(lr):
            return lr * 2

        if __name__ == "__main__":
            print(train())

        @hookimpl
        def hyperspace_register(register):
            register.scenario(train)
        """
    with one_file(monkeypatch, tmp_path, text) as made:
        project = made.open()

        def look() -> str:
            found = component_fingerprints(project, {"className": "train"}, {"lr": 0.1})
            return found["scenario"]["fingerprint"]

        before = look()
        made.edit("labwork.py", "0.1", "0.2")
        made.edit("labwork.py", "print(train())", "print(train(1))")
        assert look() == before
        made.edit("labwork.py", "lr * 2", "lr * 3")
        assert look() != before


def test_a_class_of_another_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        import decimal
        from hyperspace_core import Component, Scenario, hookimpl

        class Number(Component):
            pass

        class Sum(Scenario):
            def single_run(self, numbers: dict[str, Number]):
                return 1.0

        def made(value: str = "1"):
            return decimal.Decimal(value)

        @hookimpl
        def hyperspace_register(register):
            import fractions
            register.component(Scenario, Sum)
            register.component(Number, fractions.Fraction, name="Fraction")
            register.component(Number, made, name="Made")
        """
    with one_file(monkeypatch, tmp_path, text) as made:
        project = made.open()
        config = {"numbers": {"a": {"className": "Fraction"}, "b": {"className": "Made", "value": "1"}}}
        found = component_fingerprints(project, {"className": "Sum"}, config)
        assert found["numbers.a"] == {"class": "Fraction", "module": "fractions",
                                      "fingerprint": "external:fractions.Fraction"}
        assert found["numbers.b"]["fingerprint"].startswith("sha256:")
        before = found["numbers.b"]["fingerprint"]
        made.edit("labwork.py", "import decimal", "import other as decimal")
        after = component_fingerprints(project, {"className": "Sum"}, config)["numbers.b"]["fingerprint"]
        assert after != before


def test_a_package_without_init_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "labspace/work/entry.py": """
            import labspace.work.tools
            from labspace.work import tools as mine
            from hyperspace_core import hookimpl

            def train(lr: float = 0.1):
                return labspace.work.tools.one() + mine.two()

            @hookimpl
            def hyperspace_register(register):
                register.scenario(train)
            """,
        "labspace/work/tools.py": """
            def one():
                return 1

            def two():
                return 2

            def three():
                return 3
            """,
    }
    with lab(tmp_path, monkeypatch, files) as made:
        made.edit("labwork-0.3.dist-info/entry_points.txt", "lab = labwork\n", "lab = labspace.work.entry\n")
        project = made.open()

        def look() -> str:
            found = component_fingerprints(project, {"className": "train"}, {"lr": 0.1})
            return found["scenario"]["fingerprint"]

        before = look()
        made.edit("labspace/work/tools.py", "return 3", "return 4")
        assert look() == before
        made.edit("labspace/work/tools.py", "return 1", "return 0")
        between = look()
        made.edit("labspace/work/tools.py", "return 2", "return 0")
        assert len({before, between, look()}) == 3


def test_a_partial_is_its_function_with_its_arguments(tmp_path: Path,
                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
        import functools
        from hyperspace_core import Component, Scenario, hookimpl

        class Number(Component):
            pass

        class Sum(Scenario):
            def single_run(self, number: Number):
                return 1.0

        def made(value: int, more: int = 1):
            return value * more

        @hookimpl
        def hyperspace_register(register):
            register.component(Scenario, Sum)
            register.component(Number, functools.partial(made, 2), name="Two")
            register.component(Number, functools.partial(made, 3), name="Three")
        """
    with one_file(monkeypatch, tmp_path, text) as made:
        project = made.open()

        def look(name: str) -> str:
            config = {"number": {"className": name, "more": 1}}
            found = component_fingerprints(project, {"className": "Sum"}, config)["number"]
            assert found["module"] == "labwork"
            return found["fingerprint"]

        two, three = look("Two"), look("Three")
        assert two != three
        made.edit("labwork.py", "value * more", "value + more")
        assert two != look("Two") != look("Three") != three


# -- defined in a notebook -----------------------------------------------------------------------------------


class Notebook:
    """Executes cells in a module without a file, like a notebook."""

    def __init__(self) -> None:
        self.module = types.ModuleType("labnotebook")
        self.count = 0

    def cell(self, text: str) -> None:
        self.count += 1
        name = f"<labnotebook-{self.count}>"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(self.module))


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    made = Notebook()
    monkeypatch.setitem(sys.modules, "labnotebook", made.module)
    yield made
    for number in range(made.count):
        linecache.cache.pop(f"<labnotebook-{number + 1}>", None)


def described(notebook: Notebook) -> dict[str, str]:
    from hyperspace_core.capture.code_fingerprint import _Fingerprints

    return _Fingerprints().described("Mine", notebook.module.Mine)  # type: ignore[no-any-return, attr-defined]


def test_a_class_defined_in_a_notebook(notebook: Notebook) -> None:
    notebook.cell("import math\nRATE = 3")
    notebook.cell("def helper():\n    return 1\n")
    notebook.cell("class Mine:\n    def build(self):\n        return helper() + RATE + math.pi\n")
    first = described(notebook)
    assert first["fingerprint"].startswith("sha256:")
    assert described(notebook) == first
    notebook.cell("def other():\n    return 2\n")
    assert described(notebook) == first
    notebook.cell("def helper():\n    return 2\n")
    second = described(notebook)
    notebook.cell("RATE = 4")
    third = described(notebook)
    notebook.cell("import cmath as math")
    assert len({one["fingerprint"] for one in (first, second, third, described(notebook))}) == 4


def test_a_helper_s_cell_run_again_counts_for_a_known_class(notebook: Notebook) -> None:
    """One `_Fingerprints`, as one `Study` has it, from the first run to the last."""
    from hyperspace_core.capture.code_fingerprint import _Fingerprints

    notebook.cell("def helper():\n    return 5\n")
    notebook.cell("class Mine:\n    def build(self):\n        return helper()\n")
    known, mine = _Fingerprints(), notebook.module.Mine
    first = known.described("Mine", mine)
    assert known.described("Mine", mine) == first
    notebook.cell("def helper():\n    return 50\n")
    second = known.described("Mine", mine)
    notebook.cell("def helper():\n    return 5\n")

    assert second != first and known.described("Mine", mine) == first


def test_a_class_without_source_is_named_with_a_note(notebook: Notebook) -> None:
    exec("class Mine:\n    x = 1\n", vars(notebook.module))
    assert described(notebook) == {
        "class": "Mine", "module": "labnotebook", "fingerprint": "unread:labnotebook.Mine",
        "note": "its source was not found"}
