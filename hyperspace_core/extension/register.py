"""`Register`, with which projects and plugins register components and tasks."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_args

from hyperspace_core.components import Scenario
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.migrate import checked_steps
from hyperspace_core.config.registry import Registry, is_abstract
from hyperspace_core.config.signature import signature_of, signature_of_method, signatures_of, tree_of
from hyperspace_core.config.tree import CLASS_NAME, copied, is_json, shown
from hyperspace_core.errors import ConfigError, RegistrationError, did_you_mean
from hyperspace_core.records.logged import MAX_NAME, is_name
from hyperspace_core.records.run import Goal, Metric, Migration
from hyperspace_core.records.task import Task, check_task_name

# -- Declarations of a project: migrations, changed defaults, unchanged behaviour --

_FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True, kw_only=True)
class SameBehaviour:
    """Two fingerprints of a class, or their first digits, with the same behaviour."""

    component: str                 # the class's name in a config
    old: str                       # hexadecimal digits
    new: str


@dataclass(frozen=True, kw_only=True)
class NewDefault:
    """A default that was changed on purpose."""

    target: Any                    # the class or function whose parameter it is
    parameter: str
    old: Any                       # as a config has it

    def is_of(self, target: Any) -> bool:
        """Whether `target` is meant; a registered function became a scenario class."""
        return self.target is target or self.target is getattr(target, "single_run", self)


# -- Registered metrics, computed from the predictions of runs --

@dataclass(frozen=True, kw_only=True)
class RegisteredMetric:
    """A function of predictions; its parameters are the names of their arrays."""

    name: str
    function: Callable[..., Any]
    goal: Goal
    origin: str = ""


@dataclass(kw_only=True)
class Registered:
    """What has been registered for a project so far."""

    registry: Registry = field(default_factory=Registry)
    tasks: dict[str, Task] = field(default_factory=dict)         # those without a file
    task_folders: list[Path] = field(default_factory=list)
    packages: set[str] = field(default_factory=set)              # top-level packages that code came from
    migrations: dict[str, Migration] = field(default_factory=dict)         # in order
    same_behaviour: list[SameBehaviour] = field(default_factory=list)
    new_defaults: list[NewDefault] = field(default_factory=list)
    metrics: dict[str, RegisteredMetric] = field(default_factory=dict)


class Register:
    """The argument of `hyperspace_register`. Its methods raise `RegistrationError`.

    A component or scenario that cannot be registered is noted, so that all are named at once.
    """

    def __init__(self, contents: Registered, *, origin: str, project: str) -> None:
        self.project = project         # name of the project that is being opened
        self._contents = contents
        self._origin = origin
        self._problems: list[RegistrationError] = []

    def check(self) -> None:
        """Raise one `RegistrationError` for the noted ones."""
        if self._problems:
            raise RegistrationError("\n".join(map(str, self._problems))) from self._problems[0]

    def module(self, module: ModuleType | str) -> None:
        """Register every concrete component class that is defined in a module.

        Families, classes with abstract methods, names that begin with an underscore, and imported classes
        are left out.
        """
        if isinstance(module, str):
            module = importlib.import_module(module)
        if not isinstance(module, ModuleType):
            raise RegistrationError(f"register.module({module!r}): expected a module; register a class with "
                                    "register.component(Family, Class)")
        families = 0
        for name, target in vars(module).items():
            if not isinstance(target, type) or target.__module__ != module.__name__ or name.startswith("_"):
                continue
            family = family_of(target)
            families += family is not None
            if family is not None and not is_abstract(target):
                self.component(family, target)
        if not families:
            raise RegistrationError(f"register.module({module.__name__}): it defines no component; "
                                    "name the module that defines the classes")

    def component(self, family: type, target: Any, name: str | None = None) -> None:
        """Register a class in a family; it may be a third-party class."""
        try:
            self._add(family, target, name)
        except RegistrationError as error:
            self._problems.append(error)

    def _add(self, family: type, target: Any, name: str | None) -> None:
        if isinstance(target, type) and family is Scenario:
            _check_scenario(target)
        elif not callable(target):
            raise RegistrationError(f"register.component(…, {target!r}): expected a class, found "
                                    f"{type(target).__name__}")
        self._contents.registry.add(family, target, name=name, origin=self._origin)
        self._note_package(target)

    def scenario(self, target: Callable[..., Any], name: str | None = None, metric: str | None = None,
                 goal: Goal = "maximize") -> None:
        """Register a plain function as a scenario, with a task of its name.

        Its parameters are the hyper-parameters; it returns a number or a dict with `metric` (default
        `result`). A `Scenario` class gets a task if it can be built without parameters.
        """
        try:
            self._add_scenario(target, name, metric, goal)
        except RegistrationError as error:
            self._problems.append(error)

    def _add_scenario(self, target: Callable[..., Any], name: str | None, metric: str | None,
                      goal: Goal) -> None:
        if goal not in get_args(Goal):
            raise RegistrationError(f"register.scenario(…, goal={goal!r}): expected 'maximize' or 'minimize'")
        made = target if isinstance(target, type) else _scenario_class(target, name)
        label = made.__name__ if name is None else name
        self._add(Scenario, made, label)
        self._note_package(target)
        if any(parameter.required for parameter in signature_of(made).parameters):
            return
        task = check_task_name(label)
        if task in self._contents.tasks:
            # the same scenario again: the catalog refuses another one of the name
            return
        self._contents.tasks[task] = Task(name=task, scenario={CLASS_NAME: label}, origin=self._origin,
                                          metric=Metric(name=metric or Metric().name, goal=goal))

    def metric(self, name: str, function: Callable[..., Any], goal: Goal = "maximize") -> None:
        """Register a metric that `hyperspace rescore` computes from predictions.

        `function`: its parameters receive the arrays of the same names that runs stored with
        `run.log_predictions`; it returns one number: `def error(y_true, y_pred)`.
        """
        where = f"register.metric({name!r}"
        if not is_name(name):
            raise RegistrationError(f"{where}): expected a name of one printable line")
        if goal not in get_args(Goal):
            raise RegistrationError(f"{where}, goal={goal!r}): expected 'maximize' or 'minimize'")
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):
            raise RegistrationError(f"{where}, {function!r}): expected a function of arrays, as in `def "
                                    "error(y_true, y_pred)`") from None
        if any(one.kind is inspect.Parameter.POSITIONAL_ONLY for one in parameters):
            raise RegistrationError(f"{where}): its arguments are passed by name, and one is positional-only")
        made = RegisteredMetric(name=name, function=function, goal=goal, origin=self._origin)
        known = self._contents.metrics.setdefault(name, made)
        if known.function is not function or known.goal != goal:
            raise RegistrationError(f"{where}): registered already by {known.origin}; give one of them "
                                    "another name")

    def tasks(self, place: str | Path | ModuleType) -> None:
        """Register each JSON file of a package or folder as a task of the file's name."""
        for folder in [place] if isinstance(place, Path) else _folders_of(place):
            if not folder.is_dir():
                raise RegistrationError(f"register.tasks({str(folder)!r}): there is no such folder")
            if folder not in self._contents.task_folders:
                self._contents.task_folders.append(folder)

    def migration(self, name: str, *steps: Mapping[str, Any]) -> None:
        """Register a migration of past runs' configs; `hyperspace backfill` applies it.

        `steps` are made by `add`, `rename`, `move`, `map_values` and `rename_class` of
        `hyperspace_core.migrations`, or are such trees. Migrations are applied in the order of
        registration; do not change one that has been applied, but add a new one after it.
        """
        where = f"register.migration({name!r})"
        if not is_name(name) or name != name.strip():
            raise RegistrationError(f"{where}: expected a name of 1 to {MAX_NAME} printable characters")
        try:
            made = Migration(name=name, project=self.project, steps=checked_steps(steps))
        except ConfigError as error:
            raise RegistrationError(f"{where}: {error}") from None
        if self._contents.migrations.setdefault(name, made) != made:
            raise RegistrationError(f"{where}: registered twice, with other steps; give "
                                    "one of them another name")

    def same_behaviour(self, component: type | str, old: str, new: str) -> None:
        """Declare that a class behaves the same under two fingerprints.

        `component`: the class, or its name in a config. `old`, `new`: the fingerprints, or at least their
        first 8 digits.
        """
        label = component if isinstance(component, str) else getattr(component, "__name__", None)
        where = f"register.same_behaviour({label or component!r})"
        if not isinstance(label, str) or not label:
            raise RegistrationError(f"{where}: expected a class, or its name in a config")
        for text in (old, new):
            if not isinstance(text, str) or not _FINGERPRINT.fullmatch(text):
                raise RegistrationError(f"{where}: expected a fingerprint, 8 to 64 of the digits 0-9 a-f, "
                                        f"found {shown(text)}")
        if old == new:
            raise RegistrationError(f"{where}: the old and the new fingerprint are both {old}")
        same = SameBehaviour(component=label, old=old, new=new)
        if same not in self._contents.same_behaviour:
            self._contents.same_behaviour.append(same)

    def new_default(self, target: Callable[..., Any], parameter: str, *, old: Any) -> None:
        """Declare a default that was changed on purpose, for `hyperspace check`.

        `target`: the class, scenario or function that has the parameter. `old`: the previous default, as a
        value or as in a config.
        """
        where = f"register.new_default({getattr(target, '__name__', repr(target))}, {parameter!r})"
        if not callable(target):
            raise RegistrationError(f"{where}: expected the class or function of the parameter")
        known = [name for signature in signatures_of(target).values() for name in signature.by_name]
        if parameter not in known:
            near = did_you_mean(parameter, known) if isinstance(parameter, str) else ""
            raise RegistrationError(f"{where}: there is no such parameter{near}")
        if family_of(type(old)) is not None or is_dataclass(type(old)):
            try:
                old = tree_of(old)
            except RegistrationError as error:
                raise RegistrationError(f"{where}: old: {error}") from None
        if not is_json(old):
            raise RegistrationError(f"{where}: old: expected the default as a config has it, found "
                                    f"{shown(old)}")
        self._contents.new_defaults.append(NewDefault(target=target, parameter=parameter, old=copied(old)))

    def _note_package(self, target: Any) -> None:
        module = getattr(target, "__module__", None)
        if isinstance(module, str):
            self._contents.packages.add(module.partition(".")[0])


def _check_scenario(target: type) -> None:
    if not hasattr(target, "single_run"):
        raise RegistrationError(f"scenario {target.__name__} has no method single_run(); if it is only a "
                                f"base class, name it _{target.__name__}")
    signature_of_method(cast("Any", target), "single_run")


def _scenario_class(function: Callable[..., Any], name: str | None) -> type[Scenario]:
    if not callable(function):
        raise RegistrationError(f"register.scenario({function!r}): expected a function or a Scenario class")
    label = str(name or getattr(function, "__name__", ""))
    if not label.isidentifier() and name is None:
        raise RegistrationError(f"register.scenario({function!r}): the function has no name; give one: "
                                "register.scenario(f, name='train')")
    members = {
        "single_run": staticmethod(function),
        "__doc__": inspect.getdoc(function),
        "__module__": getattr(function, "__module__", __name__),
        "__qualname__": getattr(function, "__qualname__", label),
    }
    return type(label, (Scenario,), members)


def _folders_of(place: str | ModuleType) -> list[Path]:
    if isinstance(place, ModuleType):
        folders = [Path(folder) for folder in getattr(place, "__path__", ())]
        return folders or [Path(str(place.__file__)).parent]
    if "/" in place or "\\" in place:
        return [Path(place)]
    try:
        spec = find_spec(place)
    except ModuleNotFoundError as error:
        raise RegistrationError(f"register.tasks({place!r}): there is no package '{error.name}'") from None
    if spec is None:
        raise RegistrationError(f"register.tasks({place!r}): there is no such package")
    if not spec.submodule_search_locations:
        raise RegistrationError(f"register.tasks({place!r}): it is a module; name the package of JSON files")
    return [Path(folder) for folder in spec.submodule_search_locations]
