"""Translate errors of driver and server into one line: host and next step.

No line contains the password: addresses are redacted, and texts of the driver are used only if they name no
address with a user.
"""

from __future__ import annotations

import re
import socket

from bson.errors import BSONError
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WTimeoutError,
)

from hyperspace_core.errors import HyperspaceError, StoreError, StoreUnavailable, ValueNotStorable
from hyperspace_core.plugin import redact

# errors of the driver and BSON; other errors are bugs of ours
COMPLAINTS = (PyMongoError, BSONError, UnicodeEncodeError, OverflowError, RecursionError)

_LOGIN = {18, 11, 334, 8000}           # AuthenticationFailed, UserNotFound, MechanismUnavailable, Atlas' own
_RIGHTS = {13, 33}                     # Unauthorized
_TOO_LARGE = {10334, 17280, 17419, 17420}
# stepping down, starting up, no majority in time, a lasting conflict: a retry may help
_PASSES = {6, 7, 24, 50, 64, 89, 91, 112, 189, 202, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436}
_DISK = {14031, 28, 365}


def explained(error: BaseException, shown: str) -> HyperspaceError:
    """The error that a verb raises for `error`; `shown` is the redacted address."""
    found = _of_values(error)
    if found is not None:
        return found
    if isinstance(error, ServerSelectionTimeoutError):
        return _unreachable(error, shown)
    if isinstance(error, OperationFailure):
        return _of_server(error, shown)
    if isinstance(error, ConfigurationError):
        return _of_settings(error, shown)
    if isinstance(error, ConnectionFailure):
        return _broken_off(error, shown)
    return StoreError(f"{shown}: {type(error).__name__}: {_plain(error)}")


def _of_values(error: BaseException) -> ValueNotStorable | None:
    if isinstance(error, UnicodeEncodeError):
        return ValueNotStorable(f"{ascii(error.object)[:60]}: text holds half of a surrogate pair at "
                                f"position {error.start}; encode it first, for example with os.fsencode")
    if isinstance(error, OverflowError):
        return ValueNotStorable("integer too large (limit 64 bit)")
    return too_large() if isinstance(error, DocumentTooLarge) else None


def too_large(path: str = "the run") -> ValueNotStorable:
    return ValueNotStorable(f"{path}: too large for one document of MongoDB (16 MB); log long values with "
                            "log_artifact(), or as points of a series")


def is_duplicate(error: BaseException) -> bool:
    return isinstance(error, DuplicateKeyError) or getattr(error, "code", None) == 11000


def is_forbidden(error: BaseException) -> bool:
    return isinstance(error, OperationFailure) and error.code in _RIGHTS


def _of_server(error: OperationFailure, shown: str) -> HyperspaceError:
    code = error.code or 0
    if code in _LOGIN:
        return StoreError(f"{shown}: the server refuses the user or the password; check both, and whether "
                          "the user lives in another database (?authSource=admin)")
    if code in _RIGHTS:
        return StoreError(f"{shown}: the user has no right to do this ({_plain(error)[:120]}); grant it the "
                          "role readWrite on this database, or log in (mongodb://USER:PASSWORD@HOST/…)")
    if code in _TOO_LARGE or "larger than" in str(error):
        return too_large()
    if code in _DISK or "No space left" in str(error):
        return StoreError(f"{shown}: the server's disk is full; make room there, or remove what nothing "
                          "names any more with `hyperspace store gc`")
    if isinstance(error, ExecutionTimeout | WTimeoutError | WriteConcernError) or code in _PASSES:
        return StoreUnavailable(f"{shown}: the server timed out ({_plain(error)[:120]}); "
                                "trying again may help")
    return StoreError(f"{shown}: the server refuses: {_plain(error)[:200]} (code {code})")


def _of_settings(error: ConfigurationError, shown: str) -> HyperspaceError:
    text = _plain(error)
    if "srv" in shown.partition(":")[0] and ("DNS" in text or "resolution" in text):
        return StoreUnavailable(f"{shown}: DNS knows no such MongoDB service ({text[:120]}); check the name")
    return StoreError(f"{shown}: {text[:300]}")


def _unreachable(error: ServerSelectionTimeoutError, shown: str) -> HyperspaceError:
    """No server is available; the driver names the cause for each host before it describes them all."""
    cause = str(error).partition(", Timeout:")[0]
    found = _cause(error, cause, shown)
    if found is not None:
        return found
    if "primary" in cause or "No replica set members" in cause:
        return StoreUnavailable(f"{shown}: no server takes writes now (a replica set without a primary); "
                                "trying again may help")
    return StoreUnavailable(f"{shown}: no answer within the time; is the server running, and does a firewall "
                            "let you through? (?timeoutMS=… in the URL waits longer)")


def _broken_off(error: ConnectionFailure, shown: str) -> HyperspaceError:
    found = _cause(error, str(error), shown)
    if found is not None:
        return found
    if isinstance(error, NetworkTimeout):
        return StoreUnavailable(f"{shown}: no answer within the time; trying again may help (?timeoutMS=… in "
                                "the URL waits longer)")
    kind = "was lost" if isinstance(error, AutoReconnect) else "failed"
    return StoreUnavailable(f"{shown}: the connection {kind}; trying again may help")


def _cause(error: BaseException, text: str, shown: str) -> HyperspaceError | None:
    """The message for a known cause: refused, DNS, certificate."""
    chain = [error, error.__cause__, error.__context__]
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate" in text.lower():
        return StoreError(f"{shown}: the server's certificate is not trusted "
                          f"({_reason(text)}); name your authority's file with ?tlsCAFile=FILE")
    if "SSL" in text or "TLS" in text or "EOF occurred in violation" in text:
        return StoreUnavailable(f"{shown}: no TLS connection ({_reason(text)}); hyperspace uses TLS for "
                                "every server that is not on this machine: switch it on there, or say "
                                "?tls=false in the URL if this network may see everything")
    if any(isinstance(one, socket.gaierror) for one in chain) or re.search(
            r"getaddrinfo|name resolution|Name or service not known|nodename nor servname|No address", text):
        return StoreUnavailable(f"{shown}: DNS does not know this host; check the name")
    if any(isinstance(one, ConnectionRefusedError) for one in chain) or "refused" in text:
        return StoreUnavailable(f"{shown}: nothing listens there (connection refused); start the server, or "
                                "check host and port")
    return None


def _reason(text: str) -> str:
    match = re.search(r"\[SSL[^\]]*\]\s*([^(]*?)\s*\(|certificate verify failed: ([^(]*)", text)
    return (next((part for part in match.groups() if part), "") if match else text)[:120].strip()


def _plain(error: BaseException) -> str:
    """The text on one line, without the driver's appendix and without a password."""
    text = str(error).partition(", full error:")[0].partition(" (configured timeouts:")[0]
    text = re.sub(r"\S+://\S+", lambda match: redact(match[0]), text)
    return " ".join(text.split())
