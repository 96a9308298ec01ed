"""Declarations of a project: migrations, changed defaults, unchanged behaviour."""

from __future__ import annotations

import re
from dataclasses import dataclass, is_dataclass
from typing import Any, cast

from hyperspace_core.components import Scenario
from hyperspace_core.config.annotations import family_of
from hyperspace_core.config.instances import tree_of
from hyperspace_core.config.reading import Signature
from hyperspace_core.config.schema import signature_of, signature_of_method
from hyperspace_core.config.steps import checked_steps
from hyperspace_core.config.tree import copied, is_json, shown
from hyperspace_core.errors import ConfigError, RegistrationError, did_you_mean
from hyperspace_core.records.logged import MAX_NAME, is_name
from hyperspace_core.records.migration import Migration

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


def declared_migration(project: str, name: Any, steps: tuple[Any, ...]) -> Migration:
    """Check a migration. Raises `RegistrationError`."""
    where = f"register.migration({name!r})"
    if not isinstance(name, str) or not is_name(name) or name != name.strip():
        raise RegistrationError(f"{where}: expected a name of 1 to {MAX_NAME} printable characters")
    try:
        return Migration(name=name, project=project, steps=checked_steps(steps))
    except ConfigError as error:
        raise RegistrationError(f"{where}: {error}") from None


def declared_same(component: Any, old: Any, new: Any) -> SameBehaviour:
    """Check two fingerprints. Raises `RegistrationError`."""
    name = component if isinstance(component, str) else getattr(component, "__name__", None)
    where = f"register.same_behaviour({name or component!r})"
    if not isinstance(name, str) or not name:
        raise RegistrationError(f"{where}: expected a class, or its name in a config")
    for text in (old, new):
        if not isinstance(text, str) or not _FINGERPRINT.fullmatch(text):
            raise RegistrationError(f"{where}: expected a fingerprint, 8 to 64 of the digits 0-9 a-f, found "
                                    f"{shown(text)}")
    if old == new:
        raise RegistrationError(f"{where}: the old and the new fingerprint are both {old}")
    return SameBehaviour(component=name, old=old, new=new)


def declared_default(target: Any, parameter: Any, old: Any) -> NewDefault:
    """Check a changed default. Raises `RegistrationError`."""
    where = f"register.new_default({getattr(target, '__name__', repr(target))}, {parameter!r})"
    if not callable(target):
        raise RegistrationError(f"{where}: expected the class or function of the parameter")
    known = [name for signature in _signatures(target) for name in signature.by_name]
    if parameter not in known:
        near = did_you_mean(parameter, known) if isinstance(parameter, str) else ""
        raise RegistrationError(f"{where}: there is no such parameter{near}")
    if family_of(type(old)) is not None or is_dataclass(type(old)):
        try:
            old = tree_of(old)
        except RegistrationError as error:
            raise RegistrationError(f"{where}: old: {error}") from None
    if not is_json(old):
        raise RegistrationError(f"{where}: old: expected the default as a config has it, found {shown(old)}")
    return NewDefault(target=target, parameter=parameter, old=copied(old))


def _signatures(target: Any) -> list[Signature]:
    """The parameters in a config: of a scenario also those of its `single_run`."""
    own = [signature_of(target)]
    if family_of(target) is Scenario and hasattr(target, "single_run"):
        own.append(signature_of_method(cast("Any", target), "single_run"))
    return own
