"""A worker process for tests: options in, events out, as JSON lines."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from typing import Any

from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_core.worker.events import Event
from hyperspace_core.worker.state import WorkerOptions
from hyperspace_core.worker.worker import Worker

_lock = threading.Lock()


def say(kind: str, values: dict[str, Any]) -> None:
    with _lock:
        print(json.dumps({"kind": kind} | values, default=str), flush=True)


def hear(event: Event) -> None:
    say(type(event).__name__, {field.name: getattr(event, field.name) for field in dataclasses.fields(event)})


def main() -> None:
    url, project, options = sys.argv[1:4]
    extensions = build_manager()
    with open_store(url, extensions, project) as store:
        worker = Worker(store, project, extensions, WorkerOptions(**json.loads(options)), on_event=hear)
        say("Ready", {"worker": worker.name})
        report = worker.run()
    left = [dataclasses.asdict(each) for each in report.left]
    say("Report", {"states": report.states, "why": report.why, "left": left})


if __name__ == "__main__":
    main()
