"""S28: TLS to a real server, untrusted certificates, and no fallback to an open connection."""

from __future__ import annotations

import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import self_signed
from hyperspace_core.errors import StoreError
from hyperspace_core.extension.manager import build_manager
from hyperspace_core.extension.storage import open_store
from hyperspace_mongodb.testing import Server
from hyperspace_mongodb.testing.fixtures import installed
from support.behaving import PROJECT, submit


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1; its key is in the same folder."""
    return self_signed(tmp_path_factory.mktemp("certificate"), "127.0.0.1")


@pytest.fixture(scope="module")
def server(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    installed()
    server = Server(tmp_path_factory.mktemp("tls"), "--tls-cert-file", str(certificate),
                    "--tls-key-file", str(certificate.with_name("key.pem"))).start()
    yield server
    server.kill()


def test_tls_works_with_the_authority_named(server: Server, certificate: Path) -> None:
    url = server.url(PROJECT, tls="true", tlsCAFile=str(certificate))
    with open_store(url, build_manager(), PROJECT) as store:
        run, = submit(store)
        assert store.get(run).id == run
        assert not any("no TLS" in note for note in store.info().notes)


def test_an_untrusted_certificate_is_refused_in_one_line(server: Server) -> None:
    with pytest.raises(StoreError) as raised:
        open_store(server.url(PROJECT, tls="true", timeoutMS="3000"), build_manager(), PROJECT)

    assert "certificate" in str(raised.value)
    assert "tlsCAFile" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_plain_client_gets_nothing_from_a_server_with_tls(server: Server) -> None:
    with pytest.raises(StoreError):
        open_store(server.url(PROJECT, timeoutMS="2000"), build_manager(), PROJECT)


@pytest.fixture
def heard() -> Iterator[tuple[int, list[bytes]]]:
    """A listener instead of a server: its port, and the first bytes of each connection."""
    first: list[bytes] = []

    class Listener(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            first.append(self.request.recv(1 << 16))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listener) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield listener.server_address[1], first
        listener.shutdown()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="0.0.0.0 leads to this machine on Linux only")
@pytest.mark.parametrize(("host", "options"), [("0.0.0.0", ""), ("127.0.0.1", "&tls=true")])
def test_nothing_is_sent_to_a_remote_host_before_tls(heard: tuple[int, list[bytes]], host: str,
                                                     options: str) -> None:
    """As with a man in the middle who strips TLS. 0.0.0.0 stands for another machine: it is not loopback."""
    port, first = heard
    with pytest.raises(StoreError, match="TLS"):
        open_store(f"mongodb://ann:S3cr3t@{host}:{port}/x?timeoutMS=1500{options}", build_manager(), PROJECT)

    assert first
    assert all(one[:2] == b"\x16\x03" for one in first)           # a handshake and nothing else


def test_tls_can_be_switched_off(heard: tuple[int, list[bytes]]) -> None:
    port, first = heard
    with pytest.raises(StoreError):
        open_store(f"mongodb://0.0.0.0:{port}/x?timeoutMS=1500&tls=false", build_manager(), PROJECT)

    assert not any(one[:2] == b"\x16\x03" for one in first)
