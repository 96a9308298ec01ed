"""Classes of a notebook that only the local study can execute."""

from __future__ import annotations

import ast
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperspace_core.components import Scenario
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.dimensions import Dimension, Fixed
from hyperspace_core.config.dimensions import Entry as SpaceEntry
from hyperspace_core.config.leaves import SPACE
from hyperspace_core.config.placing import class_path
from hyperspace_core.config.registry import Entry
from hyperspace_core.config.walk import ConfigSection, component_sections, sections
from hyperspace_core.errors import ConfigError, RegistrationError, UsageError
from hyperspace_core.notebook.cells import source_of
from hyperspace_core.notebook.writing import piece_of
from hyperspace_core.ranges import Choice
from hyperspace_core.records.run import NewRun
from hyperspace_core.records.search import NewSearch
from hyperspace_core.searches.problem import searched_space

if TYPE_CHECKING:
    from hyperspace_core.extension.project import Project
    from hyperspace_core.storage import Store

FOLDER = "notebook"            # prefix of the labels of source artifacts
ORIGIN = "this notebook"


class Prototypes:
    """The classes registered with one study, for local runs but not for queued runs."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._entries: dict[tuple[type, str], Entry] = {}

    def register(self, target: Any, family: type | None = None, name: str | None = None) -> None:
        """Register a class for configs; replaces a notebook class of the same name."""
        found = family or family_of(target)
        if not isinstance(target, type) or found is None:
            shown = getattr(target, "__name__", repr(target))
            raise UsageError(f"register({shown}): expected a class of a family; if it has none, "
                             "name the family: study.register(MyClass, family=Classifier)")
        called = name or target.__name__
        known = self._entries.get((found, called))
        installed = {entry.name: entry for entry in self._project.registry.entries(found)}.get(called)
        if known is None and installed is not None and _is_the_same(installed.target, target):
            return                     # already promoted: the installed class is used
        add = self._project.registry.add if known is None else self._project.registry.replace
        try:
            self._entries[found, called] = add(found, target, name=name, origin=ORIGIN)
        except RegistrationError as error:
            raise RegistrationError(f"{error} (edit an installed class in its file)"
                                    if installed is not None else str(error)) from None

    def entry_of(self, target: type) -> Entry | None:
        """The entry of a registered class; None if it is not registered."""
        return next((entry for entry in self._entries.values() if entry.target is target), None)

    def replace(self, entry: Entry, installed: type) -> None:
        """Replace a notebook class by the installed class."""
        self._project.registry.replace(entry.family, installed, name=entry.name, origin=self._project.name)
        del self._entries[entry.family, entry.name]

    def used_by(self, run: NewRun) -> list[ConfigSection]:
        """The sections of a run that use classes of this notebook."""
        return list(self._used(run)) if self._entries else []

    def refuse(self, run: NewRun) -> NewRun:
        """Return the run. Raises `ConfigError` if it uses classes of this notebook."""
        for section in self.used_by(run):
            raise ConfigError(
                f"`{section.path}`: {section.called} is a class of this notebook, which no worker has; "
                f'study.promote({section.called}, "{self._project.module.partition(".")[0]}/…py") writes it '
                "into the package, or study.run executes it here")
        return run

    def refuse_searched(self, search: NewSearch) -> None:
        """Raises `ConfigError` if `space=` names a class of this notebook.
        Classes that it does not name are not searched.
        """
        space = searched_space(self._project, search.scenario, search.space)
        for called in (name for entry in space.entries for name in _named(entry)):
            if any(called == name for _, name in self._entries):
                raise ConfigError(
                    f"space: {called} is a class of this notebook, which no worker has; "
                    f'study.promote({called}, "{self._project.module.partition(".")[0]}/…py") writes it into '
                    "the package")

    def keep_sources(self, store: Store, run: NewRun, number: int) -> None:
        """Store the sources of the notebook classes as artifacts of the first attempt."""
        for section in self.used_by(run):
            with tempfile.TemporaryDirectory(prefix="hyperspace-") as folder:
                file = Path(folder) / "source.py"
                file.write_text(source_text(section.entry.target if section.entry else object),
                                encoding="utf-8")
                store.put_artifact(number, 1, label_of(section.called), file)

    def _used(self, run: NewRun) -> Iterator[ConfigSection]:
        scenario, config = run.scenario or {}, run.config or {}
        registry = self._project.registry
        walks = (component_sections(Scenario, scenario, registry, path="scenario"),
                 sections(config, self._project.scenario_signature(scenario), registry))
        for section in (section for walk in walks for section in walk):
            if section.entry is not None and not section.below and section.entry in self._entries.values():
                yield section


def _named(entry: SpaceEntry) -> tuple[Any, ...]:
    """The classes that the user named in an entry of a search space."""
    if entry.source != SPACE or not class_path(entry.path):
        return ()
    if isinstance(entry, Dimension):
        return entry.range.values if isinstance(entry.range, Choice) else ()
    return (entry.value,) if isinstance(entry, Fixed) else ()


def label_of(name: str) -> str:
    """Label of the artifact with the source of a class."""
    return f"{FOLDER}/{name}.py"


def source_text(target: type) -> str:
    """Source of a module with the class, or only the class if that fails."""
    try:
        return piece_of(target).text()
    except UsageError as error:
        return f"# not complete: {error}\n{source_of(target) or ''}\n"


def _is_the_same(installed: Any, target: type) -> bool:
    """Whether both have the same definition."""
    texts = [source_of(one) for one in (installed, target) if isinstance(one, type)]
    if len(texts) < 2 or None in texts:
        return False
    one, other = (_definition(text or "") for text in texts)
    return one == other


def _definition(text: str) -> str:
    node = ast.parse(text).body[0]
    if isinstance(node, ast.ClassDef):             # `@study.register` is only in the notebook
        node.decorator_list = [one for one in node.decorator_list if "register" not in ast.unparse(one)]
    return ast.dump(node)
