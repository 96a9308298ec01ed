"""The provenance section `source`: the code that a run was executed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hyperspace_core.capture.components import SECTION as COMPONENTS
from hyperspace_core.capture.sources import SECTION, ProjectCode, project_code
from hyperspace_core.execution.failure import one_line
from hyperspace_core.execution.messages import FileTuple, SourceTaken
from hyperspace_core.records.code import CHANGES, SNAPSHOT, Snapshot
from hyperspace_core.sink import Absent, Section

if TYPE_CHECKING:
    from hyperspace_core.execution.job import Job
    from hyperspace_core.extension.project import Project

PINNED = "pinned"              # in the section: whether the pinned snapshot was unpacked for it
NOTE = "note"                  # in the section: the reason why not
GIT = "git"                    # in the pinned code: the section `git` of the submission


class CodeSink(Protocol):
    """Receiver of the code."""

    def section(self, section: Section | Absent) -> None: ...
    def source(self, code: ProjectCode) -> None: ...


def tell_code(job: Job, project: Project, sink: CodeSink) -> None:
    """Record the code that is about to run; of pinned code also its git section."""
    try:
        section = _pinned(job) if job.code_folder is not None else _current(job, project, sink)
    except Exception as error:         # noqa: BLE001 - an absent section fails no run
        section = Absent(SECTION, one_line(error))
    sink.section(section)
    git = job.code.get(GIT)
    if job.code_folder is not None and isinstance(git, dict):
        absent = git.get("absent")
        sink.section(Section(GIT, {**git, PINNED: True}) if absent is None else Absent(GIT, str(absent)))


def taken(code: ProjectCode) -> SourceTaken:
    """The code as a message."""
    snapshots = [snapshot for snapshot in (code.snapshot, code.changes) if snapshot is not None]
    places = {path: place for path, place in code.contents.items() if isinstance(place, str)}
    contents = {path: content for path, content in code.contents.items() if isinstance(content, bytes)}
    return SourceTaken([_files(snapshot) for snapshot in snapshots], contents, places)


def _files(snapshot: Snapshot) -> list[FileTuple]:
    return [(file.path, file.digest, file.size) for file in snapshot.files]


def _pinned(job: Job) -> Section:
    kept = {key: value for key, value in job.code.items() if key not in (GIT, COMPONENTS)}
    return Section(SECTION, {**kept, PINNED: True})


def _current(job: Job, project: Project, sink: CodeSink) -> Section | Absent:
    if job.stale:
        return Absent(SECTION, job.stale)
    code = project_code(project)
    if isinstance(code, Absent):
        besides = "" if code.reason in job.code_note else job.code_note    # the same reason is not repeated
        return Absent(SECTION, f"{code.reason}; {besides}" if besides else code.reason)
    data: dict[str, Any] = {**code.section(), PINNED: False}
    if not {data[SNAPSHOT], data[CHANGES]} - {None} <= set(job.known_sources):
        sink.source(code)
    same = job.code.get(SNAPSHOT) == data[SNAPSHOT]
    note = "" if same else job.code_note
    return Section(SECTION, {**data, NOTE: note} if note else data)
