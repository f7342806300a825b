"""Requests of httpx2 over a `Network`, whose deadlines httpx2's own transport cannot keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore2
import httpx2

from syncpipe.targets.http.network import Network, Stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator


#: Seconds for which a connection is kept that nobody uses: less than most servers keep it.
_KEEP_S = 4.0


class Transport(httpx2.BaseTransport):
    """Sends requests; raises what httpcore2 raises."""

    def __init__(self, network: Network, *, trusted: ssl.SSLContext | None, most: int) -> None:
        """Hold at most so many connections of *network*; with TLS, to those who are *trusted*."""
        self._pool = httpcore2.ConnectionPool(
            ssl_context=trusted,
            max_connections=most,
            max_keepalive_connections=most,
            keepalive_expiry=_KEEP_S,
            network_backend=network,
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request*; its answer's body is yet to be read."""
        url = request.url
        response = self._pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.read(),
                extensions=request.extensions,
            )
        )
        stream = response.extensions.get("network_stream")
        if isinstance(stream, Stream) and not stream.heard:
            # It lay behind the answer before, so it says nothing of this request.
            stream.close()
            raise httpcore2.RemoteProtocolError("It had answered before it was asked.")
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response),
            extensions=response.extensions,
        )

    def close(self) -> None:
        """End all connections."""
        self._pool.close()


class _Body(httpx2.SyncByteStream):
    """The body of an answer."""

    def __init__(self, response: httpcore2.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        stream: Iterable[bytes] = self._response.stream  # type: ignore[assignment]
        yield from stream

    def close(self) -> None:
        self._response.close()
