"""What plugins build on, besides the names that projects and notebooks use.

Each name is loaded when it is first used. A plugin that imports from here, from the public modules of
projects and from `hyperspace_core.cli.plugin` alone keeps working when core moves its parts.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hyperspace_core.capture.code_fingerprint import function_fingerprint
    from hyperspace_core.capture.git import checked_out, patched
    from hyperspace_core.capture.worktree import GitUnavailable
    from hyperspace_core.clock import Clock
    from hyperspace_core.config import (
        complete as completion,
        signature as signatures,
        tree as trees,
        types as kinds,
    )
    from hyperspace_core.config.annotations import family_of, range_within
    from hyperspace_core.config.build import build_component
    from hyperspace_core.config.jsonfile import parse_object, read_object
    from hyperspace_core.config.migrate import EVERY, applied
    from hyperspace_core.config.registry import Entry, Registry, pick
    from hyperspace_core.config.signature import Parameter, Signature
    from hyperspace_core.config.tree import Tree
    from hyperspace_core.config.walk import ConfigSection, range_text
    from hyperspace_core.execution import protocol
    from hyperspace_core.execution.answers import Answer, AskWorker
    from hyperspace_core.execution.code import changed, described, forget_bytecode, open_here
    from hyperspace_core.execution.fork_server import ending_with
    from hyperspace_core.execution.identity import user_at_host
    from hyperspace_core.execution.process_io import echo_in_run
    from hyperspace_core.execution.result import BadResult, numbers_in
    from hyperspace_core.execution.supervisor import environment_of_runs, how_it_ended, what_it_said
    from hyperspace_core.extension.accessors import AccessorRegister
    from hyperspace_core.extension.features import missing_component
    from hyperspace_core.extension.manager import Extensions
    from hyperspace_core.extension.project import Project, installed_projects
    from hyperspace_core.extension.register import Register, RegisteredMetric
    from hyperspace_core.extension.storage import StorageRegister, open_store, redact, resolve_url
    from hyperspace_core.lookup import get_run, get_search
    from hyperspace_core.records import codec, info, search as search_fields, states
    from hyperspace_core.records.filter import is_missing, look_up
    from hyperspace_core.records.info import Pruned, Rescored
    from hyperspace_core.records.logged import MAX_NAME, is_name, loaded, name_of
    from hyperspace_core.records.run import CHANGES, SNAPSHOT, named_snapshots
    from hyperspace_core.records.traits import DataRule, data_fingerprints, run_traits, trim_provenance
    from hyperspace_core.results import format as text, overview, repeats as statistics, table as tables
    from hyperspace_core.results.comparable import (
        LIVE,
        Comparable,
        Criteria,
        CurrentCode,
        LeftOut,
        criteria_of,
        same_behaviour_line,
    )
    from hyperspace_core.results.diff import other_code, written_today
    from hyperspace_core.results.export import SHOWN, Tabular, text_of
    from hyperspace_core.results.overview import LiveView, SearchLine
    from hyperspace_core.results.repeats import Estimate
    from hyperspace_core.results.results import Results
    from hyperspace_core.results.same_code import CodeCheck, differing_text
    from hyperspace_core.results.table import Column, Table
    from hyperspace_core.run import RunWatcher
    from hyperspace_core.submission import Problem, SubmitOptions, plan, problem_of_task
    from hyperspace_core.worker import events
    from hyperspace_core.worker.hooks import WorkerContext
    from hyperspace_core.worker.runners import unpacked
    from hyperspace_core.worker.state import WorkerOptions
    from hyperspace_core.worker.worker import Worker

_HOMES = {
    "hyperspace_core.capture.code_fingerprint": ("function_fingerprint",),
    "hyperspace_core.capture.git": ("checked_out", "patched"),
    "hyperspace_core.capture.worktree": ("GitUnavailable",),
    "hyperspace_core.clock": ("Clock",),
    "hyperspace_core.config.annotations": ("family_of", "range_within"),
    "hyperspace_core.config.build": ("build_component",),
    "hyperspace_core.config.jsonfile": ("parse_object", "read_object"),
    "hyperspace_core.config.migrate": ("EVERY", "applied"),
    "hyperspace_core.config.registry": ("Entry", "Registry", "pick"),
    "hyperspace_core.config.signature": ("Parameter", "Signature"),
    "hyperspace_core.config.tree": ("Tree",),
    "hyperspace_core.config.walk": ("ConfigSection", "range_text"),
    "hyperspace_core.execution.answers": ("Answer", "AskWorker"),
    "hyperspace_core.execution.code": ("changed", "described", "forget_bytecode", "open_here"),
    "hyperspace_core.execution.fork_server": ("ending_with",),
    "hyperspace_core.execution.identity": ("user_at_host",),
    "hyperspace_core.execution.process_io": ("echo_in_run",),
    "hyperspace_core.execution.result": ("BadResult", "numbers_in"),
    "hyperspace_core.execution.supervisor": ("environment_of_runs", "how_it_ended", "what_it_said"),
    "hyperspace_core.extension.accessors": ("AccessorRegister",),
    "hyperspace_core.extension.features": ("missing_component",),
    "hyperspace_core.extension.manager": ("Extensions",),
    "hyperspace_core.extension.project": ("Project", "installed_projects"),
    "hyperspace_core.extension.register": ("Register", "RegisteredMetric"),
    "hyperspace_core.extension.storage": ("StorageRegister", "open_store", "redact", "resolve_url"),
    "hyperspace_core.lookup": ("get_run", "get_search"),
    "hyperspace_core.records.filter": ("is_missing", "look_up"),
    "hyperspace_core.records.info": ("Pruned", "Rescored"),
    "hyperspace_core.records.logged": ("MAX_NAME", "is_name", "loaded", "name_of"),
    "hyperspace_core.records.run": ("CHANGES", "SNAPSHOT", "named_snapshots"),
    "hyperspace_core.records.traits": ("DataRule", "data_fingerprints", "run_traits", "trim_provenance"),
    "hyperspace_core.results.comparable": (
        "Comparable", "Criteria", "CurrentCode", "LIVE", "LeftOut", "criteria_of",
        "same_behaviour_line",
    ),
    "hyperspace_core.results.diff": ("other_code", "written_today"),
    "hyperspace_core.results.export": ("SHOWN", "Tabular", "text_of"),
    "hyperspace_core.results.overview": ("LiveView", "SearchLine"),
    "hyperspace_core.results.repeats": ("Estimate",),
    "hyperspace_core.results.results": ("Results",),
    "hyperspace_core.results.table": ("Column", "Table"),
    "hyperspace_core.results.same_code": ("CodeCheck", "differing_text"),
    "hyperspace_core.run": ("RunWatcher",),
    "hyperspace_core.submission": ("Problem", "SubmitOptions", "plan", "problem_of_task"),
    "hyperspace_core.worker.hooks": ("WorkerContext",),
    "hyperspace_core.worker.runners": ("unpacked",),
    "hyperspace_core.worker.state": ("WorkerOptions",),
    "hyperspace_core.worker.worker": ("Worker",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
# whole modules, of functions that belong together
_MODULES = {
    "codec": "records.codec", "completion": "config.complete", "events": "worker.events",
    "info": "records.info", "kinds": "config.types", "overview": "results.overview",
    "protocol": "execution.protocol", "search_fields": "records.search", "signatures": "config.signature",
    "states": "records.states", "statistics": "results.repeats", "tables": "results.table",
    "text": "results.format", "trees": "config.tree",
}

__all__ = [
    "CHANGES", "EVERY", "LIVE", "MAX_NAME", "SHOWN", "SNAPSHOT", "AccessorRegister", "Answer", "AskWorker",
    "BadResult", "Clock", "CodeCheck", "Column", "Comparable", "ConfigSection", "Criteria", "CurrentCode",
    "DataRule", "Entry", "Estimate", "Extensions", "GitUnavailable", "LeftOut", "LiveView", "Parameter",
    "Problem", "Project", "Pruned", "Register", "RegisteredMetric", "Registry", "Rescored", "Results",
    "RunWatcher", "SearchLine", "Signature", "StorageRegister", "SubmitOptions", "Table", "Tabular", "Tree",
    "Worker", "WorkerContext", "WorkerOptions", "applied", "build_component", "changed", "checked_out",
    "codec", "completion", "criteria_of", "data_fingerprints", "described", "differing_text", "echo_in_run",
    "ending_with", "environment_of_runs", "events", "family_of", "forget_bytecode", "function_fingerprint",
    "get_run", "get_search", "how_it_ended", "info", "installed_projects", "is_missing", "is_name", "kinds",
    "loaded", "look_up", "missing_component", "name_of", "named_snapshots", "numbers_in", "open_here",
    "open_store", "other_code", "overview", "parse_object", "patched", "pick", "plan", "problem_of_task",
    "protocol", "range_text", "range_within", "read_object", "redact", "resolve_url", "run_traits",
    "same_behaviour_line", "search_fields", "signatures", "states", "statistics", "tables", "text",
    "text_of", "trees", "trim_provenance", "unpacked", "user_at_host", "what_it_said", "written_today",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"hyperspace_core.{_MODULES[name]}")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'hyperspace_core.plugin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME_OF[name]), name)
