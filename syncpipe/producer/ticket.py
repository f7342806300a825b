"""What the client knows of operations until they are settled: of one, or of many together."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from syncpipe.core.codec import decode_all
from syncpipe.producer.accepted import Accepted
from syncpipe.producer.name import Name
from syncpipe.producer.receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.errors import SendError
    from syncpipe.producer.accepted import AcceptedBlock
    from syncpipe.producer.many import BatchReceipt
    from syncpipe.producer.receipt import Listener, Lobby

    #: What is buffered as a whole.
    Piece = Accepted | AcceptedBlock
    #: Returns why the operation of that name is given up.
    Reason = Callable[["Receipt | Name"], SendError]


#: For how long operations may join a stretch, as a part of the time for their tries: the last to
#: join has so much less.
_JOINING_PART = 0.001


class Ticket(Receipt, eq=False, kw_only=True):
    """An operation on its way: its receipt, and what is needed until it is settled."""

    #: How many operations it is for.
    count: ClassVar[int] = 1
    #: Bytes of its operation.
    size: int
    #: Copies that are neither confirmed nor given up.
    missing: int
    #: Epoch of its acceptance, see `tally`.
    epoch: int = 0
    #: Monotonic seconds after which no further try may begin.
    try_until: float = 0.0
    #: Why a copy was given up.
    given_up: SendError | None = None

    @property
    def sizes(self) -> tuple[int]:
        """Bytes of each of its operations."""
        return (self.size,)

    def give_up(self, reason: Reason, _: bytes) -> None:
        """Note that a copy is given up, unless another was before."""
        if self.given_up is None:
            self.given_up = reason(self)

    def end(self) -> None:
        """Settle the receipt, see `settle`: no copy is missing."""
        self.settle(self.given_up)


def ticket_of(accepted: Accepted, lobby: Lobby, listener: Listener | None) -> Ticket:
    """Return the ticket of an operation that is yet to be buffered."""
    return Ticket(
        accepted.operation_id,
        accepted.version,
        accepted.queues,
        lobby,
        () if listener is None else (listener,),
        size=len(accepted.data),
        missing=len(accepted.routes),
    )


class SharedTicket(ABC):
    """Operations of one `send_many` that lie side by side in each of their queues.

    They are sent, confirmed and given up together, so that one ticket does for all of them.
    """

    __slots__ = (
        "_told",
        "batch",
        "epoch",
        "given_up",
        "missing",
        "places",
        "queues",
        "sizes",
        "try_until",
    )
    #: What listeners get beside it, which know the errors of its operations.
    error: ClassVar[None] = None
    #: Somebody always listens: the receipt of the batch.
    heard: ClassVar[bool] = True

    def __init__(
        self, batch: BatchReceipt, places: list[int], first: Piece, *, epoch: int, try_until: float
    ) -> None:
        """Begin with the *first* piece, which is the items of *batch* at *places*.

        It was accepted in that *epoch*, see `tally`, and no further try may begin after the
        monotonic seconds *try_until*.
        """
        self.batch = batch
        #: Places of its operations in the batch.
        self.places = places
        #: Bytes of each of its pieces.
        self.sizes = [len(first.data)]
        #: The queues of each of its operations.
        self.queues = first.queues
        #: Copies of it that are neither confirmed nor given up.
        self.missing = len(first.routes)
        self.epoch = epoch
        self.try_until = try_until
        #: Why a copy was given up, and its bytes.
        self.given_up: tuple[Reason, bytes] | None = None
        #: How many of the news were told; None before the end.
        self._told: int | None = None

    @property
    @abstractmethod
    def count(self) -> int:
        """How many operations it is for."""

    @property
    def size(self) -> int:
        """Bytes of its operations."""
        return sum(self.sizes)

    def give_up(self, reason: Reason, raw: bytes) -> None:
        """Note that the copy in *raw* is given up, unless another was before."""
        if self.given_up is None:
            self.given_up = reason, raw

    def end(self) -> None:
        """Settle its operations, of which no copy is missing; the batch is yet to be told."""
        if self._told is None:
            self._told = 0

    def take_listener(self) -> Listener | None:
        """Return one more listener to be told, None if there is none; needs the sender's lock.

        Errors are made one by one, because they may be many.
        """
        number = self._told
        if number is None or number == self.count:
            return None
        if self.given_up is None:
            self._told = self.count
            return functools.partial(self.batch.confirm, self.count)
        reason, raw = self.given_up
        error = reason(self._name(number, raw))
        self._told = number + 1
        return functools.partial(self.batch.fail, self.places[number], error)

    @abstractmethod
    def _name(self, number: int, raw: bytes) -> Name:
        """Return what an error calls the operation of that *number* in *raw*."""


class Stretch(SharedTicket):
    """Operations that came one by one; more may join.

    One has joined once its size is here, so that an interruption leaves no half of one.
    """

    __slots__ = ("joined_until",)

    def __init__(
        self, batch: BatchReceipt, first: Accepted, *, epoch: int, now: float, tries_s: float
    ) -> None:
        """Begin with the *first* operation, of the item of *batch* that is being sent.

        It is accepted *now*, monotonic seconds, and may be tried for *tries_s*.
        """
        super().__init__(batch, [batch.index], first, epoch=epoch, try_until=now + tries_s)
        #: Monotonic seconds until which others may join.
        self.joined_until = now + tries_s * _JOINING_PART

    @property
    def count(self) -> int:
        """How many operations it is for."""
        return len(self.sizes)

    def _name(self, number: int, raw: bytes) -> Name:
        begin = sum(self.sizes[:number])
        operation, _ = next(decode_all(raw[begin : begin + self.sizes[number]]))
        return Name(operation.uuid, operation.version)


class BlockTicket(SharedTicket):
    """Operations that came together, in one block."""

    __slots__ = ("_ids", "_version")

    def __init__(
        self, batch: BatchReceipt, block: AcceptedBlock, *, epoch: int, try_until: float
    ) -> None:
        """Be for *block*, which is of items of *batch*."""
        super().__init__(batch, block.places, block, epoch=epoch, try_until=try_until)
        self._ids = block.ids
        self._version = block.version

    @property
    def count(self) -> int:
        """How many operations it is for."""
        return len(self.places)

    def _name(self, number: int, raw: bytes) -> Name:  # noqa: ARG002 - what it was made of is here
        return Name.among(self._ids, self._version, number)


def shared_ticket(
    batch: BatchReceipt, piece: Piece, epoch: int, now: float, tries_s: float
) -> SharedTicket:
    """Return the ticket that *piece* of *batch* begins; see `Stretch` for the others."""
    if isinstance(piece, Accepted):
        return Stretch(batch, piece, epoch=epoch, now=now, tries_s=tries_s)
    return BlockTicket(batch, piece, epoch=epoch, try_until=now + tries_s)
