"""A fake server that announces any version, clock and engine, and stores nothing."""

from __future__ import annotations

import socketserver
import struct
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import bson

HEADER = struct.Struct("<iiii")
OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013


class StandIn:
    """Listens on a free port of this machine until `close`."""

    def __init__(self) -> None:
        self.version, self.ahead_s = "8.0.17", 0.0
        self.engine: dict[str, Any] = {"name": "wiredTiger", "persistent": True}
        self._server = _Listening(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def url(self, database: str) -> str:
        return f"mongodb://127.0.0.1:{self._server.server_address[1]}/{database}"

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        if name in ("hello", "ismaster", "isMaster"):
            return {"isWritablePrimary": True, "ismaster": True, "helloOk": True, "minWireVersion": 0,
                    "maxWireVersion": 21, "maxBsonObjectSize": 2**24, "maxMessageSizeBytes": 48_000_000,
                    "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30,
                    "localTime": datetime.now(UTC) + timedelta(seconds=self.ahead_s)}
        if name == "buildInfo":
            return {"version": self.version, "versionArray": [*map(int, self.version.split(".")), 0]}
        if name == "serverStatus":
            return {"storageEngine": self.engine}
        return {"cursor": {"id": 0, "ns": f"{command['$db']}.nothing", "firstBatch": []}}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Listening(socketserver.ThreadingTCPServer):
    daemon_threads, block_on_close = True, False

    def __init__(self, stand_in: StandIn) -> None:
        super().__init__(("127.0.0.1", 0), _Conversation)
        self.stand_in = stand_in


class _Conversation(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        stand_in = self.server.stand_in    # type: ignore[attr-defined]
        while len(head := self.rfile.read(HEADER.size)) == HEADER.size:
            size, request, _, kind = HEADER.unpack(head)
            body = self.rfile.read(size - HEADER.size)
            if kind == OP_QUERY:           # the first message of a connection, in the old form
                text = body[4:body.index(b"\0", 4) + 1]
                answer = stand_in.answer(bson.decode(body[4 + len(text) + 8:]))
                payload = struct.pack("<iqii", 0, 0, 0, 1) + bson.encode({**answer, "ok": 1.0})
                kind = OP_REPLY
            else:
                answer = stand_in.answer(bson.decode(body[5:5 + struct.unpack_from("<i", body, 5)[0]]))
                payload = struct.pack("<iB", 0, 0) + bson.encode({**answer, "ok": 1.0})
            self.wfile.write(HEADER.pack(HEADER.size + len(payload), 0, request, kind) + payload)
