"""Accessors: attributes of a study or of results that plugins bring, as pandas accessors are.

A plugin registers a name and an import string. Nothing is imported before the first use. A function is bound
like a method; a class is built once per object, with the object as its argument.
"""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any

from hyperspace_core.errors import HyperspaceError, RegistrationError
from hyperspace_core.extension.features import missing_accessor
from hyperspace_core.extension.manager import LOAD_ERRORS, Extensions, why_not_imported

STUDY = "study"
RESULTS = "results"


class MissingAccessor(HyperspaceError, AttributeError):
    """An accessor that no installed plugin brings; the message names the plugin."""


@dataclass(frozen=True, kw_only=True)
class Accessor:
    """One attribute that a plugin adds, and where its object is found."""

    name: str
    target: str                    # "package.module:object"
    plugin: str

    def load(self) -> Any:
        """The function or class. Raises `HyperspaceError` where it cannot be imported."""
        module, _, attribute = self.target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except LOAD_ERRORS as error:
            raise HyperspaceError(f"accessor '{self.name}' of plugin '{self.plugin}' cannot be loaded: "
                                  f"{why_not_imported(error, module)}") from error


class AccessorRegister:
    """The argument of `hyperspace_study`."""

    def __init__(self, taken: Mapping[str, Collection[str]]) -> None:
        self._taken = taken                    # core's own names, which no plugin may replace
        self.found: dict[str, dict[str, Accessor]] = {STUDY: {}, RESULTS: {}}
        self.plugin = ""                       # whose hook is being called

    def accessor(self, name: str, target: str) -> None:
        """Add `study.NAME`: `target` is "package.module:function" or "package.module:Class".

        Raises `RegistrationError` for a name of core's or of another plugin's.
        """
        self._add(STUDY, name, target)

    def results_accessor(self, name: str, target: str) -> None:
        """Add `study.results(...).NAME`; see `accessor`."""
        self._add(RESULTS, name, target)

    def _add(self, kind: str, name: str, target: str) -> None:
        module, colon, attribute = target.partition(":")
        if not (name.isidentifier() and not name.startswith("_") and module and colon and attribute):
            raise RegistrationError(f"accessor {name!r}: expected a public name and "
                                    f"'package.module:object', not {target!r}")
        if name in self._taken[kind]:
            raise RegistrationError(f"accessor '{name}' of plugin '{self.plugin}': core has {kind}.{name}; "
                                    "choose another name")
        before = self.found[kind].get(name)
        if before is not None:
            raise RegistrationError(f"accessor {kind}.{name} is registered by the plugins "
                                    f"'{before.plugin}' and '{self.plugin}'; uninstall one")
        self.found[kind][name] = Accessor(name=name, target=target, plugin=self.plugin)


class Accessors:
    """The accessors that the installed plugins bring."""

    def __init__(self, found: Mapping[str, Mapping[str, Accessor]]) -> None:
        self._found = found

    def names(self, kind: str) -> list[str]:
        """The names of the accessors of a study, or of results."""
        return list(self._found[kind])

    def get(self, kind: str, owner: Any, name: str) -> Any:
        """The attribute of `owner`. Raises `MissingAccessor` for a name that no plugin brings."""
        accessor = self._found[kind].get(name)
        if accessor is None:
            raise MissingAccessor(missing_accessor(kind, name) or
                                  f"{type(owner).__name__!r} object has no attribute {name!r}")
        loaded = accessor.load()
        return MethodType(loaded, owner) if isinstance(loaded, FunctionType) else loaded(owner)


def collect(extensions: Extensions, taken: Mapping[str, Collection[str]]) -> Accessors:
    """Ask the plugins for their accessors; one that fails is reported as broken and brings none."""
    while True:
        register = AccessorRegister(taken)
        for plugin, call in extensions.implementations("hyperspace_study", core=False):
            register.plugin = plugin
            try:
                call(register=register)
            except LOAD_ERRORS as error:
                extensions.report_broken(plugin, error)
                break
        else:
            return Accessors(register.found)
