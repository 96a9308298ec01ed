"""Open a store by its URL. Plugins offer schemes, imported on first use."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperspace_core.errors import RegistrationError, StoreError, did_you_mean
from hyperspace_core.extension.features import install_command, plugin_of_scheme, schemes_of_plugins
from hyperspace_core.extension.manager import LOAD_ERRORS, Extensions, why_not_imported
from hyperspace_core.markers import hookimpl

if TYPE_CHECKING:
    from hyperspace_core.storage import Store

# -- Addresses of stores: complete a typed address to a URL, and hide its password --

VARIABLE = "HYPERSPACE_STORAGE"
SQLITE = "sqlite"
SERVERS = ("mongodb", "mongodb+srv")       # these need a host; other schemes may name a file

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_PATH = re.compile(r"/|~|\.{1,2}[/\\]|[A-Za-z]:\\")
_FILE = re.compile(r"\.(db|sqlite3?)$", re.IGNORECASE)
_SECRET_OPTION = re.compile(
    r"([?&;][^=&;]*(?:pass|secret|token|key|credential|mechanismproperties)[^=&;]*=)[^&;]*", re.IGNORECASE)


class StoreUrl(str):
    """A complete URL. Its `repr`, which tracebacks show, hides the password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redact(self))


def resolve_url(text: str | None, project: str) -> str:
    """The complete URL of the store that `text` means for a project.

    None or "": `HYPERSPACE_STORAGE`, else a SQLite file in the user's data folder. A path that ends in `.db`
    is a SQLite file, relative to the current folder; `host` or `host:port` is MongoDB. A URL without a
    database means the database named after the project; a plugin's URL without a host (`mine:///runs.db`)
    means a file. Raises `StoreError` with the password hidden.
    """
    return StoreUrl(_resolved((text or "").strip() or os.environ.get(VARIABLE, "").strip(), project))


def _resolved(written: str, project: str) -> str:
    if not written:
        return f"sqlite:///{_data_folder() / f'{project}.db'}"
    match = _SCHEME.fullmatch(written)
    if match is None:
        return _without_scheme(written, project)
    scheme, rest = match[1].lower(), match[2]
    if scheme == SQLITE:
        return _sqlite(rest)
    if rest.startswith("/") and scheme not in SERVERS:
        return _file(scheme, rest)
    return _server(scheme, rest, project)


def read_url(file: Path) -> str:
    """The first line of a file. Raises `StoreError` if it is empty, `OSError`."""
    try:
        written = file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except UnicodeDecodeError:
        raise StoreError(f"{file}: is not text; its first line must be the URL of the store") from None
    if not written:
        raise StoreError(f"{file}: its first line is empty; it must be the URL of the store")
    return written


def redact(url: str) -> str:
    """The URL for people and logs: passwords and secret options become `***`."""
    scheme, separator, rest = url.rpartition("://") if "://" in url else ("", "", url)
    # split at the last "@": if a password has an unescaped one, rather hide too much than too little
    user, at, hosts = rest.rpartition("@")
    name, colon, _ = user.partition(":")
    shown = f"{scheme}{separator}{name}{':***' if colon else ''}{at}{hosts}"
    return _SECRET_OPTION.sub(r"\1***", shown)


def _data_folder() -> Path:
    from platformdirs import user_data_path

    return user_data_path("hyperspace", appauthor=False)


def _without_scheme(written: str, project: str) -> str:
    if re.match(r"sqlite3?:", written, re.IGNORECASE):
        path = written.partition(":")[2].lstrip("/")
        raise StoreError(f"storage {written!r}: write sqlite:///{path} for a file in the current folder, or "
                         f"sqlite:////{path} for an absolute path")
    if _FILE.search(written) or _PATH.match(written):
        return _sqlite("/" + written)
    return _server("mongodb", written, project)


def _sqlite(rest: str) -> str:
    """The URL of a SQLite file; `rest` is "/" and a relative or absolute path."""
    if not rest.startswith("/"):
        if "@" in rest:                    # meant for a server: the part before it may be a password
            raise StoreError(f"storage '{redact(f'sqlite://{rest}')}': SQLite has no host and no user; write "
                             "sqlite:////folder/runs.db")
        raise StoreError(f"storage 'sqlite://{rest}': SQLite has no host; write sqlite:///{rest} for a file "
                         f"in the current folder, or sqlite:////{rest} for an absolute path")
    return _file(SQLITE, rest)


def _file(scheme: str, rest: str) -> str:
    path = rest[1:]
    if not path.strip("/"):
        raise StoreError(f"storage '{scheme}://{rest}': names no file; write {scheme}:///runs.db")
    if "\0" in path:
        raise StoreError("storage: the path holds a NUL character")
    return f"{scheme}:///{Path(path).expanduser().absolute()}"


def _server(scheme: str, rest: str, project: str) -> str:
    before, _, options = rest.partition("?")
    authority, _, path = before.partition("/")
    if "@" in path or "@" in options:
        # "u:p/w@host" and "u:p?w@host": the password ends the authority too early
        authority = rest.rpartition("@")[0] + "@"
    where = f"storage '{redact(f'{scheme}://{rest}')}'"
    user, _, hosts = authority.rpartition("@")
    if "@" in user or (user and any(c in user for c in "/?#[]")) or user.count(":") > 1:
        raise StoreError(f"{where}: the user name or password holds a character that must be escaped "
                         "(@ as %40, : as %3A, / as %2F, ? as %3F)")
    if not hosts:
        raise StoreError(f"{where}: names no host; write {scheme}://host/{project}")
    if re.search(r"\s", rest):
        raise StoreError(f"{where}: holds a space")
    for host in hosts.split(","):
        _check_host(where, host)
    at_user, name = f"{user}@" if user else "", path or project
    return f"{scheme}://{at_user}{hosts}{f'/{name}' if name else ''}{f'?{options}' if options else ''}"


def _check_host(where: str, host: str) -> None:
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(?::(.*))?", host)
    if match is None or ":" in (match[2] or ""):
        raise StoreError(f"{where}: {host!r} is no host; write an IPv6 address in brackets")
    name, port = match.groups()
    if not name:
        raise StoreError(f"{where}: names no host")
    if port is not None and not (re.fullmatch(r"[0-9]{1,5}", port) and 1 <= int(port) <= 65535):
        raise StoreError(f"{where}: port must be 1-65535, found {port!r}")


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
    module, _, function = offer.target.partition(":")
    try:
        opener: Callable[[str, str | None], Store] = getattr(importlib.import_module(module), function)
    except LOAD_ERRORS as error:
        raise StoreError(f"storage '{redact(url)}': the {offer.label} store cannot be loaded: "
                         f"{why_not_imported(error, module)}") from error
    return opener(url, project)


def _unknown_scheme(url: str, scheme: str, known: dict[str, Offer], extensions: Extensions) -> str:
    served = ", ".join(f"{name}://" for name in sorted(known))
    plugin = plugin_of_scheme(scheme.lower())
    if plugin:
        cure = f"install the plugin: {install_command(plugin)}"
    else:
        cure = f"known are {served}{did_you_mean(scheme, [*known, *schemes_of_plugins()])}"
    broken = "".join(f" ({one})" for one in extensions.broken)
    return f"storage '{redact(url)}': no installed plugin serves {scheme}://; {cure}{broken}"
