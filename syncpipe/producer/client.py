"""The client for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, Unpack

from syncpipe.core.compression import NO_DICTIONARIES
from syncpipe.core.operation import Kind
from syncpipe.errors import BufferFull
from syncpipe.producer.bulk import Bulk
from syncpipe.producer.intake import Intake
from syncpipe.producer.many import BatchReceipt
from syncpipe.producer.reasons import left_unconfirmed
from syncpipe.producer.sender import Sender
from syncpipe.producer.stamps import Stamper
from syncpipe.producer.ticket import ticket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
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
    from syncpipe.transport.broker import Broker


#: Items of a batch after which whoever sends it looks whether to help the client's thread.
_HELPS = 64


class Client:
    """Sends operations. Thread-safe, safe after a fork, and flushed at interpreter exit.

    `upsert`, `patch`, `delete` and `increment` check the operation, append it to a buffer and
    return its receipt at once; a thread sends what the buffer holds. All of them raise

    - `UnknownCollection` or `InvalidOperation`: it was refused, nothing is sent;
    - `BufferFull`: there was no room for ``max_block_s``;
    - `ClientClosed`: the client was closed.

    *on_delivery* is called once with the receipt and the error, None if the operation is confirmed.
    It runs on the client's own thread, maybe after a flush has returned and before `close` does, so
    it should be short and must not wait for receipts. What it raises goes to the log.
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

    def upsert(
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
        return self._put(accepted, on_delivery)

    def patch(
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
        return self._put(accepted, on_delivery)

    def delete(
        self,
        collection: str,
        key: Key,
        *,
        on_delivery: Listener | None = None,
        **choices: Unpack[Choices],
    ) -> Receipt:
        """Remove a record: everything older than this."""
        accepted = self._intake.accept_call(collection, key, None, Kind.DELETE, choices)
        return self._put(accepted, on_delivery)

    def increment(
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
        return self._put(accepted, on_delivery)

    def send_many(
        self, drafts: Iterable[DraftLike], *, on_fault: Callable[[Fault], object] | None = None
    ) -> BatchReceipt:
        """Send each of *drafts*, which may be a stream longer than memory: the way in for many.

        Those of a list or tuple are taken together where they are upserts of plain documents, in
        less than half the time.

        An item that is refused becomes a fault with its index, and the rest goes on. *on_fault* is
        called with every fault, in this thread or the client's own.

        Raises:
            ClientClosed: the client was closed.

        """
        batch = BatchReceipt(on_fault)
        offer, put, unhelped = self._sender.offer, self._sender.put, 0
        try:
            for piece in self._bulk.pieces(drafts, batch):
                try:
                    if not offer(piece, batch, helps=True):
                        put(piece, batch)
                except BufferFull:
                    self._bulk.refuse(piece, batch)
                    continue
                batch.accepted += piece.count
                unhelped += piece.count
                if unhelped >= _HELPS:
                    unhelped = 0
                    self._sender.help()
        finally:
            self._sender.rouse()
        return batch

    def flush(self, timeout_s: float | None = None) -> int:
        """Send what is buffered and wait; return how many operations are not confirmed.

        0 means that the broker has everything that was accepted before, as far as no earlier flush
        has reported it. Waits *timeout_s* seconds at most, twice ``delivery_timeout_s`` if None.
        """
        return self._sender.flush(timeout_s)

    def close(self, timeout_s: float | None = None) -> int:
        """Flush, give up what *timeout_s* did not suffice for, and release the broker. Idempotent.

        Returns how many operations are not confirmed, as `flush`; their receipts carry the error. A
        signal handler that interrupts a flush of its own thread gives up nothing, and what was
        interrupted goes on; close again, or let the exit do so.
        """
        return self._sender.close(timeout_s)

    def _put(self, accepted: Accepted, on_delivery: Listener | None) -> Receipt:
        ticket = ticket_of(accepted, self._sender.lobby, on_delivery)
        self._sender.put(accepted, ticket)
        return ticket

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close.

        Raises:
            SendError: some operations are not confirmed, and no other error is under way.

        """
        unconfirmed = self.close()
        if unconfirmed and error is None:
            raise left_unconfirmed(unconfirmed)
