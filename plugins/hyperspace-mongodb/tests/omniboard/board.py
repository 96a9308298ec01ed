"""Omniboard as a separate process, and a page of it in a headless Chromium.

Omniboard listens on all interfaces of the machine, without an option against it: it runs here only as long as
a test does.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from support.behaving import until

MODULES = "HYPERSPACE_TEST_OMNIBOARD"      # a folder in which npm has installed what package.json names
CHROMIUM = "HYPERSPACE_TEST_CHROMIUM"      # a browser, where it is not on the path
PATIENCE_S = 60.0
WIDE = (2700, 1300)            # the list renders only visible rows
DETAILS = ".drilldown-view"


def missing() -> str | None:
    """Why Omniboard cannot be run here."""
    if not os.environ.get(MODULES):
        return f"{MODULES} names no folder with Omniboard; `nox -s omniboard` installs it and runs these"
    if shutil.which("node") is None:
        return "node is not installed"
    return None if chromium() else f"there is no Chromium on the path, and {CHROMIUM} names none"


def chromium() -> str | None:
    names = (os.environ.get(CHROMIUM, ""), "chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, filter(None, names))), None)


class Omniboard:
    """Serves the pages about one database."""

    def __init__(self, *database: str, log: Path) -> None:
        """`database`: its options that name a database."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        self._log = log
        script = Path(os.environ[MODULES]) / "node_modules/omniboard/dist/start.js"
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                ["node", str(script), *database], env=os.environ | {"PORT": str(port)},
                stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)

    def __enter__(self) -> Self:
        until(self._answers, "Omniboard answers", PATIENCE_S)
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        said = self._log.read_text(errors="replace")
        assert self._process.poll() is None, said
        if "established successfully" not in said:
            return False
        try:
            with urllib.request.urlopen(self.url, timeout=PATIENCE_S) as answer:
                return answer.status == 200
        except urllib.error.URLError:
            return False


class Page:
    """One tab. Every query waits until the page shows the expected content."""

    def __init__(self, url: str) -> None:
        self.url = url
        script = Path(__file__).with_name("page.js")
        self._process = subprocess.Popen(
            ["node", str(script), os.environ[MODULES], str(chromium())], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, start_new_session=True)

    def __enter__(self) -> Self:
        self.reload()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.stdout.close()

    def step(self, name: str, *given: Any) -> Any:
        """One step of page.js."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, *given]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the browser has exited"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["answer"]

    def reload(self, size: tuple[int, int] = WIDE, query: str = "") -> None:
        self.step("open", self.url + query, *size)
        until(self.runs, "the list of runs")

    def runs(self) -> dict[int, dict[str, str]]:
        """The list: id → text below each heading; `circle` is the colour of the status."""
        return {int(row["Id"]): row for row in self.step("table") if row.get("Id")}

    def click(self, within: str, selector: str, text: str = "") -> None:
        """Click the first of these elements whose text begins so."""
        until(lambda: self.step("click", within, selector, text), f"{within} {selector} {text!r} to click on")

    def click_in_row(self, run: int, selector: str, text: str = "") -> None:
        until(lambda: self.step("row", run), f"the row of run {run}")
        self.click("#wanted-row", selector, text)

    def open_details(self, run: int) -> None:
        """Open the details below the row."""
        self.click_in_row(run, "a", "►")
        self.shows(f"(Id: {run})", DETAILS)

    def details(self, tab: str, *texts: str) -> str:
        """The content of this tab of the details, once it shows all of these."""
        self.click(DETAILS, ".nav a", tab)
        return [self.shows(text, DETAILS) for text in texts][-1]

    def shows(self, text: str, selector: str = "body") -> str:
        def met() -> str | None:
            shown: str = self.step("text", selector)
            return shown if text in shown else None

        return str(until(met, f"{text!r} in {selector}: {self.step('text', selector)[-2000:]}"))
