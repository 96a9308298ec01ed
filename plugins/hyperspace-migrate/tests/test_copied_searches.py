"""Searches are copied with their runs, and are never open in two stores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hyperspace_core.cli.main import run as hyperspace
from hyperspace_core.records.filter import RunFilter
from hyperspace_core.records.search import SearchRecord, SearchState
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store
from hyperspace_migrate.copy import Copied, Fate, copy_runs, preview
from pytest_hyperspace.stores.harness import PROJECT, Harness
from pytest_hyperspace.stores.search_tests import new_search, proposal


@pytest.fixture
def search(source: Store) -> SearchRecord:
    """An open search with two runs, of which the first has ended."""
    source.add_search(new_search(note="without runs"))
    search = source.get_search(source.add_search(new_search(note="with two", tags=("a",))))
    runs = [source.propose(search.id, number, proposal(search, number)) for number in range(2)]
    Harness(source).bring(runs[0] or 0, State.COMPLETED)
    return source.get_search(search.id)


def copied(source: Store, target: Store, **where: object) -> list[Copied]:
    return list(copy_runs(source, target, RunFilter(**where)))  # type: ignore[arg-type]


def test_a_search_is_copied_with_its_runs_and_paused(source: Store, target: Store,
                                                     search: SearchRecord) -> None:
    copies = copied(source, target)

    there, = target.searches(PROJECT)
    assert there == replace(search, id=there.id, state=SearchState.PAUSED)
    assert {record.uid for record in target.find(RunFilter(search=there.uid))} == {
        search.run_uid(0), search.run_uid(1)}
    assert source.get_search(search.id) == search
    along = copies[0].search
    assert along is not None
    assert (along.search, along.there, along.state, along.state_there) == (
        search.id, there.id, SearchState.OPEN, SearchState.PAUSED)


@pytest.mark.parametrize("state", [SearchState.PAUSED, SearchState.ENDED])
def test_a_search_that_is_not_open_keeps_its_state(source: Store, target: Store, search: SearchRecord,
                                                   state: SearchState) -> None:
    if state is SearchState.ENDED:
        source.end_search(search.id, "enough")
    else:
        source.change_search(search.id, state=state)

    copied(source, target)

    there, = target.searches(PROJECT)
    assert replace(there, id=search.id) == source.get_search(search.id)


def test_a_search_without_copied_runs_is_left_out(source: Store, target: Store, search: SearchRecord) -> None:
    Harness(source).submit(search="of an older version")

    copied(source, target, tasks=("another",))
    assert target.searches(PROJECT) == []
    assert [one.search for one in copied(source, target, search="of an older version")] == [None]
    assert target.searches(PROJECT) == []


def test_a_second_copy_adds_new_proposals_and_keeps_the_state(
        source: Store, target: Store, search: SearchRecord) -> None:
    copied(source, target)
    there, = target.searches(PROJECT)
    target.end_search(there.id, "not here")
    source.propose(search.id, 2, proposal(search, 2), redrawn=1)

    assert [one.fate for one in copied(source, target)] == [Fate.THERE, Fate.THERE, Fate.COPIED]

    again, = target.searches(PROJECT)
    assert (again.state, again.reason) == (SearchState.ENDED, "not here")
    assert (again.proposed, again.redrawn) == (3, 1)


def test_a_moved_search_continues_and_can_be_moved_back(
        source: Store, target: Store, search: SearchRecord) -> None:
    copied(source, target)
    source.change_search(search.id, state=SearchState.PAUSED)
    there, = target.searches(PROJECT)
    target.change_search(there.id, state=SearchState.OPEN)
    target.propose(there.id, 2, proposal(search, 2))

    copied(target, source)

    home = source.get_search(search.id)
    assert (home.state, home.proposed) == (SearchState.PAUSED, 3)
    assert {record.uid for record in source.find(RunFilter(search=search.uid))} == {
        search.run_uid(number) for number in range(3)}


def test_a_preview_counts_the_searches_and_copies_none(source: Store, target: Store,
                                                       search: SearchRecord) -> None:
    assert preview(source, target).searches == 1
    assert target.searches(PROJECT) == []


def test_the_command_says_how_to_resume_an_open_search(
        source: Store, target: Store, search: SearchRecord, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    copy = ["store", "copy", source.url, target.url, "--project", PROJECT]

    assert hyperspace([*copy, "--dry-run"]) == 0
    assert "searches that would be copied and PAUSED: 1" in capsys.readouterr().err
    assert hyperspace(copy) == 0
    said = capsys.readouterr().err
    assert f"search {search.id} is open here and PAUSED in the target" in said
    assert f"queue resume --search 1 --project {PROJECT}" in said
    target.change_search(1, state=SearchState.OPEN)
    assert hyperspace(copy) == 0
    assert f"search {search.id} is open in both stores (1 in the target)" in capsys.readouterr().err
    source.end_search(search.id, "enough")
    assert hyperspace([*copy, "--json"]) == 0
    assert '"state_there":"OPEN"' in capsys.readouterr().out.replace(" ", "")


def test_a_copy_into_a_store_of_its_own_is_sound(source: Store, search: SearchRecord, tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/new.db") as new:
        copied(source, new)
        assert new.check() == ()
        assert Harness(new).claim() is None
