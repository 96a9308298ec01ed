"""Code that no fingerprint covers is named wherever a command says that the code is the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_hyperspace.project import ProjectFolder
from support.commands import Answer

Typed = Callable[..., Answer]
NAME = "unseen"
HEAD = """
    from hyperspace_core import hookimpl
    {imports}

    def go(loss: str = "l2", k: int = 1) -> float:
        return float({call})

    def other(k: int = 1) -> float:
        return float(k)

    @hookimpl
    def hyperspace_register(register):
        register.scenario(go)
        register.scenario(other)
    """


def files(imports: str, call: str, **more: str) -> dict[str, str]:
    lines = imports.replace("\n", "\n    ")
    return {"hyperspace.py": HEAD.format(imports=lines, call=call),
            **{f"{name}.py": text for name, text in more.items()}}


BY_DECORATOR = files(
    "from unseen.registry import LOSSES\nimport unseen.losses", "LOSSES[loss](3.0)",
    registry="LOSSES = {}\n\ndef register(name):\n    def put(f):\n        LOSSES[name] = f\n"
             "        return f\n    return put\n",
    losses="from unseen.registry import register\n\n@register('l2')\ndef l2(x: float): return x * 2\n")
BY_NAME = files("from importlib import import_module", "import_module(f'unseen.{loss}').value(3.0)",
                l2="def value(x: float): return x * 2\n")
BY_SUBCLASS = files(
    "from unseen.registry import Loss\nimport unseen.losses", "Loss.known[loss]()(3.0)",
    registry="class Loss:\n    known = {}\n\n    def __init_subclass__(cls, *, name):\n"
             "        cls.known[name] = cls\n",
    losses="from unseen.registry import Loss\n\nclass L2(Loss, name='l2'):\n"
           "    def __call__(self, x): return x * 2\n")
BY_DATA = files("from pathlib import Path", "Path(__file__).with_name('table.txt').read_text()") | {
    "table.txt": "6.0"}

KINDS = {
    "a registry filled by a decorator": (BY_DECORATOR, "losses.py", "x * 2", "x * 5"),
    "a module imported by its name": (BY_NAME, "l2.py", "x * 2", "x * 5"),
    "a registry filled by __init_subclass__": (BY_SUBCLASS, "losses.py", "x * 2", "x * 5"),
    "a data file of the package": (BY_DATA, "table.txt", "6.0", "15.0"),
}
HARMLESS = {
    "a comment": ("losses.py", "\n@register", "\n# faster\n@register"),
    "an annotation": ("losses.py", "x: float", "x: int"),
    "a default that a config holds": ("hyperspace.py", "k: int = 1) -> float:\n    return float(k)",
                                      "k: int = 2) -> float:\n    return float(k)"),
    "the code of another component": ("hyperspace.py", "return float(k)", "return float(k) + 1"),
}


@pytest.fixture
def project_name() -> str:
    return NAME


@pytest.fixture
def made(hyperspace_project: Callable[..., ProjectFolder], request: pytest.FixtureRequest, tmp_path: Path,
         monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return hyperspace_project(request.param, name=NAME)


def changed(made: ProjectFolder, file: str, old: str, new: str) -> None:
    place = made.package / file
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))


def said_by_each(typed_apart: Typed) -> Mapping[str, str]:
    """What each command says that compares the code of a past run with today's, or of two runs."""
    found = {}
    for name, words in {
        "check": ("check",),
        "skip": ("submit", "go", "--seed", "0", "--skip-existing"),
        "skip, tried": ("submit", "go", "--seed", "0", "--skip-existing", "--dry-run"),
        "twins": ("submit", "go", "--seed", "0"),
        "run": ("run", "go", "--seed", "1"),
        "results": ("results", "go"),
    }.items():
        answer = typed_apart(*words)
        found[name] = answer.out + answer.err
    found.pop("run")
    return found


@pytest.mark.parametrize(("made", "file", "old", "new"), KINDS.values(), ids=KINDS, indirect=["made"])
def test_each_command_names_the_file(made: ProjectFolder, typed_apart: Typed, file: str, old: str,
                                     new: str) -> None:
    typed_apart("run", "go", "--seed", "0")
    changed(made, file, old, new)

    said = said_by_each(typed_apart)

    clause = f"snapshots of their code differ in {NAME}/{file}, which no fingerprint of a class covers"
    assert [name for name, text in said.items() if clause not in text] == [], said
    assert "everything these runs depend on is unchanged" not in said["check"]


@pytest.mark.parametrize("made", [BY_DECORATOR], indirect=True)
@pytest.mark.parametrize(("file", "old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_no_command_names_a_file_without_need(made: ProjectFolder, typed_apart: Typed, file: str, old: str,
                                              new: str) -> None:
    typed_apart("run", "go", "--seed", "0")
    changed(made, file, old, new)

    said = said_by_each(typed_apart)

    assert [name for name, text in said.items() if "snapshots of their code differ" in text] == [], said
    assert "everything these runs depend on is unchanged" in said["check"]
