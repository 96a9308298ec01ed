"""The provenance of a run, one line per section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hyperspace_core.results.words import brief, byte_count, value_text


def summary(name: str, section: Any) -> str:
    """A captured section on one line; a section of a plugin is shown as it is."""
    if not isinstance(section, Mapping):
        return value_text(section)
    if set(section) == {"absent"}:
        return f"not captured: {section['absent']}"
    write = _WRITERS.get(name)
    try:
        text = write(section) if write is not None else ""
    except (AttributeError, KeyError, TypeError, ValueError):      # written by another version
        text = ""
    return text or brief(section)


def _git(section: Mapping[str, Any]) -> str:
    commit = section["commit"]
    where = f"on {section['branch']}" if section["branch"] else "on no branch"
    return _joined(commit[:12] if commit else "no commit yet", where,
                   "with uncommitted changes" if section["dirty"] else "clean", section.get("remote"))


def _packages(section: Mapping[str, Any]) -> str:
    editable = section.get("editable")
    return _joined(f"{len(section['installed'])} installed", editable and f"editable: {' '.join(editable)}")


def _python(section: Mapping[str, Any]) -> str:
    return _joined(f"{section['implementation']} {section['version']}", section.get("executable"))


def _host(section: Mapping[str, Any]) -> str:
    gpus = section.get("gpus") or ()
    return _joined(section["name"], section["os"], section.get("cpu"), f"{section['cpus']} CPUs",
                   byte_count(section.get("memory_bytes")), *gpus)


def _plugins(section: Mapping[str, Any]) -> str:
    loaded = [_joined(one["name"], one.get("version"), between=" ") for one in section["loaded"]]
    return _joined(f"hyperspace {section['hyperspace']}", *loaded)


def _seeds(section: Mapping[str, Any]) -> str:
    return f"{section['seed']} in {', '.join(section['seeded']) or 'nothing'}"


def _data(section: Mapping[str, Any]) -> str:
    versions = section.get("versions") or ()
    return _joined(*map(_name_of_data, section["fingerprints"]), versions and f"version {_joined(*versions)}")


def _name_of_data(fingerprint: str) -> str:
    kind, _, digits = fingerprint.rpartition(":")
    return f"{kind}:{digits[:12]}" if kind else digits[:12]


def _source(section: Mapping[str, Any]) -> str:
    untracked, left_out = section.get("untracked"), section.get("left_out")
    files = "1 file" if section["files"] == 1 else f"{section['files']} files"
    return _joined(f"snapshot {section['snapshot'][:12]}", files,
                   byte_count(section["bytes"]), section.get("changes") and "with uncommitted changes",
                   untracked and f"untracked: {' '.join(untracked)}",
                   left_out and f"left out: {' '.join(left_out)}")


_WRITERS = {"source": _source, "git": _git, "packages": _packages, "python": _python,
            "host": _host, "plugins": _plugins, "seeds": _seeds, "data": _data}


def _joined(*parts: Any, between: str = ", ") -> str:
    return between.join(str(part) for part in parts if part)
