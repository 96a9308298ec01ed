"""Store addresses: completion, errors with a cure, hidden passwords (B50, S19)."""

from __future__ import annotations

from pathlib import Path
from traceback import TracebackException

import pytest

from hyperspace_core.errors import StoreError
from hyperspace_core.extension.features import install_command
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import offers, open_store, redact, resolve_url
from support.world import World, broken

# -- from what was typed to a URL ----------------------------------------------------------------------------


def test_an_argument_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", "mongodb://elsewhere/x")
    assert resolve_url("sqlite:////tmp/a.db", "digits") == "sqlite:////tmp/a.db"
    assert resolve_url(None, "digits") == "mongodb://elsewhere/x"
    assert resolve_url("", "digits") == "mongodb://elsewhere/x"


def test_without_either_it_is_a_file_in_the_user_s_data_folder(monkeypatch: pytest.MonkeyPatch,
                                                               tmp_path: Path) -> None:
    monkeypatch.setenv("HYPERSPACE_STORAGE", "  ")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    url = resolve_url(None, "digits")
    assert url.startswith(f"sqlite:///{tmp_path}")
    assert url.endswith("/hyperspace/digits.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("typed", "url"), [
    ("localhost:27017", "mongodb://localhost:27017/digits"),
    ("localhost", "mongodb://localhost/digits"),
    ("db.example/other", "mongodb://db.example/other"),
    ("mongodb://host", "mongodb://host/digits"),
    ("mongodb://host/", "mongodb://host/digits"),
    (" MongoDB://host/x ", "mongodb://host/x"),
    ("mongodb://me:p%40ss@a:1,b:2/?replicaSet=r", "mongodb://me:p%40ss@a:1,b:2/digits?replicaSet=r"),
    ("mongodb://[::1]:27017", "mongodb://[::1]:27017/digits"),
    ("mongodb+srv://cluster.example/x", "mongodb+srv://cluster.example/x"),
    ("postgresql://host", "postgresql://host/digits"),
    ("sqlite:////abs/runs.db", "sqlite:////abs/runs.db"),
    ("ledger:////abs/runs.db", "ledger:////abs/runs.db"),
    ("/abs/runs.db", "sqlite:////abs/runs.db"),
    ("/abs/folder/runs", "sqlite:////abs/folder/runs"),
])
def test_typed_addresses_are_completed(typed: str, url: str) -> None:
    assert resolve_url(typed, "digits") == url
    assert resolve_url(url, "digits") == url


def test_relative_files_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/me")
    assert resolve_url("runs.db", "digits") == f"sqlite:///{tmp_path}/runs.db"
    assert resolve_url("sqlite:///runs.db", "digits") == f"sqlite:///{tmp_path}/runs.db"
    assert resolve_url("./my runs.sqlite", "digits") == f"sqlite:///{tmp_path}/my runs.sqlite"
    assert resolve_url("~/runs.db", "digits") == "sqlite:////home/me/runs.db"
    assert resolve_url("ledger:///runs.db", "digits") == f"ledger:///{tmp_path}/runs.db"


@pytest.mark.parametrize(("typed", "said"), [
    ("mongodb://host:99999", "storage 'mongodb://host:99999': port must be 1-65535, found '99999'"),
    ("mongodb://host:0/x", "port must be 1-65535, found '0'"),
    ("host:port", "port must be 1-65535, found 'port'"),
    ("mongodb://", "names no host; write mongodb://host/digits"),
    ("mongodb:///db", "names no host"),
    ("mongodb://a,,b/db", "names no host"),
    ("mongodb://ho st/x", "holds a space"),
    ("mongodb://::1:27017/x", "write an IPv6 address in brackets"),
    ("sqlite:runs.db",
     ("storage 'sqlite:runs.db': write sqlite:///runs.db for a file in the current folder, or "
      "sqlite:////runs.db for an absolute path")),
    ("sqlite://runs.db", "SQLite has no host; write sqlite:///runs.db"),
    ("sqlite:///", "names no file"),
    ("sqlite://", "SQLite has no host"),
    ("ledger:///", "storage 'ledger:///': names no file; write ledger:///runs.db"),
    ("ledger://", "names no host"),
    ("sqlite://me:S3cr3t@db/runs.db", "storage 'sqlite://me:***@db/runs.db': SQLite has no host and no user"),
    ("sqlite:///a\0b", "NUL"),
])
def test_b50_wrong_addresses_are_refused_with_a_cure(typed: str, said: str) -> None:
    with pytest.raises(StoreError) as caught:
        resolve_url(typed, "digits")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


CANARY = "S3cr3t-canary"


@pytest.mark.parametrize("typed", [
    f"mongodb://me:{CANARY}@x@host/db", f"mongodb://me:a/{CANARY}@host/db", f"mongodb://me:a?{CANARY}@host/db",
    f"mongodb://me:a:{CANARY}@host/db", f"me:{CANARY}@x@host", f"mongodb://me:{CANARY}#1@host/db",
    f"mongodb://me:{CANARY}[@host/db",
])
def test_b50_an_unescaped_password_is_refused_but_not_shown(typed: str) -> None:
    with pytest.raises(StoreError, match="must be escaped") as caught:
        resolve_url(typed, "digits")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(("url", "shown"), [
    (f"mongodb://me:{CANARY}@host:1/db?x=1", "mongodb://me:***@host:1/db?x=1"),
    (f"mongodb://me:{CANARY}@host/db?tlsCertificateKeyFilePassword={CANARY}&x=1",
     "mongodb://me:***@host/db?tlsCertificateKeyFilePassword=***&x=1"),
    (f"me:{CANARY}@host", "me:***@host"),
    (f"mongodb://me:{CANARY}@b@host/db", "mongodb://me:***@host/db"),
    (f"mongodb://host/db?password={CANARY}@x", "mongodb://host/db?password=***"),
    (f"mongodb://host/db?x=1;proxyPassword={CANARY};y=2", "mongodb://host/db?x=1;proxyPassword=***;y=2"),
    (f"mongodb://host/db?authMechanismProperties=AWS_SESSION_TOKEN:{CANARY}&x=1",
     "mongodb://host/db?authMechanismProperties=***&x=1"),
    ("mongodb://me@host/db", "mongodb://me@host/db"),
    ("mongodb://host/db?authSource=admin", "mongodb://host/db?authSource=admin"),
    ("sqlite:////a/b.db", "sqlite:////a/b.db"),
])
def test_s19_redact_hides_secrets(url: str, shown: str) -> None:
    assert redact(url) == shown


def test_s19_traceback_variables_do_not_show_the_password() -> None:
    url = resolve_url(f"mongodb://me:{CANARY}@host/db", "digits")
    assert f"{CANARY}@host" in url         # the text itself has the password
    try:
        raise AssertionError
    except AssertionError as error:
        shown = "".join(TracebackException.from_exception(error, capture_locals=True).format())

    assert "url = 'mongodb://me:***@host/db'" in shown
    assert CANARY not in shown


@pytest.mark.parametrize("mistake", ["port", ":0", ":99999", " x"])
def test_s19_errors_do_not_show_the_password(mistake: str) -> None:
    with pytest.raises(StoreError) as caught:
        resolve_url(f"mongodb://me:{CANARY}@host:1{mistake}/db", "digits")
    assert CANARY not in str(caught.value)
    assert "me:***@host" in str(caught.value)


# -- opening -------------------------------------------------------------------------------------------------

PLUGIN = """
    from hyperspace_core import hookimpl

    @hookimpl
    def hyperspace_storage(register):
        register.scheme("cards", "{target}", "Punched cards")
"""
STORE = """
    def open_store(url, project):
        return ("opened", url, project)
"""


def card_store(world: World, target: str = "card_store:open_store", store: str = STORE) -> None:
    world.plugin("cards", PLUGIN.format(target=target))
    world.install("cards-store", {}, {"card_store.py": store})


def test_a_store_plugin_is_imported_when_its_url_is_opened(world: World) -> None:
    import sys

    card_store(world)
    extensions = build_manager()
    assert offers(extensions)["cards"].label == "Punched cards"
    assert "card_store" not in sys.modules
    assert open_store("cards://box/x", extensions, "digits") == ("opened", "cards://box/x", "digits")


def test_a_scheme_without_its_plugin_names_the_plugin() -> None:
    url = f"mongodb://me:{CANARY}@localhost:27017/digits"
    with pytest.raises(StoreError) as caught:
        open_store(url, build_manager(discover=False), "digits")
    assert str(caught.value) == ("storage 'mongodb://me:***@localhost:27017/digits': no installed plugin "
                                 "serves mongodb://; install the plugin: "
                                 f"{install_command('hyperspace-mongodb')}")


@pytest.mark.parametrize(("url", "said"), [
    ("http://host/x", "no installed plugin serves http://; known are sqlite://"),
    ("sqlit:///x.db", "known are sqlite://; did you mean 'sqlite'?"),
    ("mongo://host/x", "did you mean 'mongodb'?"),
    ("runs.db", "not a URL"),
])
def test_an_unknown_scheme_is_refused(url: str, said: str) -> None:
    with pytest.raises(StoreError, match="storage '") as caught:
        open_store(url, build_manager(discover=False), "digits")
    assert said in str(caught.value)


def test_a_missing_scheme_names_the_broken_plugin(world: World) -> None:
    world.plugin("cards", "raise RuntimeError('no cards')")
    said = r"plugin 'cards' \(cards-plugin 1\.0\) is left out: RuntimeError: no cards"
    with pytest.raises(StoreError, match=said):
        open_store("cards://box", build_manager())


@pytest.mark.parametrize(("target", "store", "said"), [
    ("card_store:open_store", "import not_installed_at_all", "it needs the module 'not_installed_at_all'"),
    ("card_store:nothing", STORE, "has no attribute 'nothing'"),
    ("nowhere:open_store", STORE, "its module 'nowhere' does not exist"),
])
def test_a_store_that_cannot_be_imported(world: World, target: str, store: str, said: str) -> None:
    card_store(world, target, store)
    first = r"storage 'cards://me:\*\*\*@box': the Punched cards store cannot be loaded"
    with pytest.raises(StoreError, match=first) as caught:
        open_store(f"cards://me:{CANARY}@box", build_manager())
    assert said in str(caught.value)


def test_a_plugin_that_fails_to_offer_leaves_other_schemes(world: World) -> None:
    world.plugin("cards", PLUGIN.format(target="card_store"))
    world.plugin("thief", PLUGIN.replace("cards", "sqlite").format(target="thief:open_store"))
    extensions = build_manager()
    assert offers(extensions)["sqlite"].target == "hyperspace_core.stores.sqlite:open_store"
    assert "cards" not in offers(extensions)
    assert "expected 'package.module:function', not 'card_store'" in broken(extensions)["cards"]
    assert "sqlite:// is offered by hyperspace_core and thief" in broken(extensions)["thief"]


def test_a_tryfirst_plugin_cannot_take_a_scheme_of_core(world: World) -> None:
    text = PLUGIN.replace("cards", "sqlite").format(target="thief:open_store")
    world.plugin("thief", text.replace("@hookimpl", "@hookimpl(tryfirst=True)"))
    extensions = build_manager()
    assert offers(extensions)["sqlite"].target == "hyperspace_core.stores.sqlite:open_store"
    assert "sqlite:// is offered by hyperspace_core and thief" in broken(extensions)["thief"]
