"""The page of a run, and its parts: provenance, code, config and parameters."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from inspect import cleandoc
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from hyperspace_core.cli.terminal import STATES, Page
from hyperspace_core.config.tree import CLASS_NAME, WrittenLeaf, flatten, told_apart
from hyperspace_core.config.walk import DescribedParameter, range_text
from hyperspace_core.records.run import SNAPSHOT, Artifact, Attempt, RunRecord
from hyperspace_core.records.traits import fingerprints_of
from hyperspace_core.results.comparable import same_behaviour_line
from hyperspace_core.results.format import ago, brief, byte_count, counted, number, seconds, value_text
from hyperspace_core.results.overview import progress_text

if TYPE_CHECKING:
    from hyperspace_core.results.diff import FileChange, OtherCode

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
    return _joined(f"snapshot {section['snapshot'][:12]}", counted(section["files"], "file"),
                   byte_count(section["bytes"]), section.get("changes") and "with uncommitted changes",
                   untracked and f"untracked: {' '.join(untracked)}",
                   left_out and f"left out: {' '.join(left_out)}")


_WRITERS = {"source": _source, "git": _git, "packages": _packages, "python": _python,
            "host": _host, "plugins": _plugins, "seeds": _seeds, "data": _data}


def _joined(*parts: Any, between: str = ", ") -> str:
    return between.join(str(part) for part in parts if part)


# -- The code of a run on a page, and the code differences of two runs --

_STYLES = {"+": "good", "-": "bad", "@": "busy"}
SECTIONS = ("source", "git", "components")         # of provenance that `show_code` writes


def show_code(page: Page, record: RunRecord) -> None:
    """Write the executed and pinned code of a run, and its component fingerprints."""
    captured: Mapping[str, Any] = record.attempt.provenance if record.attempt is not None else {}
    ran, git = captured.get("source"), captured.get("git") or record.code.get("git")
    rows = [("executed", _executed(ran, record.code)), ("pinned", _pinned(ran, record.code)),
            ("git", summary("git", git) if git else "")]
    if any(text for _, text in rows):
        page.heading("Code")
        page.rows([(name, text) for name, text in rows if text])
    fingerprints = fingerprints_of(record) or {}
    if fingerprints:
        page.heading("Components", ("each with the fingerprint of its code", "quiet"))
        section = captured.get("components") or record.code.get("components") or {}
        page.rows([(one.path, one.name, one.module, one.short, _defaults(section.get(one.path)))
                   for one in fingerprints.values()])


def _defaults(described: Any) -> str:
    """The defaults that are in the code alone."""
    defaults = described.get("defaults") if isinstance(described, Mapping) else None
    return f"not in the config: {defaults}" if defaults else ""


def _executed(ran: Any, pinned: Mapping[str, Any]) -> str:
    if not isinstance(ran, Mapping):
        return ""
    same = SNAPSHOT in ran and ran[SNAPSHOT] == pinned.get(SNAPSHOT)
    notes = ["as pinned"] if same else [str(ran["note"])] if ran.get("note") else []
    return ", ".join([summary("source", ran), *notes])


def _pinned(ran: Any, pinned: Mapping[str, Any]) -> str:
    """The pinned code; "" if the page shows it elsewhere."""
    if "absent" in pinned:
        return f"nothing: {pinned['absent']}"
    if SNAPSHOT not in pinned or (isinstance(ran, Mapping) and ran.get(SNAPSHOT) == pinned[SNAPSHOT]):
        return ""
    return summary("source", pinned)


def show_components(page: Page, changed: Sequence[OtherCode], heads: tuple[str, str]) -> None:
    """Write a row per component, and the line to paste if its behaviour is unchanged."""
    if not changed:
        return
    page.gap()
    page.rows([(old.called if old.is_hook else f"{old.path}: {old.name}",
                *(one.short if one.digest else "none" for one in pair))
               for pair in changed for old in pair[:1]], heads=("components", *heads))
    lines = dict.fromkeys(same_behaviour_line(old.declared_as, old.digest, new.digest)
                          for old, new in changed)
    if any(lines):
        page.line(("if the behaviour is unchanged, declare it in hyperspace_register:", "quiet"), indent=2)
    for line in filter(None, lines):
        page.block(line)


def show_sources(page: Page, files: Sequence[FileChange], heads: tuple[str, str], *,
                 most: int | None) -> None:
    """Write the line differences of files; `most`: the maximum of lines in total."""
    if not files:
        return
    page.gap()
    page.line(("source", "quiet"), indent=2)
    left = sum(len(file.lines) for file in files) if most is None else most
    hidden = 0
    for file in files:
        page.line(file.path, (_change_text(file, heads), "quiet"), indent=2)
        if file.change != "changed" and most is not None:
            continue
        shown = file.lines[:left]
        left, hidden = left - len(shown), hidden + len(file.lines) - len(shown)
        for line in shown:
            page.line((line or " ", _STYLES.get(line[:1], "")), indent=4)
    if hidden:
        page.line((f"{hidden} more lines differ; --full shows them", "quiet"), indent=2)


def _change_text(file: FileChange, heads: tuple[str, str]) -> str:
    first, second = heads
    return {"changed": "", "long": "too many lines to compare", "binary": "different content",
            "restyled": "in comments and formatting only", "added": f"in {second} only",
            "removed": f"in {first} only"}[file.change]


# -- A config tree on a page: one line per parameter, with defaults marked --

def show_config(page: Page, completed: Mapping[str, Any], written: Mapping[str, Any]) -> None:
    """Write the completed tree; values that are not in `written` are marked."""
    show_leaves(page, told_apart(completed, written))


def show_tree(page: Page, tree: Mapping[str, Any]) -> None:
    """Write a tree without marking defaults."""
    show_leaves(page, (WrittenLeaf(path, value, True) for path, value in flatten(tree).items()))


def show_leaves(page: Page, leaves: Iterable[WrittenLeaf]) -> None:
    """Write leaves; a section starts with its class, as in `classifier: Forest`."""
    above: list[str] = []              # the path of the last line
    for leaf in leaves:
        steps = leaf.path.split(".")
        if steps[-1] == CLASS_NAME and len(steps) > 1:
            steps.pop()
        for depth in range(len(steps) - 1):
            if steps[:depth + 1] != above[:depth + 1]:
                page.line(f"{steps[depth]}:", indent=2 + 2 * depth)
        above = steps
        mark = ("", "") if leaf.written else ("(default)", "quiet")
        page.line(f"{steps[-1]}: {exact(leaf.value)}", mark, indent=2 * len(steps))


def exact(value: Any) -> str:
    """A value as the command line takes it: JSON, or text without quotes."""
    if isinstance(value, str) and value and value == value.strip():
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, ensure_ascii=False, default=str)


# -- The parameters of a class or scenario on a page, one line each --

def show_parameters(page: Page, parameters: Iterable[DescribedParameter], *, indent: int = 2) -> None:
    """Write name, type, default, range or choices, and help of each parameter."""
    shown = list(parameters)
    names = [one.name for one in shown]
    rows = [[one.name, one.type, _default(one, names), _choice(one), one.help] for one in shown]
    if rows:
        page.rows(rows, indent=indent)
    else:
        page.line(("no parameters", "quiet"), indent=indent)


def summary_of(target: Any) -> str:
    """The first paragraph of a docstring on one line; "" for a dataclass without one."""
    doc = target.__doc__ or ""
    if hasattr(target, "__dataclass_fields__") and doc.startswith(f"{target.__name__}("):
        return ""                          # generated by Python: the signature
    return " ".join(cleandoc(doc).partition("\n\n")[0].split())


def _default(parameter: DescribedParameter, names: Iterable[str]) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.default, dict) and any(name.startswith(f"{parameter.name}.") for name in names):
        return "defaults below"            # a line for each of its fields follows
    return f"default {value_text(parameter.default)}"


def _choice(parameter: DescribedParameter) -> str:
    if parameter.range is not None:
        return range_text(parameter.range)
    return f"one of {', '.join(parameter.choices)}" if parameter.choices else ""


# -- The page of a run --

def show_run(page: Page, record: RunRecord, artifacts: Sequence[Artifact], children: Sequence[int],
             now: datetime, *, written: Mapping[str, Any]) -> None:
    """Write the page of a run; `written`: the submitted config with current names."""
    _head(page, record, children, now)
    _config(page, record, written)
    _numbers(page, record)
    if artifacts:
        page.heading("Artifacts")
        page.rows([(one.name, byte_count(one.size), f"sha256 {one.digest[:12]}") for one in artifacts])
    show_code(page, record)
    _provenance(page, record)
    _attempts(page, record, now)


def _head(page: Page, record: RunRecord, children: Sequence[int], now: datetime) -> None:
    result = "" if record.result is None else f"{record.metric.name} {number(record.result)}"
    asked = "" if record.command is None else f"asked to {record.command}"
    page.line((f"run {record.id}", "head"), record.task, (record.state.value, STATES[record.state]), result,
              asked, record.reason or "")
    failures, retries = min(record.failures, record.max_failures), record.max_failures
    submitted = f"{ago(record.submitted_at, now)} by {record.submitted_by or 'unknown'}"
    known = [
        ("progress", "" if record.state != "RUNNING" else progress_text(record.progress)),
        ("submitted", submitted if record.submitted_at else ""),
        ("started", ago(record.started_at, now)),
        ("finished", ago(record.finished_at, now)),
        ("priority", str(record.priority or "")),
        ("retries", f"{failures} of {retries} used up" if retries else ""),
        ("losses", f"{record.losses} of {record.max_losses}" if record.losses else ""),
        ("tags", " ".join(record.tags)),
        ("note", record.note),
        ("parent", f"run {record.parent}" if record.parent else ""),
        ("children", ", ".join(f"run {child}" for child in children)),
        ("search", record.search or ""),
        ("migrated", ", ".join(record.migrated)),
        ("seed", "" if record.seed is None else str(record.seed)),
    ]
    page.rows([(name, text) for name, text in known if text])


def _config(page: Page, record: RunRecord, written: Mapping[str, Any]) -> None:
    if record.config is not None:
        page.heading("Config")
        # a parameter `seed` receives the seed of the run, also if it was not submitted
        show_config(page, record.config, {"seed": record.seed, **written})
    else:
        page.heading("Config", ("as submitted; a worker completes and checks it", "quiet"))
        show_tree(page, record.submitted)
    if record.scenario is not None:
        page.heading("Scenario", ("of the task, as it was at submission", "quiet"))
        show_tree(page, {"scenario": record.scenario})


def _numbers(page: Page, record: RunRecord) -> None:
    if record.metrics:
        goal = {"maximize": "higher is better", "minimize": "lower is better"}[record.metric.goal]
        page.heading("Metrics")
        page.rows([(name, value_text(value), f"decides; {goal}" if name == record.metric.name else "")
                   for name, value in flatten(record.metrics).items()])
    if record.info:
        page.heading("Info")
        show_tree(page, record.info)


def _provenance(page: Page, record: RunRecord) -> None:
    captured: dict[str, Any] = record.attempt.provenance if record.attempt is not None else {}
    rows = [(name, summary(name, section)) for name, section in captured.items() if name not in SECTIONS]
    if rows:
        page.heading("Provenance", (f"of attempt {record.attempts[-1].number}", "quiet"))
        page.rows(rows)


def _attempts(page: Page, record: RunRecord, now: datetime) -> None:
    if record.attempts:
        page.heading("Attempts")
    for attempt, following in zip_longest(record.attempts, record.attempts[1:]):
        _attempt(page, attempt, now)
        if attempt.traceback and following is not None and following.traceback == attempt.traceback:
            page.line(f"with the traceback of attempt {following.number}", indent=5)
        elif attempt.traceback:
            page.block(attempt.traceback, indent=5)


def _attempt(page: Page, attempt: Attempt, now: datetime) -> None:
    outcome = "running" if attempt.outcome is None else attempt.outcome.value
    started, ended = attempt.started_at, attempt.ended_at
    took = f"took {seconds((ended - started).total_seconds())}" if started and ended else ""
    where = "" if attempt.worker is None else f"on {attempt.worker.worker}"
    since = f"started {ago(started, now)}" if started else ""
    page.line(f"{attempt.number}  {outcome}", where, since, took, indent=2)
    if attempt.reason and attempt.reason not in (attempt.traceback or ""):
        page.line(attempt.reason, indent=5)
    if attempt.late is not None:
        brought = " ".join(filter(None, (attempt.late.outcome.value, number(attempt.late.result),
                                         attempt.late.reason)))
        page.line(f"its worker reported too late: {brought}", indent=5)
