"""Files that are not stores of this version: of other programs, newer, older, or changed."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hyperspace_core.errors import NotFound, StoreError
from hyperspace_core.records.filter import ORDER_OLDEST, RunFilter
from hyperspace_core.records.run import Migration, NewRun, Owner, Rewrite
from hyperspace_core.records.states import State
from hyperspace_core.storage import Store
from hyperspace_core.stores.sqlite import open_store, schema

OWNER = Owner(worker="w", host="h")
NOW = schema.SCHEMA


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one run, closed."""
    path = tmp_path / "runs.db"
    with open_store(f"sqlite:///{path}") as store:
        store.submit([NewRun(uid="u", project="p", task="t", submitted={"trees": 3})])
    return path


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], Store]]:
    stores: list[Store] = []

    def again() -> Store:
        stores.append(open_store(f"sqlite:///{path}"))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_a_database_of_another_program_stays_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    change(path, "CREATE TABLE photos(name TEXT)", "INSERT INTO photos VALUES('cat')")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is an SQLite database of another program; name another file"):
        open_store(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_an_empty_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    change(path, "PRAGMA application_id = 42", "CREATE TABLE t(x)", "DROP TABLE t")
    with pytest.raises(StoreError, match="of another program"):
        open_store(f"sqlite:///{path}")


@pytest.mark.parametrize("statement", [
    "CREATE TRIGGER helper AFTER UPDATE ON runs BEGIN UPDATE runs SET task = 'evil' WHERE id = new.id; END",
    "CREATE VIEW sight AS SELECT load_extension('evil.so')",
    "CREATE TABLE extra(x)",
    "CREATE INDEX extra ON runs(abs(seed))",
    "DROP INDEX runs_queue",
    "ALTER TABLE runs ADD COLUMN extra TEXT",
    "DROP TABLE workers",
])
def test_a_file_with_a_changed_schema_is_refused(
        path: Path, opened: Callable[[], Store], statement: str) -> None:
    change(path, statement)
    with pytest.raises(StoreError, match=r"runs\.db: its schema was changed outside hyperspace \("):
        opened()


def test_a_trigger_with_a_name_of_sqlite_is_refused(path: Path, opened: Callable[[], Store]) -> None:
    change(path, "CREATE TRIGGER helper AFTER DELETE ON runs BEGIN SELECT 1; END",
           "PRAGMA writable_schema = ON",
           "UPDATE sqlite_master SET name = 'sqlite_helper', sql = replace(sql, 'helper', 'sqlite_helper') "
           "WHERE name = 'helper'")
    with pytest.raises(StoreError, match="trigger 'sqlite_helper'"):
        opened()


def test_sqlite_s_own_statistics_are_accepted(path: Path, opened: Callable[[], Store]) -> None:
    change(path, "ANALYZE")
    assert opened().get(1).id == 1


def test_a_view_is_refused_in_a_newer_file_too(path: Path, opened: Callable[[], Store]) -> None:
    change(path, "CREATE VIEW sight AS SELECT 1", f"PRAGMA user_version = {schema.SCHEMA + 1}")
    with pytest.raises(StoreError, match="view 'sight'"):
        opened()


# -- newer -------------------------------------------------------------------------------------------------


@pytest.fixture
def newer(path: Path, opened: Callable[[], Store]) -> Store:
    """A store of a later version: one more table and column."""
    change(path, "CREATE TABLE later(x)", "ALTER TABLE runs ADD COLUMN later TEXT",
           f"PRAGMA user_version = {schema.SCHEMA + 1}", "UPDATE meta SET value = '7.1' WHERE key = 'needs'")
    return opened()


def test_a_newer_file_is_read(newer: Store) -> None:
    assert newer.get(1).submitted == {"trees": 3}
    assert [record.id for record in newer.find(RunFilter(project="p"))] == [1]
    assert newer.count(RunFilter()) == {State.QUEUED: 1}
    assert newer.info().schema == schema.SCHEMA + 1
    with pytest.raises(NotFound):
        newer.get(2)


@pytest.mark.parametrize("write", [
    lambda store: store.submit([NewRun(uid="v", project="p", task="t", submitted={})]),
    lambda store: store.claim("p", OWNER, "token"),
    lambda store: store.cancel(1),
    lambda store: store.annotate(1, note="x"),
    lambda store: store.delete([1]),
    lambda store: store.change_settings("p", paused=True),
    lambda store: store.absent("w"),
    lambda store: store.upgrade(),
])
def test_a_newer_file_is_not_written_and_the_version_is_named(
        newer: Store, path: Path, write: Callable[[Store], object]) -> None:
    with pytest.raises(StoreError) as caught:
        write(newer)
    said = str(caught.value)
    assert said.startswith(f"{path}: its schema is {NOW + 1} and needs hyperspace-core 7.1 or newer")
    assert "pip install --upgrade hyperspace-core" in said and "\n" not in said
    assert newer.count(RunFilter()) == {State.QUEUED: 1}


# -- older -------------------------------------------------------------------------------------------------


@pytest.fixture
def later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This code with the next schema: `runs` has one more column."""
    grown = schema.RUNS.strip().replace("  finished_at TEXT,", "  finished_at TEXT, mood TEXT,")
    step = schema.SchemaMigration(schema=NOW + 1, statements=(
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{grown.replace(chr(39), chr(39) * 2)}' WHERE name = 'runs'",
        "PRAGMA writable_schema = RESET"))
    statements = tuple(grown if text == schema.RUNS.strip() else text for text in schema.STATEMENTS)
    monkeypatch.setattr(schema, "SCHEMA", NOW + 1)
    monkeypatch.setattr(schema, "STATEMENTS", statements)
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))


@pytest.mark.usefixtures("later")
def test_an_older_file_is_not_written_before_it_is_upgraded(path: Path, opened: Callable[[], Store]) -> None:
    store = opened()
    with pytest.raises(StoreError, match=f"is {NOW}, this hyperspace writes {NOW + 1}; run `hyperspace"):
        store.cancel(1)
    assert store.upgrade(dry_run=True) == (NOW, NOW + 1)
    assert store.info().schema == NOW


@pytest.mark.usefixtures("later")
def test_an_upgrade_changes_the_file_once(path: Path, opened: Callable[[], Store]) -> None:
    store = opened()
    assert store.upgrade() == (NOW, NOW + 1)
    assert store.cancel(1) is State.CANCELLED
    assert store.upgrade() == (NOW + 1, NOW + 1)
    assert opened().get(1).state is State.CANCELLED
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT mood FROM runs").fetchall() == [(None,)]


def test_an_upgrade_that_fails_changes_nothing(path: Path, opened: Callable[[], Store],
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (schema.SchemaMigration(schema=NOW + 1, statements=("CREATE TABLE one(x)",)),
             schema.SchemaMigration(schema=NOW + 2, statements=("CREATE TABLE two(x)",
                                                          "INSERT INTO nowhere VALUES(1)")))
    with monkeypatch.context() as patch:
        patch.setattr(schema, "SCHEMA", NOW + 2)
        patch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *steps))
        store = opened()
        with pytest.raises(StoreError, match="no such table: nowhere"):
            store.upgrade()
    assert opened().cancel(1) is State.CANCELLED


# -- files of earlier schemas -----------------------------------------------------------------------------


@pytest.fixture(params=["schema-1", "schema-2"])
def left(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of a store written by that version; see `what_is_in_it` for its contents."""
    source, path = Path(__file__).parent / "fixtures" / f"{request.param}.db", tmp_path / "left.db"
    shutil.copy(source, path)
    shutil.copytree(f"{source}.artifacts", f"{path}.artifacts")
    return path


def what_is_in_it(store: Store) -> None:
    first, *others = store.find(RunFilter(project="conformance"), order=ORDER_OLDEST)
    assert (first.uid, first.task, first.tags) == ("a" * 32, "holdout", ("first",))
    assert first.note == "kept since schema 1"
    assert first.config == {"classifier": {"className": "Forest", "trees": 100}}
    assert (first.result, first.code, first.migrated) == (0.9, {}, ())
    assert [point.value for point in store.points(1)] == [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5]
    with store.open_artifact(store.artifacts(1)[0]) as file:
        assert file.read() == b"an artifact\n"
    assert [other.state for other in others] == [State.FAILED, State.QUEUED, State.PAUSED, State.QUEUED]
    assert others[-1].attempts[0].late is not None


def test_an_old_store_is_read_only_before_the_upgrade(left: Path) -> None:
    with open_store(f"sqlite:///{left}") as store:
        what_is_in_it(store)
        assert store.migrations("conformance") == [] and store.rewritten(1) == []
        assert store.check() == () and store.info().runs == {"conformance": 5}
        assert store.collect_garbage(dry_run=True).blobs == 0
        with pytest.raises(StoreError, match=r"hyperspace store upgrade"):
            store.annotate(1, note="x")
        with pytest.raises(StoreError, match=r"hyperspace store upgrade"):
            store.collect_garbage(dry_run=False)


def test_an_upgraded_store_equals_a_new_one(left: Path) -> None:
    with open_store(f"sqlite:///{left}") as store, open_store(f"sqlite:///{left}") as other:
        what_is_in_it(other)
        store.upgrade()
        what_is_in_it(store)
        change = Rewrite(run=1, old_scenario=store.get(1).scenario, old_config=store.get(1).config,
                         scenario=None, config={"trees": 1})
        assert store.migrate(Migration(name="m", project="conformance", steps=()), [change]) == [1]
        assert store.get(1).migrated == ("m",)
    with open_store(f"sqlite:///{left}") as store:
        store.unmigrate("conformance", "m")
        what_is_in_it(store)
        assert store.annotate(1, note="x").note == "x"


# -- constraints of the tables -----------------------------------------------------------------------------


@pytest.mark.parametrize("statement", [
    "UPDATE runs SET state = 'RUNNING'",                           # without a token
    "UPDATE runs SET token = 'x'",                                 # without running
    "UPDATE runs SET state = 'LOST'",
    "UPDATE runs SET command = 'hurry'",
    "UPDATE runs SET priority = 'high'",                           # STRICT
    "INSERT INTO points VALUES(1, 1, 0, 'loss', 0, NULL, NULL, 0.0)",      # a NaN without `special`
    "INSERT INTO points VALUES(1, 1, 0, 'loss', 0, 1.0, 'nan', 0.0)",
    "INSERT INTO output VALUES(77, 1, 0, 'text', 0.0)",            # of no run
])
def test_the_tables_refuse_an_impossible_row(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
