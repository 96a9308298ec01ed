"""S28: TLS to a real server, certificates that are not trusted, and no way back to an open connection."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from worker.scene import PROJECT, submit

from hyperspace_core.errors import StoreError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_mongodb.testing import Server
from hyperspace_mongodb.testing.fixtures import installed


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that nobody has signed but itself; its key lies beside it."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl here to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem",
                    "-out", folder / "cert.pem"], check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture(scope="module")
def server(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    installed()
    server = Server(tmp_path_factory.mktemp("tls"), "--tls-cert-file", str(certificate),
                    "--tls-key-file", str(certificate.with_name("key.pem"))).start()
    yield server
    server.kill()


def test_with_the_authority_named_it_works(server: Server, certificate: Path) -> None:
    url = server.url(PROJECT, tls="true", tlsCAFile=str(certificate))
    with open_store(url, build_manager(), PROJECT) as store:
        run, = submit(store)
        assert store.get(run).id == run
        assert not any("no TLS" in note for note in store.info().notes)


def test_a_certificate_that_nobody_vouches_for_is_refused_in_one_line(server: Server) -> None:
    with pytest.raises(StoreError) as raised:
        open_store(server.url(PROJECT, tls="true", timeoutMS="3000"), build_manager(), PROJECT)

    assert "certificate" in str(raised.value)
    assert "tlsCAFile" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_plain_client_gets_nothing_from_a_server_with_tls(server: Server) -> None:
    with pytest.raises(StoreError):
        open_store(server.url(PROJECT, timeoutMS="2000"), build_manager(), PROJECT)


def test_where_tls_is_asked_for_and_stripped_on_the_way_nothing_is_sent(mongodb_server: Server) -> None:
    """The server without TLS answers all the same: what would be a man in the middle, as the client sees it."""
    before = mongodb_server.client()
    with before:
        count = before.admin.command("serverStatus").get("opcounters", {}).get("query", 0)
        with pytest.raises(StoreError) as raised:
            open_store(mongodb_server.url(PROJECT, tls="true", timeoutMS="2000"), build_manager(), PROJECT)
        assert "TLS" in str(raised.value)
        assert before.admin.command("serverStatus").get("opcounters", {}).get("query", 0) == count
