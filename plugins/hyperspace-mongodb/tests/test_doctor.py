"""`hyperspace doctor` on a MongoDB store: facts about the server become warnings with cures."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperspace_core.cli.main import run
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_mongodb.testing import Server
from pytest_hyperspace.project import ProjectFolder
from stand_in import StandIn
from support.behaving import PROJECT, submit

Said = Callable[[str], list[dict[str, str]]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], project: ProjectFolder) -> Said:
    """The output of doctor about the store at a URL."""

    def one(url: str) -> list[dict[str, str]]:
        capsys.readouterr()
        run(["doctor", "--project", PROJECT, "--storage", url, "--json"])
        found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
        return [check for check in found if check["name"] == "store"]

    return one


@pytest.fixture
def old() -> Iterator[StandIn]:
    """A fake server that announces given facts."""
    with StandIn() as server:
        yield server


def warnings(checks: list[dict[str, str]]) -> dict[str, str]:
    return {check["text"]: check["cure"] for check in checks if check["verdict"] == "warning"}


def test_an_open_server_gives_a_warning_with_cure(mongodb_server: Server, mongodb_url: str,
                                                  said: Said) -> None:
    with open_store(mongodb_url, build_manager(), PROJECT) as store:
        submit(store)

    checks = said(mongodb_url)

    assert checks[0]["verdict"] == "ok" and " is reachable: mongodb " in checks[0]["text"]
    found = warnings(checks)
    (cure,) = [cure for text, cure in found.items() if text.startswith("the server asks for no password")]
    assert "security.authorization: enabled" in cure
    assert [check["text"] for check in checks if check["verdict"] == "ok"][1:] == ["sound, 1 run"]


def test_a_bad_version_and_a_wrong_clock_give_warnings(old: StandIn, said: Said) -> None:
    old.version, old.ahead_s = "7.0.26", 3600.0

    found = warnings(said(old.url(PROJECT)))

    (cure,) = [cure for text, cure in found.items() if "CVE-2025-14847" in text]
    assert cure.startswith("update it to 7.0.28 or newer")
    (skew,) = [text for text in found if "clock" in text]
    assert re.match("the server's clock is 3,(600|599) s ahead of this machine's", skew)


def test_an_in_memory_server_gives_a_warning(old: StandIn, said: Said) -> None:
    old.engine = {"name": "inMemory", "persistent": False}

    assert any("keeps all data in memory" in text for text in warnings(said(old.url(PROJECT))))


def test_a_sound_server_gives_no_warning(own_mongodb_server: Server, said: Said, tmp_path: Path) -> None:
    """Except for not being MongoDB itself."""
    own_mongodb_server.add_user("ann", "pw")
    own_mongodb_server.restart("--auth")

    found: Any = warnings(said(own_mongodb_server.url(PROJECT, "ann", "pw")))

    assert [text.partition(":")[0] for text in found] == ["the server is not MongoDB itself"]
