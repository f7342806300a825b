"""One request and its answer, with what goes wrong translated."""

from __future__ import annotations

import ssl
import threading
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpcore2
import httpx2

from syncpipe.targets.http.answer import Answer, retry_after_s
from syncpipe.targets.http.faults import FAULTS, meaning
from syncpipe.targets.http.network import Network
from syncpipe.targets.http.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import ParamSpec, TypeVar

    from syncpipe.core.chance import Clock
    from syncpipe.errors import TargetError
    from syncpipe.resilience.classification import Classification
    from syncpipe.targets.http.options import HttpOptions

    P = ParamSpec("P")
    R = TypeVar("R")

#: Most bytes that are read of an answer whose status tells what is wrong, and most seconds.
_EXCERPT_BYTES, _EXCERPT_S = 8 * 1024, 1.0
#: Secrets shorter than this are not looked for in what an endpoint says.
_SHORT = 4


class Endpoint:
    """What answers at the URL of a target. Thread-safe; nothing is connected before it is used."""

    def __init__(self, options: HttpOptions, clock: Clock, classification: Classification) -> None:
        """Remember how to reach it, and what its faults mean."""
        self._options = options
        self._clock = clock
        self._classification = classification
        self._network = Network(clock)
        self._url = httpx2.URL(options.url)
        self._client: httpx2.Client | None = None
        self._lock = threading.Lock()
        #: Path of the URL, without a query.
        self.path: str = self._url.path
        bearer = {"Authorization": f"Bearer {options.token}"} if options.token else {}
        self._secrets = [
            text
            for text in (options.token, *options.headers.values())
            if text and len(text) >= _SHORT
        ]
        self._headers = {
            "Accept": "application/json",
            # What is not compressed cannot unpack to more than the limit.
            "Accept-Encoding": "identity",
            "User-Agent": "syncpipe",
            **options.headers,
            **bearer,
        }

    def post(self, body: bytes, headers: Mapping[str, str], *, most_bytes: int) -> Answer:
        """Return the answer to *body*, which may have at most *most_bytes* if it is a success.

        Raises:
            TargetError: there was none, or not a whole one, in time.

        """
        return self._guarded(self._ask, "POST", self._options.url, body, headers, most_bytes)

    def get(self, url: str) -> Answer:
        """Return the status of *url*, whatever its body; raises as `post` does."""
        return self._guarded(self._ask, "GET", url, b"", {}, None)

    def reach(self) -> str:
        """Connect and leave again; return how the connection is secured. Raises as `post` does."""
        return self._guarded(self._connect)

    def masked(self, text: str) -> str:
        """Return *text* without the secrets that we send."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def close(self) -> None:
        """End all connections. Idempotent."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def fault(self, kind: str, what: str) -> TargetError:
        """Return the error for a fault of this *kind*; *what* continues the name of the target."""
        message = self.masked(f"Target {self._options.name!r} {what}.")
        return self._classification.of_fault(kind, message, endpoint=self.path)

    def _guarded(self, call: Callable[P, R], *args: P.args, **options: P.kwargs) -> R:
        """Return what *call* does within the deadline, its faults translated."""
        try:
            with self._network.within(self._options.timeout_s):
                return call(*args, **options)
        except FAULTS as fault:
            raise self.fault(*meaning(fault)) from fault

    def _ask(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], most_bytes: int | None
    ) -> Answer:
        """Return what is answered, with its body unless *most_bytes* is None."""
        client = self._opened()
        request = client.build_request(method, url, content=body, headers=headers)
        response = client.send(request, stream=True)
        try:
            answer = Answer(
                response.status_code,
                b"",
                retry_after_s(response.headers, self._clock.now_ms()),
                _without_query(response.headers.get("location")),
            )
            if most_bytes is None:
                return answer
            if answer.is_success:
                return replace(answer, body=self._whole(response, most_bytes))
            with self._network.within(_EXCERPT_S):
                return replace(answer, body=_beginning(response))
        finally:
            response.close()

    def _whole(self, response: httpx2.Response, most_bytes: int) -> bytes:
        """Return the body of a successful *response*."""
        encoding = response.headers.get("content-encoding", "identity")
        if encoding.lower() != "identity":
            raise self.fault("unreadable", f"answered with a body in {encoding!r}, unasked")
        parts, size = [], 0
        try:
            for part in response.iter_raw():
                parts.append(part)
                size += len(part)
                if size > most_bytes:
                    raise self.fault("unreadable", f"answered more than {most_bytes} bytes")
        except httpcore2.RemoteProtocolError as fault:
            raise httpcore2.ReadError(str(fault)) from fault
        return b"".join(parts)

    def _connect(self) -> str:
        host = self._url.raw_host.decode("ascii")
        secure = self._url.scheme == "https"
        port = self._url.port or (443 if secure else 80)
        stream = self._network.connect_tcp(host, port, self._options.connect_timeout_s)
        try:
            if not secure:
                return "without TLS"
            timeout_s = self._options.connect_timeout_s
            stream = stream.start_tls(self._trusted(), host, timeout_s)
            return str(stream.get_extra_info("ssl_object").version())
        finally:
            stream.close()

    def _opened(self) -> httpx2.Client:
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> httpx2.Client:
        options = self._options
        trusted = self._trusted() if self._url.scheme == "https" else None
        return httpx2.Client(
            transport=Transport(self._network, trusted=trusted, most=options.pool_max),
            headers=self._headers,
            timeout=httpx2.Timeout(options.timeout_s, connect=options.connect_timeout_s),
            follow_redirects=False,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    def _trusted(self) -> ssl.SSLContext:
        """Return whose certificates are trusted."""
        file = self._options.ca_file
        if file is None:
            return httpx2.create_ssl_context(trust_env=False)
        try:
            return ssl.create_default_context(cafile=file)
        except (OSError, ssl.SSLError) as fault:
            what = f"cannot be trusted: the certificates in {file} cannot be read: {fault}"
            raise self.fault("tls", what) from fault


def _beginning(response: httpx2.Response) -> bytes:
    """Return what can be read of the beginning of a body; the status is known without it."""
    body = b""
    try:
        for part in response.iter_raw():
            body += part
            if len(body) >= _EXCERPT_BYTES:
                break
    except FAULTS:
        pass
    return body[:_EXCERPT_BYTES]


def _without_query(url: str | None) -> str | None:
    """Return *url* without what may hold secrets; None if there is none, or it is none."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        host = f"{parts.scheme}://{parts.hostname}" if parts.hostname else ""
    except ValueError:
        return None
    return f"{host}{parts.path}"
