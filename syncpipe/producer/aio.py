"""The client for event loops."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Any, Self, Unpack

from syncpipe.core.compression import NO_DICTIONARIES
from syncpipe.core.operation import Kind
from syncpipe.errors import BufferFull
from syncpipe.producer.bulk import Bulk
from syncpipe.producer.intake import Intake
from syncpipe.producer.many import BatchReceipt
from syncpipe.producer.reasons import left_unconfirmed, no_room
from syncpipe.producer.sender import Sender
from syncpipe.producer.stamps import Stamper
from syncpipe.producer.ticket import ticket_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from decimal import Decimal
    from types import TracebackType

    from syncpipe.core.chance import Clock, Random
    from syncpipe.core.collection import Collection
    from syncpipe.core.compression import Dictionary
    from syncpipe.producer.accepted import Accepted
    from syncpipe.producer.draft import Choices, DraftLike, Key
    from syncpipe.producer.many import Fault
    from syncpipe.producer.options import ClientOptions
    from syncpipe.producer.receipt import Listener, Receipt
    from syncpipe.producer.tally import Mark
    from syncpipe.producer.ticket import Piece, Ticket
    from syncpipe.transport.broker import Broker


class AsyncClient:
    """Sends operations from any running event loop; the same verbs as `Client`.

    ``await client.upsert(…)`` returns the receipt once the operation is buffered; ``await receipt``
    waits until it is confirmed. A call that is cancelled while it waits for room has sent nothing;
    nothing else that is cancelled takes an operation back. *on_delivery* runs on the client's own
    thread.
    """

    def __init__(
        self,
        *,
        collections: Mapping[str, Collection],
        shards: int,
        broker: Broker,
        clock: Clock,
        random: Random,
        options: ClientOptions,
        dictionaries: Mapping[str, Dictionary] = NO_DICTIONARIES,
    ) -> None:
        """Send operations on *collections* through *broker*, which is closed with the client.

        Small envelopes of a collection are compressed with its one of *dictionaries*.
        """
        stamper = Stamper(clock, random)
        self._options = options
        self._intake = Intake(collections, shards, stamper)
        self._bulk = Bulk(self._intake, collections, shards, stamper, options)
        self._sender = Sender(
            broker,
            clock=clock,
            random=random,
            stamper=stamper,
            options=options,
            dictionaries=dictionaries,
        )

    async def upsert(
        self,
        collection: str,
        key: Key,
        data: Mapping[str, Any],
        *,
        on_delivery: Listener | None = None,
        **choices: Unpack[Choices],
    ) -> Receipt:
        """Set every field of a record to *data* and remove the others."""
        accepted = self._intake.accept_call(collection, key, data, Kind.UPSERT, choices)
        return await self._put(accepted, on_delivery)

    async def patch(
        self,
        collection: str,
        key: Key,
        data: Mapping[str, Any],
        *,
        on_delivery: Listener | None = None,
        **choices: Unpack[Choices],
    ) -> Receipt:
        """Replace the named fields of a record whole; None removes a field."""
        accepted = self._intake.accept_call(collection, key, data, Kind.PATCH, choices)
        return await self._put(accepted, on_delivery)

    async def delete(
        self,
        collection: str,
        key: Key,
        *,
        on_delivery: Listener | None = None,
        **choices: Unpack[Choices],
    ) -> Receipt:
        """Remove a record: everything older than this."""
        accepted = self._intake.accept_call(collection, key, None, Kind.DELETE, choices)
        return await self._put(accepted, on_delivery)

    async def increment(
        self,
        collection: str,
        key: Key,
        amounts: Mapping[str, int | Decimal],
        *,
        on_delivery: Listener | None = None,
        **choices: Unpack[Choices],
    ) -> Receipt:
        """Add *amounts* to fields of a record."""
        accepted = self._intake.accept_call(collection, key, amounts, Kind.INCREMENT, choices)
        return await self._put(accepted, on_delivery)

    async def send_many(
        self,
        drafts: Iterable[DraftLike] | AsyncIterable[DraftLike],
        *,
        on_fault: Callable[[Fault], object] | None = None,
    ) -> BatchReceipt:
        """Send each of *drafts*, maybe a stream longer than memory; see `Client.send_many`."""
        batch = BatchReceipt(on_fault)
        async for piece in self._pieces(drafts, batch):
            try:
                await self._send(piece, batch)
            except BufferFull:
                self._bulk.refuse(piece, batch)
            else:
                batch.accepted += piece.count
        return batch

    async def flush(self, timeout_s: float | None = None) -> int:
        """Send what is buffered and wait; return how many are not confirmed; see `Client.flush`."""
        mark = self._sender.begin_flush()
        limit = 2 * self._options.delivery_timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit):
                await self._settled(mark)
        except TimeoutError:
            pass  # what still waits is the answer
        return self._sender.report(mark)

    async def close(self, timeout_s: float | None = None) -> int:
        """Flush, give up the rest, and release the broker; see `Client.close`. Idempotent."""
        self._sender.refuse_more()
        unconfirmed = await self.flush(timeout_s)
        await asyncio.to_thread(self._sender.close, 0)
        return unconfirmed

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; raises as `Client` does."""
        unconfirmed = await self.close()
        if unconfirmed and error is None:
            raise left_unconfirmed(unconfirmed)

    async def _put(self, accepted: Accepted, on_delivery: Listener | None) -> Receipt:
        ticket = ticket_of(accepted, self._sender.lobby, on_delivery)
        await self._send(accepted, ticket)
        return ticket

    async def _send(self, accepted: Piece, of: Ticket | BatchReceipt) -> None:
        if not self._sender.offer(accepted, of):
            await self._send_when_room(accepted, of)

    async def _send_when_room(self, accepted: Piece, of: Ticket | BatchReceipt) -> None:
        try:
            async with asyncio.timeout(self._options.max_block_s):
                while True:
                    progress = self._progress()
                    if self._sender.offer(accepted, of):
                        return
                    await progress.wait()
        except TimeoutError:
            raise no_room(self._options, accepted.name) from None

    async def _pieces(
        self, drafts: Iterable[DraftLike] | AsyncIterable[DraftLike], batch: BatchReceipt
    ) -> AsyncIterator[Piece]:
        """Yield what of *drafts* is accepted, see `Bulk.pieces`."""
        if not isinstance(drafts, AsyncIterable):
            for piece in self._bulk.pieces(drafts, batch):
                yield piece
            return
        numbers = itertools.count()
        async for item in drafts:
            batch.index = next(numbers)
            accepted = self._bulk.accept_one(item, batch)
            if accepted is not None:
                yield accepted

    async def _settled(self, mark: Mark) -> None:
        while True:
            progress = self._progress()
            if not self._sender.waiting(mark):
                return
            await progress.wait()

    def _progress(self) -> asyncio.Event:
        """Return an event that is set in this loop the next time operations are settled."""
        progress = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._sender.watch(lambda: loop.call_soon_threadsafe(progress.set))
        return progress
