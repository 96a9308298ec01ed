"""Load an exported run without a store: components, artifacts, golden data.

This needs only the project's package and core. The project is opened by its entry point, plugins are loaded
only if named, and no module of the queue, the stores, git or the command line is imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from hyperspace_core import errors
from hyperspace_core.config.build import build_value
from hyperspace_core.config.complete import complete_value
from hyperspace_core.config.migrate import applied
from hyperspace_core.config.tree import Tree, is_number, shown, unwrapped
from hyperspace_core.errors import ConfigError, HyperspaceError, NotFound, UnknownClassError, UsageError
from hyperspace_core.extension.manager import Extensions, build_manager, find
from hyperspace_core.extension.project import Project, open_project
from hyperspace_core.markers import PLUGINS_GROUP
from hyperspace_core.production.folder import Exported, meant, part_at, read_folder
from hyperspace_core.records.golden import assembled, label


def load_component(folder: str | Path, name: str | None = None, *, plugins: Collection[str] = ()) -> Any:
    """Build a component of an exported run: a new object with each call.

    `name`: its dotted path, such as `"classifier"`, `"layers.0"`, `"scenario"` or `"scenario.dataset"`.
    Default: the component named at export, else the only component among the hyper-parameters, else the only
    one without a default. For a parameter `Lazy[...]` the result is the factory. `plugins`: names of
    installed plugins whose components the run used.

    Parameters that are newer than the export get their defaults, renamed classes are found by their aliases,
    and the project's migrations are applied. Raises `HyperspaceError` with a one-line message if a file, path
    or class cannot be read, found or built, and any exception of the component's constructor.
    """
    exported = read_folder(folder)
    project = _opened(exported, plugins)
    try:
        scenario, config = _trees(exported, project)
        path = name or exported.manifest["component"] or meant(project, scenario, config)
        part = part_at(project, scenario, config, path)
        tree = complete_value(part.tree, part.kind, project.registry, path=part.path)
    except ConfigError as error:
        more = f" (and {len(error.problems) - 1} more)" if len(error.problems) > 1 else ""
        cure = _cure(exported, project, plugins if isinstance(error, UnknownClassError) else None)
        raise type(error)(f"{exported.folder}: {error.problems[0]}{more}{cure}") from None
    except HyperspaceError as error:
        raise type(error)(f"{exported.folder}: {error}") from None
    try:
        return build_value(tree, part.kind, project.registry, part.path)
    except Exception as error:
        error.add_note(f"while `{part.path}` of {exported.folder} was built")
        raise


def load_artifact(folder: str | Path, name: str) -> Path:
    """The path of an artifact of an exported run; its content is checked.

    Raises `NotFound` for an unknown artifact, `HyperspaceError` for a changed one.
    """
    return read_folder(folder).path(name)


def _opened(exported: Exported, plugins: Collection[str]) -> Project:
    try:
        return open_project(exported.manifest["project"], _extensions(plugins))
    except HyperspaceError as error:
        then = exported.manifest["versions"]["project"]
        name = " ".join(filter(None, (then.get("distribution"), then.get("version"))))
        cure = f"; it was exported with {name}: install this version" if name else ""
        raise type(error)(f"{exported.folder}: {error}{cure}") from None


def _extensions(plugins: Collection[str]) -> Extensions:
    """Load core's own plugins and the named ones."""
    if not plugins:
        return build_manager(discover=False)
    installed = {found.name for found in find(PLUGINS_GROUP)}
    for name in plugins:
        if name not in installed:
            raise UsageError(f"no plugin '{name}' is installed{errors.did_you_mean(name, installed)}")
    extensions = build_manager(disable=installed - set(plugins))
    extensions.require_whole()
    return extensions


def _trees(exported: Exported, project: Project) -> tuple[Tree, Tree]:
    """Scenario and config, with the project's later migrations applied."""
    scenario, config = exported.manifest["scenario"], exported.manifest["config"]
    for migration in project.migrations:
        if migration.name not in exported.manifest["migrated"]:
            scenario, config = applied(migration.steps, scenario, config)
    return scenario, config


def _cure(exported: Exported, project: Project, plugins: Collection[str] | None) -> str:
    """Say how to fix a config that does not fit; `plugins`: for a missing class."""
    used = exported.manifest["versions"].get("plugins") or ()
    left_out = [] if plugins is None else [name for name in used if name not in plugins]
    of_plugin = f"; if a plugin has the class: plugins=[...] of {', '.join(left_out)}" if left_out else ""
    then = exported.manifest["versions"]["project"].get("version")
    here = "its code has changed since" if then == project.version else f"installed is {project.version}"
    return (f" (exported with {project.distribution} {then or 'of an unknown version'}, {here}: install the "
            f"version of the export, or keep old names as `aliases`{of_plugin})")


# -- Find the first difference between two values: plain values and arrays --

def first_difference(expected: Any, found: Any, tolerance: float, path: str) -> str | None:
    """Describe the first difference (`path: expected 0.5, got 0.7`), or return None.

    Numbers agree if they differ by at most `tolerance`, absolute or relative to the larger one; NaN agrees
    with NaN. Tuples count as lists. An expected array is compared with `numpy.asarray(found)`.
    """
    if _is_array(expected):
        return _arrays(expected, found, tolerance, path)
    expected, found = unwrapped(expected), unwrapped(found)
    if isinstance(expected, Mapping):
        return _sections(expected, found, tolerance, path)
    if isinstance(expected, list | tuple):
        return _lists(expected, found, tolerance, path)
    if is_number(expected) and is_number(found):
        agree = (expected == found or (math.isnan(expected) and math.isnan(found))
                 or math.isclose(expected, found, rel_tol=tolerance, abs_tol=tolerance))
        return None if agree else _message(path, expected, found)
    same = type(expected) is type(found) and expected == found
    return None if same else _message(path, expected, found)


def _sections(expected: Mapping[str, Any], found: Any, tolerance: float, path: str) -> str | None:
    if not isinstance(found, Mapping):
        return f"{path}: expected a dict, got {shown(found)}"
    for key, value in expected.items():
        if key not in found:
            return f"{path}: {key!r} is missing"
        differs = first_difference(value, found[key], tolerance, f"{path}.{key}")
        if differs:
            return differs
    extra = next((key for key in found if key not in expected), None)
    return None if extra is None else f"{path}: {extra!r} was not expected"


def _lists(expected: list[Any] | tuple[Any, ...], found: Any, tolerance: float, path: str) -> str | None:
    if _is_array(found):
        found = found.tolist()
    if not isinstance(found, list | tuple):
        return f"{path}: expected a list, got {shown(found)}"
    if len(expected) != len(found):
        return f"{path}: expected {len(expected)} items, got {len(found)}"
    pairs = enumerate(zip(expected, found, strict=True))
    return next(filter(None, (first_difference(one, other, tolerance, f"{path}[{index}]")
                              for index, (one, other) in pairs)), None)


def _arrays(expected: Any, found: Any, tolerance: float, path: str) -> str | None:
    import numpy

    try:
        other = numpy.asarray(found)
    except (TypeError, ValueError):        # lists of uneven lengths
        return f"{path}: expected an array of shape {expected.shape}, got {shown(found)}"
    if expected.shape != other.shape:
        return f"{path}: expected an array of shape {expected.shape}, got {other.shape}"
    if _numeric(expected) and _numeric(other):
        agree = (expected == other) | numpy.isclose(other, expected, rtol=tolerance, atol=tolerance,
                                                    equal_nan=True)
    else:
        agree = numpy.asarray(expected == other) & (_numeric(expected) == _numeric(other))
    if agree.all():
        return None
    first = tuple(int(index) for index in numpy.argwhere(~agree)[0])
    at = f"{path}[{', '.join(map(str, first))}]"
    count = int((~agree).sum())
    more = f" ({count} of {expected.size} values differ)" if count > 1 else ""
    return _message(at, expected[first], other[first]) + more


def _numeric(array: Any) -> bool:
    return array.dtype.kind in "biufc"


def _is_array(value: Any) -> bool:
    return hasattr(value, "dtype") and getattr(value, "shape", ()) != ()


def _message(path: str, expected: Any, found: Any) -> str:
    one, other = unwrapped(expected), unwrapped(found)
    if type(one) is type(other):
        return f"{path}: expected {shown(one).partition(' ')[2]}, got {shown(other).partition(' ')[2]}"
    return f"{path}: expected {shown(one)}, got {shown(other)}"


# -- Golden data of an exported run: check a service against the run --

class GoldenDiffers(HyperspaceError):
    """The outputs differ from the golden data; names the first difference."""

    exit_code = errors.ExitCode.FAILED


def golden(folder: str | Path, name: str = "default") -> tuple[Any, Any]:
    """Read golden inputs and outputs, as stored with `run.log_golden`.

    Arrays are numpy arrays. Raises `NotFound` for an unknown name, `HyperspaceError` for unreadable files.
    """
    exported = read_folder(folder)
    known = exported.manifest["golden"]
    if name not in known:
        has = f"it has {', '.join(known)}" if known else "the scenario logs none with run.log_golden(...)"
        raise NotFound(f"{exported.folder}: no golden data {name!r} was exported"
                       f"{errors.did_you_mean(name, known) or f'; {has}'}")
    return _side(exported, name, "inputs"), _side(exported, name, "outputs")


def check_golden(folder: str | Path, function: Callable[[Any], Any], name: str = "default",
                 tolerance: float = 0.0) -> None:
    """Call `function` with the golden inputs and compare with the outputs.

    `tolerance`: largest allowed difference of numbers, absolute or relative to the larger one. Raises
    `GoldenDiffers` with the first difference in one line, and the exceptions of `golden` and `function`.
    """
    if not 0 <= tolerance < math.inf:
        raise UsageError(f"check_golden: tolerance must be a number >= 0, got {tolerance!r}")
    inputs, outputs = golden(folder, name)
    differs = first_difference(outputs, function(inputs), tolerance, "outputs")
    if differs:
        within = f" within {tolerance:g}" if tolerance else ""
        raise GoldenDiffers(f"{folder}: golden data {name!r} does not match{within}: {differs}")


def _side(exported: Exported, name: str, side: str) -> Any:
    try:
        return assembled(side, lambda file: exported.path(label(name, file)).read_bytes())
    except (ValueError, EOFError, OSError, ImportError) as error:
        raise HyperspaceError(f"{exported.folder}: the {side} of golden data {name!r} cannot be read "
                              f"({error})") from None
