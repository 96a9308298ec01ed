"""Check the server of a store: open access, old versions, wrong clocks.

`look_at` queries the server; `notes` evaluates the answers without queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pymongo import MongoClient

# As of 2026-11-25.
# https://jira.mongodb.org/browse/SERVER-115508: the first patch of each series without CVE-2025-14847
FIRST_SAFE = {(4, 4): 30, (5, 0): 32, (6, 0): 27, (7, 0): 28, (8, 0): 17, (8, 2): 3}
NEVER_MENDED = ((3, 6), (4, 0), (4, 2))
# https://www.mongodb.com/legal/support-policy/lifecycles: 6.0 ended in July 2025, 7.0 ends in August 2027
OLDEST_WITH_FIXES = (7, 0)
CURRENT = "8.0"

SKEW_S = 10.0                      # machines with NTP agree within one second
UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
# what a second client needs to reach the same server, without credentials
_CONNECTION = ("tls", "ssl", "replicaset", "directconnection", "loadbalanced", "timeoutms",
               "serverselectiontimeoutms")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about the server, from its answers and from the connection."""

    hosts: tuple[str, ...]                 # without ports
    tls: bool
    open: bool                             # the server answers without a user name
    hello: Mapping[str, Any]
    build: Mapping[str, Any]
    engine: Mapping[str, Any]              # `serverStatus().storageEngine`; empty if not permitted
    ahead_s: float = 0.0                   # relative to this machine's clock


def notes(facts: Facts) -> tuple[str, ...]:
    """One line for each problem, "problem -> cure"; none if there are none."""
    return (*_access(facts), *_version(facts.build), *_durability(facts), *_clock(facts.ahead_s))


def look_at(client: MongoClient[Any], url: str, settings: Mapping[str, Any] = MappingProxyType({})) -> Facts:
    """Query the server of a client that was opened with this URL and these settings.

    Raises pymongo's errors if it does not answer; queries that this user may not run are left out.
    """
    from pymongo.uri_parser import parse_uri

    before = datetime.now(UTC)
    hello = client.admin.command("hello")
    middle = before + (datetime.now(UTC) - before) / 2
    parsed = parse_uri(url)
    options = {name.lower(): value for name, value in {**settings, **parsed["options"]}.items()}
    return Facts(
        hosts=tuple(host for host, _ in parsed["nodelist"]), hello=hello,
        tls=bool(options.get("tls", options.get("ssl", False))),
        open=_answers_strangers(parsed["nodelist"], parsed["database"] or "admin", options),
        build=client.admin.command("buildInfo"), engine=_engine(client),
        ahead_s=(_aware(hello["localTime"]) - middle).total_seconds())


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _answers_strangers(nodes: Iterable[tuple[str, int | None]], database: str,
                       options: Mapping[str, Any]) -> bool:
    """Whether a second client without user name and password may read."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    hosts = [host if port is None else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
             for host, port in nodes]
    same = {name: value for name, value in options.items() if name.startswith(_CONNECTION)}
    stranger: MongoClient[Any] = MongoClient(hosts, **same)
    with stranger:
        try:
            stranger[database].command({"find": "runs", "limit": 1, "projection": {"_id": 1}})
        except PyMongoError:
            return False
        return True


def _engine(client: MongoClient[Any]) -> Mapping[str, Any]:
    from pymongo.errors import OperationFailure

    try:
        engine: Mapping[str, Any] = client.admin.command("serverStatus").get("storageEngine", {})
    except OperationFailure:               # a user with the least privileges may not query it
        return {}
    return engine


def _access(facts: Facts) -> Iterator[str]:
    beyond = [host for host in facts.hosts if not _is_loopback(host)]
    if facts.open:
        who = "everyone who can reach it" if beyond else "every user of this machine"
        yield (f"the server asks for no password: {who} may read, change and delete every run -> switch its "
               "access control on (security.authorization: enabled) and give each person and worker a user")
    if beyond and not facts.tls:
        yield (f"no TLS to {', '.join(beyond)}: passwords and runs cross the network unencrypted -> give "
               "the server a certificate (net.tls) and take tls=false out of the URL")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".sock"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _version(build: Mapping[str, Any]) -> Iterator[str]:
    kin = next((name for name in build if name.lower() in ("secantusversion", "ferretdb")), None)
    if kin is not None:
        yield (f"the server is not MongoDB itself: {kin.lower().removesuffix('version')} speaks its protocol "
               "-> use it for tests and trials only")
        return
    version = str(build.get("version", "unknown"))
    major, minor, patch = (*build.get("versionArray", ()), 0, 0, 0)[:3]
    series = (major, minor)
    first = FIRST_SAFE.get(series)
    if series in NEVER_MENDED or (first is not None and patch < first):
        safe = f"{major}.{minor}.{first}" if first is not None else CURRENT
        yield (f"MongoDB {version} lets anyone who reaches it read its memory, without a password "
               f"(CVE-2025-14847, \"MongoBleed\") -> update it to {safe} or newer, or start it with "
               "--networkMessageCompressors snappy,zstd")
    if (0, 0) < series < OLDEST_WITH_FIXES:
        yield (f"MongoDB {version} gets no more fixes: the oldest series with fixes is "
               f"{'.'.join(map(str, OLDEST_WITH_FIXES))} -> update it to {CURRENT} or newer")


def _durability(facts: Facts) -> Iterator[str]:
    if facts.engine and not facts.engine.get("persistent", True):
        yield (f"the server keeps all data in memory ({facts.engine.get('name')}): a restart loses every run "
               "-> use the WiredTiger storage engine")
    hello = facts.hello
    if "setName" in hello and hello.get("arbiters") and len(hello.get("hosts", ())) < 3:
        yield ("the replica set has an arbiter and fewer than three members that hold data: while one of "
               "them is away no write is confirmed by a majority, and workers wait -> put a member that "
               "holds data in the arbiter's place")


def _clock(ahead_s: float) -> Iterator[str]:
    if abs(ahead_s) >= SKEW_S:
        side = "ahead of" if ahead_s > 0 else "behind"
        yield (f"the server's clock is {abs(ahead_s):,.0f} s {side} this machine's: records show wrong times "
               "(no decision reads them) -> synchronize the wrong clock (NTP)")
