"""Reproduction of a run with its recorded packages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from draining import drained
from hyperspace_core.errors import HyperspaceError, Refused, UsageError
from hyperspace_core.records.codec import from_text, to_text
from hyperspace_core.study import Study
from hyperspace_reproduce.reproduce import ReproduceOptions

# what the framework itself needs
CORE = {"pluggy", "click", "importlib-metadata", "gitpython", "gitdb", "smmap", "msgspec", "rich",
        "markdown-it-py", "mdurl", "pygments", "platformdirs", "psutil", "zipp", "lazy-importer"}


def recorded(path: Path, change: Callable[[dict[str, str]], dict[str, str]]) -> None:
    """Change the recorded packages of a run."""
    import sqlite3

    with closing(sqlite3.connect(path)) as connection:
        (text,) = connection.execute("SELECT provenance FROM attempts").fetchone()
        provenance = from_text(text)
        provenance["packages"]["installed"] = change(provenance["packages"]["installed"])
        connection.execute("UPDATE attempts SET provenance = ?", (to_text(provenance),))
        connection.commit()


@pytest.mark.timeout(300)
def test_the_recorded_packages_are_installed_and_used(study: Callable[[], Study], tmp_path: Path) -> None:
    one = study()
    run = one.submit("mean", {"model": "Linear"})
    drained(one)
    recorded(tmp_path / "runs.db", lambda installed: {
        name: version for name, version in installed.items() if name.lower().replace("_", "-") in CORE})

    try:
        found = one.reproduce(run, env="rebuild")  # type: ignore[arg-type]
    except HyperspaceError as error:
        if "cannot be installed" not in str(error):
            raise
        pytest.skip(f"no package index: {error}")

    assert found.same
    assert found.now.attempt is not None
    prefix = found.now.attempt.provenance["python"]["executable"]
    assert prefix.startswith(str(tmp_path / "cache" / "hyperspace" / "environments"))
    assert "as recorded, in " in found.environment


def test_an_unavailable_version_is_reported_on_one_line(study: Callable[[], Study], tmp_path: Path) -> None:
    one = study()
    run = one.submit("mean", {"model": "Linear"})
    drained(one)
    recorded(tmp_path / "runs.db", lambda installed: {"pluggy": "0.0.0.dev999"})

    with pytest.raises(HyperspaceError) as error:
        one.reproduce(run, env="rebuild")  # type: ignore[arg-type]

    assert str(error.value).startswith("the recorded packages cannot be installed: ")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache" / "hyperspace" / "environments").glob("*/complete"))


def test_a_run_that_has_not_ended_is_refused(study: Callable[[], Study]) -> None:
    one = study()
    run = one.submit("mean", {"model": "Linear"})

    with pytest.raises(Refused, match=f"run {run} is QUEUED: only a run that has completed or failed can be"):
        one.reproduce(run)  # type: ignore[arg-type]


@pytest.mark.parametrize(("wish", "said"), [
    ({"code": "orignal"}, "code: expected original or current, got 'orignal'; did you mean 'original'?"),
    ({"environment": "new"}, "env: expected current or rebuild, got 'new'"),
    ({"tolerance": -1.0}, "tolerance: expected a number >= 0, got -1.0"),
    ({"tolerance": float("nan")}, "tolerance: expected a number >= 0, got nan"),
])
def test_invalid_options_are_refused(wish: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as error:
        ReproduceOptions(**wish)  # type: ignore[arg-type]
    assert str(error.value).startswith(said)
