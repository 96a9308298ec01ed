"""No call in the package can turn stored data into code."""

from __future__ import annotations

import ast

import pytest

from support.places import sources

MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "joblib", "yaml", "xmlrpc"}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
ATTRIBUTES = {"read_pickle", "to_pickle", "dictConfig", "load_extension", "enable_load_extension"}


def gadgets(tree: ast.Module) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        found += [f"{node.lineno}: import {name}" for name in names if name.split(".")[0] in MODULES]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
            found.append(f"{node.lineno}: {node.func.id}()")
        if isinstance(node, ast.Call) and any(word.arg == "shell" and ast.unparse(word.value) != "False"
                                              for word in node.keywords):
            found.append(f"{node.lineno}: a shell")
        if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
            found.append(f"{node.lineno}: .{node.attr}")
    return found


def test_the_package_has_no_code_loading_calls() -> None:
    assert {str(path): found for path, tree in sources() if (found := gadgets(tree))} == {}


def test_no_check_vanishes_under_optimisation() -> None:
    suites = {"testing", "testing.py", "pytest_hyperspace"}
    asserts = [f"{path}:{node.lineno}" for path, tree in sources() if not suites & set(path.parts)
               for node in ast.walk(tree) if isinstance(node, ast.Assert)]

    assert asserts == []


@pytest.mark.parametrize("code", [
    "import pickle", "from joblib import load", "eval('1')", "exec(x)", "__import__(name)",
    "subprocess.run(x, shell=True)", "pandas.read_pickle(p)", "logging.config.dictConfig(stored)",
])
def test_a_code_loading_call_would_be_found(code: str) -> None:
    assert gadgets(ast.parse(code))
