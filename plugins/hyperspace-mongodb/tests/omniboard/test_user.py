"""The Omniboard user of docs/howto/dashboards.md, made by its script; it may only read and annotate."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from board import Omniboard, Page, missing

from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_mongodb.store import open_store
from hyperspace_mongodb.testing import Server
from mongo_shell import PASSWORD, execute_script
from pytest_hyperspace.stores.harness import Harness
from support.behaving import until

pytestmark = [pytest.mark.skipif(missing() is not None, reason=str(missing())), pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[4] / "docs" / "howto" / "dashboards.md"
PROJECT = "digits"


@pytest.fixture
def server(own_mongodb_server: Server) -> Server:
    script, = re.findall(r"^```javascript\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    own_mongodb_server.add_user("root", PASSWORD)
    execute_script(own_mongodb_server, script)
    return own_mongodb_server.restart("--auth", "--sync-on-commit")


@pytest.fixture
def store(server: Server) -> Iterator[Store]:
    with open_store(server.url(PROJECT, "root", PASSWORD), PROJECT) as opened:
        yield opened


@pytest.fixture
def board(server: Server, store: Store, tmp_path: Path) -> Iterator[Omniboard]:
    url = server.url(PROJECT, "omniboard", PASSWORD, authSource=PROJECT)
    with Omniboard("--mu", url, log=tmp_path / "log") as started:
        yield started


def asked(board: Omniboard, path: str) -> int:
    """Omniboard's answer when its page wants to delete something."""
    request = urllib.request.Request(f"{board.url}api/v1/{path}", method="DELETE")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_user_can_read_and_annotate_only(store: Store, board: Omniboard, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    harness = Harness(store, PROJECT)
    run = harness.in_state(State.COMPLETED)
    artifact = store.put_artifact(run, 1, "model", tmp_path / "model")

    with Page(board.url) as page:
        assert page.runs()[run]["circle"] == "completed"
        page.click_in_row(run, "[test-attr=edit-button]")
        page.click_in_row(run, "textarea")
        page.step("type", "typed there")
        page.click_in_row(run, ".editable-submit")
        until(lambda: store.get(run).note == "typed there", "the note")
    for path in (f"Runs/{run}", "Metrics/", "Fs.files/", "Fs.chunks/"):
        assert asked(board, path) >= 400

    assert store.get(run).state is State.COMPLETED
    with store.open_artifact(artifact) as file:
        assert file.read() == b"weights"
