"""What a person should know about the server that a store is on: open doors, old versions, wrong clocks.

`look_at` asks the server; `notes` judges what it answered and asks nothing.
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

SKEW_S = 10.0                      # machines that set their clocks by the network agree within one second
UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
# what a second client needs in order to reach the same server; nothing of who asks
_CONNECTION = ("tls", "ssl", "replicaset", "directconnection", "loadbalanced", "timeoutms",
               "serverselectiontimeoutms")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What the server says of itself, and what was seen on the way to it."""

    hosts: tuple[str, ...]                 # without ports
    tls: bool
    open: bool                             # whether it answers whoever gives no name
    hello: Mapping[str, Any]
    build: Mapping[str, Any]
    engine: Mapping[str, Any]              # `serverStatus().storageEngine`; empty where that may not be read
    ahead_s: float = 0.0                   # of this machine's clock


def notes(facts: Facts) -> tuple[str, ...]:
    """One line for each finding, "what -> its cure"; none where all is well."""
    return (*_access(facts), *_version(facts.build), *_durability(facts), *_clock(facts.ahead_s))


def look_at(client: MongoClient[Any], url: str, settings: Mapping[str, Any] = MappingProxyType({})) -> Facts:
    """Ask the server behind a client that was opened with this whole URL and these settings.

    Raises pymongo's errors where it does not answer; a question that this user may not ask is left out.
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
    """Whether a second client, which gives neither name nor password, may read."""
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
    except OperationFailure:               # a user with the least rights may not ask
        return {}
    return engine


def _access(facts: Facts) -> Iterator[str]:
    beyond = [host for host in facts.hosts if not _is_loopback(host)]
    if facts.open:
        who = "whoever reaches it" if beyond else "every user of this machine"
        yield (f"the server asks for no password: {who} may read, change and delete every run -> switch its "
               "access control on (security.authorization: enabled) and give each person and worker a user")
    if beyond and not facts.tls:
        yield (f"no TLS to {', '.join(beyond)}: passwords and runs cross the network for all to read -> give "
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
               "-> keep it to tests and trying out")
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
        yield (f"MongoDB {version} gets no more fixes: the oldest series that does is "
               f"{'.'.join(map(str, OLDEST_WITH_FIXES))} -> update it to {CURRENT} or newer")


def _durability(facts: Facts) -> Iterator[str]:
    if facts.engine and not facts.engine.get("persistent", True):
        yield (f"the server keeps all in memory ({facts.engine.get('name')}): a restart loses every run "
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
               "(no decision reads them) -> synchronize whichever is wrong")
