"""An endpoint on a real socket, which honours ids and versions, and misbehaves as planned."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import struct
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zstandard

from syncpipe.core.collection import Collection
from syncpipe.core.operation import KINDS, Operation
from syncpipe.core.outcome import Outcome
from syncpipe.demo.oracle.rows import decoded
from syncpipe.system import SystemClock
from syncpipe.targets.http.options import HttpOptions
from syncpipe.targets.http.target import HttpTarget
from syncpipe.testing.target import MemoryTarget
from tests.integration.targets.places import groups

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A certificate for localhost and 127.0.0.1 that signs itself, with its key.
CERTIFICATE = Path(__file__).parent / "localhost.pem"
_HELD = {Outcome.APPLIED, Outcome.MERGED}
_UNPACK = {"gzip": gzip.decompress, "zstd": zstandard.decompress, None: lambda body: body}


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def batch(self) -> Any:
        """The batch in it."""
        return json.loads(_UNPACK[self.headers.get("content-encoding")](self.body))

    @property
    def operations(self) -> list[Any]:
        """The operations in it."""
        return self.batch["operations"]


@dataclass
class Endpoint:
    """Keeps records by the product's own fold; every effect is counted."""

    #: What the next requests meet in place of a right answer, one each.
    planned: deque[Callable[[_Handler, Received], None]] = field(default_factory=deque)
    #: Whether connections are ended as soon as they are made.
    slams: bool = False
    #: What every request meets in place of a right answer, if anything.
    always: Callable[[_Handler, Received], None] | None = None
    #: Says of an operation what the endpoint finds wrong with it, if anything: a result.
    judge: Callable[[Any], Mapping[str, Any] | None] = lambda _: None
    secure: bool = False

    def __post_init__(self):
        self.target = MemoryTarget("endpoint", clock=SystemClock())
        self.received: list[Received] = []
        self.health: list[Received] = []
        self.health_status = 200
        self.connections = 0
        #: How often each operation took effect.
        self.effects: Counter[str] = Counter()
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self._server: _Server | None = None
        self.port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.port}/sync/in"

    @property
    def health_url(self) -> str:
        return self.url.replace("/sync/in", "/health")

    def start(self) -> None:
        """Listen, on the same port as before."""
        self.closing.clear()
        self._server = _Server(("127.0.0.1", self.port), self)
        self.port = self._server.server_address[1]
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()

    def stop(self) -> None:
        """End, and every connection with it. Idempotent."""
        self.closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def opened(self, **options: Any) -> HttpTarget:
        """A target that posts here; the caller closes it."""
        clock = options.pop("clock", None) or SystemClock()
        options = {"url": self.url, **options}
        return HttpTarget(HttpOptions("test", **options), {"notes": NOTES}, clock)

    def apply(self, batch: Any) -> list[dict[str, Any]]:
        """Apply a batch and return its results."""
        with self._lock:
            refused = {o["id"]: said for o in batch["operations"] if (said := self.judge(o))}
            wanted = [o for o in batch["operations"] if o["id"] not in refused]
            results = [{"id": id_, **said} for id_, said in refused.items()]
            by_collection: dict[str, list[Operation]] = {}
            for each in map(operation_of, wanted):
                by_collection.setdefault(each.collection, []).append(each)
            for name, members in by_collection.items():
                collection = Collection(name, ("test",))
                for result in self.target.apply(groups(collection, members), now_ms=0):
                    id_ = result.operation.uuid
                    self.effects[id_] += result.outcome in _HELD
                    results.append({"id": id_, "status": result.outcome.value})
            return results


NOTES = Collection("notes", ("test",))


def operation_of(item: Any) -> Operation:
    """The operation that a request names, read as the documentation says."""
    id_ = bytes.fromhex(item["id"].replace("-", ""))
    assert item["tie"] == id_[8:].hex()
    assert set(item) == {"id", "collection", "key", "kind", "version", "tie", "data"}
    data = decoded(item["data"])
    kind = KINDS[item["kind"]]
    return Operation(id_, kind, item["collection"], item["key"], int(item["version"]), data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address, endpoint):
        self.endpoint = endpoint
        self._open: set[socket.socket] = set()
        self._context = None
        if endpoint.secure:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(CERTIFICATE)
        super().__init__(address, _Handler)

    def get_request(self):
        connection, address = super().get_request()
        connection.settimeout(30)
        self.endpoint.connections += 1
        if self._context is not None:
            connection = self._context.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        self._open.add(connection)
        return connection, address

    def hang_up(self):
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request):
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_):
        """What clients do to their connections is their business."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle(self):
        if not self.server.endpoint.slams:
            super().handle()

    def log_message(self, *_):
        pass

    def do_GET(self):
        endpoint = self.server.endpoint
        endpoint.health.append(self._received(b""))
        body = b"" if endpoint.health_status == HTTPStatus.NO_CONTENT else b"well " * 10_000
        self.answer(endpoint.health_status, body)

    def do_POST(self):
        endpoint = self.server.endpoint
        body = self.rfile.read(int(self.headers["content-length"]))
        received = self._received(body)
        endpoint.received.append(received)
        misdeed = endpoint.planned.popleft() if endpoint.planned else endpoint.always
        if misdeed is None:
            self.answer(200, {"results": endpoint.apply(received.batch)})
        else:
            misdeed(self, received)

    def answer(self, status, body=None, **headers):
        content = b"" if body is None else body if type(body) is bytes else dumped(body)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def head(self, length):
        """The beginning of an answer of so many bytes."""
        self.send_response(200)
        self.send_header("content-length", str(length))
        self.end_headers()

    def _received(self, body):
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(self.path, headers, body)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def answers(status: int, body: Any = None, **headers: str):
    """Answer so, and do nothing."""

    def misdeed(handler, _):
        handler.answer(status, body, **headers)

    return misdeed


def commits_then(misdeed):
    """Apply the batch, and then misbehave."""

    def both(handler, received):
        handler.server.endpoint.apply(received.batch)
        misdeed(handler, received)

    return both


def closes(handler, _):
    """End the connection without a word."""
    handler.close_connection = True


def resets(handler, _):
    """Break the connection."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()
    handler.close_connection = True


def hangs(handler, _):
    """Say nothing for as long as the endpoint lives."""
    handler.server.endpoint.closing.wait(60)
    handler.close_connection = True


def drips(head: bytes):
    """Say a byte now and then, for ever, after *head*."""

    def misdeed(handler, _):
        handler.close_connection = True
        handler.connection.sendall(head)
        while not handler.server.endpoint.closing.wait(0.02):
            handler.connection.sendall(b"x")

    return misdeed


def truncates(handler, received):
    """Apply, and end in the middle of the answer."""
    content = dumped({"results": handler.server.endpoint.apply(received.batch)})
    handler.head(len(content) + 10)
    handler.wfile.write(content)
    handler.close_connection = True


def talks(raw: bytes):
    """Answer with these bytes, whatever they are."""

    def misdeed(handler, _):
        handler.connection.sendall(raw)
        handler.close_connection = True

    return misdeed


def floods(handler, _):
    """Answer without end."""
    handler.head(10**12)
    handler.close_connection = True
    with contextlib.suppress(OSError):
        while not handler.server.endpoint.closing.is_set():
            handler.connection.sendall(b" " * 65536)
