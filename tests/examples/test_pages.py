"""Execution of every command in the documentation, page by page."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType

import pytest

import hyperspace_core
from hyperspace_core.storage import Store
from support.shell import Shell

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {
    # commands that a reader of the page has run before
    "tutorial.md": "",
    "one-function.md": "python -m pip install -e .",
    "project.md": "python -m pip install -e . -e docs/examples/digits",
    "plugins.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/coming-from.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/deep-learning.md": "python -m pip install -e .",
    "howto/queue-a-grid.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/test-a-project.md": "python -m pip install -e .",
    "howto/write-a-store.md": "python -m pip install -e . -e docs/examples/digits",
    "workers.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/team-mongodb.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/many-machines.md": "python -m pip install -e .",
    "howto/dashboards.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/compare.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/grow-the-space.md": "python -m pip install -e .",
    "howto/odd-shapes.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/reproduce.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/notebook.md": "python -m pip install -e .",
    "howto/plots.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/stop-early.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/tune.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/rescore.md": "python -m pip install -e . -e docs/examples/digits",
    "configs.md": "python -m pip install -e . -e docs/examples/digits",
    "provenance.md": "python -m pip install -e .",
    "search-space.md": "python -m pip install -e . -e docs/examples/digits",
    "tuners.md": "python -m pip install -e . -e docs/examples/digits",
    "howto/production.md": "",
    "howto/move-a-store.md": "python -m pip install -e . -e docs/examples/digits",
}
NEEDS = dict.fromkeys(("howto/team-mongodb.md", "howto/many-machines.md", "howto/dashboards.md"), "pymongo")
NEEDS["howto/plots.md"] = "plotly"
NEEDS["tuners.md"] = "optuna"
NEEDS["howto/deep-learning.md"] = "torch"              # `nox -s reviews` has it
# blocks with additional requirements: run where those are installed, as in `nox -s turbines`
MORE = {"howto/odd-shapes.md": "openoa"}                # 54 MB of measurements
# READMEs of the examples, without reviews, which trains for minutes (`nox -s reviews`), and turbines, which
# has the commands of howto/odd-shapes.md
READMES = ("digits", "one_function", "memory_store", "stage_timer")
PYTHON_ONLY = {"configs.md", "tuners.md", "provenance.md", "search-space.md"}     # no commands
# shell blocks (`sh`) that are not run here, and why
NOT_TYPED = {
    "cli.md": "lines for a shell's start-up file; completion has tests of its own",
    "contributing.md": "sets a clone up, and runs the checks themselves",
    "tutorial.md": "clones the repository and activates an environment, as the fixtures do here",
    "howto/deep-learning.md": "needs two GPUs",
    "howto/dashboards.md": "needs Node.js, and what Sacred has written: the plugin's tests have both",
    "howto/grow-the-space.md": "a line for a pipeline, with a team's store",
    "howto/systemd-slurm.md": "is for Slurm; test_supervisors executes it without",
    "howto/write-a-store.md": "the whole suite takes minutes; a part of it is typed",
    "mongodb.md": "needs a server; howto/team-mongodb.md types the same with one",
}
SHOWN_PORT = "27117"           # replaced by a free port, as it may be in use

# what docs/write_reference.py has written stands in the code already, and is not typed
_FROM_CODE = re.compile(r"^<!-- from: [^\n]* -->\n.*?^<!-- end -->$", re.M | re.S)
_BLOCK = re.compile(r"(?:^<!-- (?P<note>[^\n]*) -->\n)?"
                    r"^```(?P<language>bash|python)\n(?P<text>.*?)^```", re.M | re.S)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    note: str


def blocks(page: str, instead: Mapping[str, str] = MappingProxyType({})) -> Iterator[Block]:
    text = to_type(DOCS / page)
    for shown, typed in instead.items():
        text = text.replace(shown, typed)
    for found in _BLOCK.finditer(text):
        yield Block(found["language"], found["text"].strip(), found["note"] or "")


def to_type(page: Path) -> str:
    return _FROM_CODE.sub("", page.read_text(encoding="utf-8"))


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work(shell: Shell, page: str, tmp_path: Path,
                                     fresh_environment: Path) -> None:
    if page in NEEDS:
        pytest.importorskip(NEEDS[page])
    fresh_start(shell, tmp_path)
    show_timer(fresh_environment, shown=page == "plugins.md")
    run_before(shell, PAGES[page])
    with contextlib.ExitStack() as beside:
        for block in blocks(page, {SHOWN_PORT: free_port()}):
            if block.note.startswith("needs "):
                continue
            if block.note == "runs beside the rest of the page":
                beside.enter_context(running(shell, block))
            else:
                type_it(shell, block)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", MORE)
def test_commands_with_extra_needs_work_where_installed(shell: Shell, page: str, tmp_path: Path) -> None:
    try:
        distribution(MORE[page])
    except PackageNotFoundError:
        pytest.skip(f"{MORE[page]} is not installed")
    fresh_start(shell, tmp_path)
    run_before(shell, PAGES[page])
    needing = [block for block in blocks(page) if block.note == f"needs {MORE[page]}"]

    assert needing
    for block in needing:
        type_it(shell, block)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("example", READMES)
def test_the_commands_of_an_example_s_readme_work(shell: Shell, example: str, tmp_path: Path,
                                                  fresh_environment: Path) -> None:
    fresh_start(shell, tmp_path)
    show_timer(fresh_environment, shown=example == "stage_timer")
    run_before(shell, "python -m pip install -e .")
    shell.run(f"cd docs/examples/{example}")
    readme = list(blocks(f"examples/{example}/README.md"))

    assert readme
    for block in readme:
        type_it(shell, block)


def fresh_start(shell: Shell, data: Path) -> None:
    """Reset to the checkout's folder, without runs and exported variables."""
    for name in ("HYPERSPACE_PROJECT", "HYPERSPACE_STORAGE"):
        shell.environment.pop(name, None)
    shell.environment["XDG_DATA_HOME"] = str(data)
    shell.place = shell.folder


def run_before(shell: Shell, command: str) -> None:
    """Run what a reader has run before the page, unless an earlier page of this environment has."""
    if command and command not in shell.ran_before:
        shell.run(command)
        shell.ran_before.add(command)


def show_timer(environment: Path, *, shown: bool) -> None:
    """Hides the example plugin on all pages but one, as it may be installed with the tests."""
    place = next(environment.glob("lib/python*/site-packages")) / "hyperspace_example_stage_timer-0.dist-info"
    if shown:
        shutil.rmtree(place, ignore_errors=True)
    elif not place.exists():               # the first of that name on the path counts
        place.mkdir()
        (place / "METADATA").write_text("Metadata-Version: 2.1\nName: hyperspace-example-stage-timer\n"
                                        "Version: 0\n")


@contextlib.contextmanager
def running(shell: Shell, block: Block) -> Iterator[None]:
    """Run it from its first line until Ctrl-C."""
    process = shell.start(block.text)
    assert process.stdout is not None
    seen = process.stdout.readline()
    assert process.poll() is None and not seen.startswith("error"), seen
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen + rest


def type_it(shell: Shell, block: Block) -> None:
    if block.note == "runs until Ctrl-C":
        worker = shell.start(block.text)
        assert worker.stdout is not None
        seen = worker.stdout.readline()
        worker.send_signal(signal.SIGINT)
        rest, _ = worker.communicate(timeout=60)
        assert worker.returncode == 0, seen + rest
    elif block.language == "python":
        (shell.place / "typed.py").write_text(block.text)
        shell.run("python typed.py")
    else:
        code = re.fullmatch(r"exits with (\d+)", block.note)
        assert code or not block.note or block.note.startswith("needs "), block.note
        shell.run(block.text, expect=int(code[1]) if code else 0)


def test_every_page_with_commands_is_tested() -> None:
    pages = [*DOCS.glob("*.md"), *DOCS.glob("howto/*.md")]
    showing = {path.relative_to(DOCS).as_posix() for path in pages
               if "```bash" in to_type(path)}

    assert set(PAGES) == showing | PYTHON_ONLY and not showing & PYTHON_ONLY
    assert set(NOT_TYPED) == {path.relative_to(DOCS).as_posix() for path in pages
                              if "```sh\n" in to_type(path)}
    assert PYTHON_ONLY | showing >= {path.relative_to(DOCS).as_posix() for path in pages
                                     if "```python\n" in to_type(path)}
    assert all(len(list(blocks(page))) >= 2 for page in showing)
    assert all(list(blocks(page)) for page in PYTHON_ONLY)


def test_every_verb_of_the_port_is_in_the_page_about_stores() -> None:
    text = (DOCS / "howto/write-a-store.md").read_text(encoding="utf-8")

    assert [verb for verb in sorted(Store.__abstractmethods__) if f"`{verb}`" not in text] == []


def test_every_name_of_the_package_is_in_the_page_about_python() -> None:
    text = (DOCS / "python.md").read_text(encoding="utf-8")

    assert [name for name in hyperspace_core.__all__ if not re.search(rf"\b{name}\b", text)] == []
