"""Open the database of a URL: options, TLS for remote hosts, timeouts."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from bson.codec_options import TypeDecoder, TypeRegistry
from bson.int64 import Int64
from pymongo import MongoClient
from pymongo.common import URI_OPTIONS_VALIDATOR_MAP

from hyperspace_core.errors import StoreError, StoreUnavailable, did_you_mean
from hyperspace_core.plugin import redact, resolve_url
from hyperspace_core.storage import QueueSettings
from hyperspace_mongodb import schema
from hyperspace_mongodb.connection import Client, Database
from hyperspace_mongodb.errors import COMPLAINTS, explained
from hyperspace_mongodb.server_checks import look_at, notes

SHORTEST_S, LONGEST_S = 0.5, 30.0      # limit of one operation for any TTL

_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?|.*(%2F|/).*\.sock", re.IGNORECASE)
# spellings that the driver accepts although its own table has only the new names
_ALSO = ("ssl", "sslcertificateauthorityfile", "j", "wtimeout")


class _PlainIntegers(TypeDecoder):
    """Convert the driver's 64-bit integers, a subclass of `int` that msgspec does not encode."""

    bson_type = Int64

    def transform_bson(self, value: Any) -> int:
        return int(value)


def opened(url: str, project: str | None) -> Database:
    """The database at the URL, after it has answered. Raises `StoreError` and `StoreUnavailable`."""
    address = resolve_url(url, project or "")
    shown = redact(address)
    name = _database_name(address, shown)
    options = _options(address, shown)
    database = _connected(address, shown, name, project, _client_settings(address, options, None))
    try:
        ttl_s = _ttl_of(database)
        if ttl_s is not None and ttl_s != QueueSettings().ttl_s and "timeoutms" not in options:
            settings = _client_settings(address, options, ttl_s)
            database.close()
            database = _connected(address, shown, name, project, settings)
        with database.using():
            schema.look(database)
    except BaseException:
        database.close()
        raise
    return database


def patience_s(ttl_s: float) -> float:
    """The timeout of one operation: a hanging heartbeat must end long before the lease does."""
    return min(max(ttl_s / 6, SHORTEST_S), LONGEST_S)


def _connected(address: str, shown: str, name: str, project: str | None,
               settings: Mapping[str, Any]) -> Database:
    try:
        # the driver only warns about an invalid value and continues without it
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            client: Client = MongoClient(address, **settings)
    except UserWarning as error:
        raise StoreError(f"{shown}: {error}") from error
    except COMPLAINTS as error:
        raise explained(error, shown) from error
    except (ValueError, TypeError, OSError) as error:      # validated by the driver
        raise StoreError(f"{shown}: {' '.join(str(error).split())}") from error
    try:
        database = Database(client, name, shown=shown, project=project, make_schema=schema.make)
        database.advice = lambda: notes(look_at(client, address, settings))
        with database.using():
            database.now()                 # the first query: now it must answer
    except StoreUnavailable as error:
        client.close()
        raise _perhaps_tls(error, settings, address) from error
    except BaseException:
        client.close()
        raise
    return database


def _perhaps_tls(error: StoreUnavailable, settings: Mapping[str, Any], address: str) -> StoreUnavailable:
    """Add a hint: a server without TLS may not answer a TLS handshake."""
    text = str(error)
    if "tls=false" in text or "refused" in text or "DNS" in text:
        return error
    if re.search(r"[?&;](tls|ssl)=true", address, re.IGNORECASE):
        return StoreUnavailable(f"{text}; the URL asks for TLS: does the server use it?")
    if not settings.get("tls"):
        return error
    return StoreUnavailable(f"{text}; hyperspace uses TLS for every server that is not on this machine: if "
                            "that one has none, say ?tls=false in the URL")


def _client_settings(address: str, options: Mapping[str, str], ttl_s: float | None) -> dict[str, Any]:
    """Majority and journal: neither a fail-over nor a power cut loses an acknowledged write.

    Without `timeoutMS` the driver would wait forever on a half-open connection.
    """
    patience_ms = round(1000 * patience_s(QueueSettings().ttl_s if ttl_s is None else ttl_s))
    settings: dict[str, Any] = {"w": "majority", "journal": True, "retryWrites": True,
                                "readPreference": "primary", "tz_aware": True, "connect": False,
                                "type_registry": TypeRegistry([_PlainIntegers()])}
    for option in ("timeoutMS", "serverSelectionTimeoutMS"):
        if option.casefold() not in options:
            settings[option] = patience_ms
    if "timeoutms" in options and "serverselectiontimeoutms" not in options:
        settings["serverSelectionTimeoutMS"] = _milliseconds(options["timeoutms"], patience_ms)
    if "appname" not in options:
        settings["appname"] = "hyperspace"
    if not {"tls", "ssl"} & set(options) and not _is_local(address):
        settings["tls"] = True
    return settings


def _milliseconds(text: str, otherwise: int) -> int:
    return int(text) if text.isdigit() and int(text) > 0 else otherwise


def _options(address: str, shown: str) -> dict[str, str]:
    """The options of the URL, by lower-case name. Raises `StoreError` for an unknown option."""
    text = address.partition("?")[2]
    options = {}
    for part in re.split("[&;]", text) if text else []:
        name, equals, value = part.partition("=")
        known = name.casefold() in URI_OPTIONS_VALIDATOR_MAP or name.casefold() in _ALSO
        if not equals or not known:
            nearest = did_you_mean(name, [*map(str, URI_OPTIONS_VALIDATOR_MAP)])
            raise StoreError(f"{shown}: unknown option {name!r}{nearest}")
        options[name.casefold()] = unquote(value)
    if options.get("timeoutms", "").strip() == "0":
        raise StoreError(f"{shown}: timeoutMS=0 would wait forever; give a number of milliseconds")
    return options


def _database_name(address: str, shown: str) -> str:
    before = address.partition("?")[0]
    name = unquote(before.partition("://")[2].partition("/")[2])
    if not name:
        raise StoreError(f"{shown}: names no database; write mongodb://HOST/NAME")
    if len(name.encode()) > 63 or re.search(r'[/\\. "$*<>:|?\0]', name):
        raise StoreError(f"{shown}: {name!r} cannot name a database; use letters, digits, - and _")
    return name


def _is_local(address: str) -> bool:
    """Whether all hosts are this machine: local connections need no TLS."""
    scheme, _, rest = address.partition("://")
    hosts = rest.partition("?")[0].partition("/")[0].rpartition("@")[2]
    return scheme == "mongodb" and all(_LOOPBACK.fullmatch(host) for host in hosts.split(","))


def _ttl_of(database: Database) -> float | None:
    if database.project is None:
        return None
    with database.using():
        found = database.projects.find_one({"_id": {"$eq": database.project}})
    ttl_s = None if found is None else found.get("ttl_s")
    # invalid values are reported by the reader of the settings
    return float(ttl_s) if isinstance(ttl_s, int | float) else None
