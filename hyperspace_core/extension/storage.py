"""Open a store by its URL. Plugins offer schemes, imported on first use."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperspace_core.errors import RegistrationError, StoreError, did_you_mean
from hyperspace_core.extension.address import redact, resolve_url
from hyperspace_core.extension.causes import LOAD_ERRORS, why_not_imported
from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.storage import Store

__all__ = ["Offer", "StorageRegister", "offers", "open_store", "redact", "resolve_url"]

# schemes of first-party plugins, which may not be installed
_KNOWN_PLUGINS = {"mongodb": "hyperspace-mongodb", "mongodb+srv": "hyperspace-mongodb"}


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A kind of store: scheme, function that opens it, label and plugin."""

    scheme: str
    target: str                    # "package.module:function", called with (url, project)
    label: str
    plugin: str


class StorageRegister:
    """The argument of `hyperspace_storage`."""

    def __init__(self) -> None:
        self._offers: dict[str, Offer] = {}

    def scheme(self, scheme: str, target: str, label: str = "") -> None:
        """Offer to open `scheme://…` by `target`, "package.module:function", called with `(url, project)`.

        Raises `RegistrationError` for a scheme that another plugin serves.
        """
        name = scheme.lower()
        module, colon, function = target.partition(":")
        if not (module and colon and function):
            raise RegistrationError(f"store {scheme}://: expected 'package.module:function', not {target!r}")
        # the plugin's name comes from the target, so that it cannot use another's name
        plugin = module.partition(".")[0]
        taken = self._offers.get(name)
        if taken is not None and taken.target != target:
            raise RegistrationError(f"{name}:// is offered by {taken.plugin} and {plugin}; uninstall one")
        self._offers[name] = Offer(scheme=name, target=target, label=label or name, plugin=plugin)

    def offers(self) -> dict[str, Offer]:
        return dict(self._offers)


@hookimpl
def hyperspace_storage(register: StorageRegister) -> None:
    register.scheme("sqlite", "hyperspace_core.stores.sqlite:open_store", "SQLite")


def offers(extensions: Extensions) -> dict[str, Offer]:
    """The stores that the plugins offer, by scheme; reports plugins that fail."""
    while True:
        register = StorageRegister()
        for plugin, answer in extensions.each("hyperspace_storage", register=register):
            if isinstance(answer, BaseException):
                extensions.report_broken(plugin, answer)
                break
        else:
            return register.offers()


def open_store(url: str, extensions: Extensions, project: str | None = None) -> Store:
    """Open the store at a URL as `resolve_url` gives it.

    Raises `StoreError` for an unknown scheme, with the plugin to install, and for a store that cannot be
    opened; `StoreUnavailable` if a retry may help.
    """
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise StoreError(f"storage {url!r}: not a URL; write scheme://…, as in sqlite:///runs.db")
    known = offers(extensions)
    offer = known.get(scheme.lower())
    if offer is None:
        raise StoreError(_unknown_scheme(url, scheme, known, extensions))
    store: Store = _opener(offer, url)(url, project)
    return store


def _opener(offer: Offer, url: str) -> Callable[[str, str | None], Store]:
    module, _, function = offer.target.partition(":")
    try:
        opener: Callable[[str, str | None], Store] = getattr(importlib.import_module(module), function)
    except LOAD_ERRORS as error:
        raise StoreError(f"storage '{redact(url)}': the {offer.label} store cannot be loaded: "
                         f"{why_not_imported(error, module)}") from error
    return opener


def _unknown_scheme(url: str, scheme: str, known: dict[str, Offer], extensions: Extensions) -> str:
    served = ", ".join(f"{name}://" for name in sorted(known))
    plugin = _KNOWN_PLUGINS.get(scheme.lower())
    if plugin:
        cure = f"install the plugin: pip install {plugin}"
    else:
        cure = f"known are {served}{did_you_mean(scheme, [*known, *_KNOWN_PLUGINS])}"
    broken = "".join(f" ({one})" for one in extensions.broken)
    return f"storage '{redact(url)}': no installed plugin serves {scheme}://; {cure}{broken}"
