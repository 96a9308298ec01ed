"""Distributions on `sys.path` for a test: real entry points and imports, no pip."""

from __future__ import annotations

import importlib
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from hyperspace_core.extension.manager import Extensions

CORE = "core."
# the entry module of a project that registers nothing
EMPTY = "from hyperspace_core import hookimpl\n@hookimpl\ndef hyperspace_register(register): ..."


class World:
    """Installs each distribution in its own folder on `sys.path`; `forget` removes its modules."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._monkeypatch = monkeypatch

    def install(self, distribution: str, entries: Mapping[str, Mapping[str, str]],
                files: Mapping[str, str], *, version: str = "1.0") -> Path:
        """`entries`: group → name → value. `files`: path → text, dedented."""
        folder = self.root / distribution
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        self._describe(folder, distribution, entries, version)
        self._monkeypatch.syspath_prepend(str(folder))
        importlib.invalidate_caches()
        return folder

    def plugin(self, name: str, text: str, *, distribution: str | None = None, version: str = "1.0") -> Path:
        """A plugin of one module, `<name>_plugin`, or the name of the distribution."""
        owner = distribution or f"{name}-plugin"
        module = owner.replace("-", "_")
        return self.install(owner, {"hyperspace.plugins": {name: module}}, {f"{module}.py": text},
                            version=version)

    def project(self, name: str, text: str, **files: str) -> Path:
        """A project of one package; `text` is its entry module, `files` more of its modules."""
        package = f"{name}_package"
        modules = {f"{package}/{file}.py": content for file, content in files.items()}
        return self.install(f"{name}-project", {"hyperspace.projects": {name: f"{package}.hyperspace"}},
                            {f"{package}/__init__.py": "", f"{package}/hyperspace.py": text} | modules)

    def adopt(self, folder: Path, distribution: str, entries: Mapping[str, Mapping[str, str]]) -> None:
        """Install a folder of the repository."""
        described = self.root / f"{distribution}-info"
        self._describe(described, distribution, entries, "1.0")
        for place in (folder, described):
            self._monkeypatch.syspath_prepend(str(place))
        importlib.invalidate_caches()

    def forget(self, places: Iterable[Path]) -> None:
        """Remove the modules that were imported from some folders."""
        for name, module in sys.modules.copy().items():
            file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), "")
            if any(Path(str(file)).is_relative_to(place) for place in places):
                del sys.modules[name]

    def _describe(self, folder: Path, distribution: str, entries: Mapping[str, Mapping[str, str]],
                  version: str) -> None:
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = [line for group, names in entries.items()
                 for line in (f"[{group}]", *(f"{name} = {value}" for name, value in names.items()))]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def hooks_of(extensions: Extensions, plugin: str) -> list[str]:
    """The hooks with an implementation of a plugin."""
    return [name for name, caller in vars(extensions.hook).items()
            if any(one.plugin_name == plugin for one in caller.get_hookimpls())]


def broken(extensions: Extensions) -> dict[str, str]:
    return {one.name: one.cause for one in extensions.broken}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Distributions that are installed for this process."""
    made = World(tmp_path / "world", monkeypatch)
    yield made
    made.forget([made.root])
