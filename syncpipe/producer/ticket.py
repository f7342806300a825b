"""What the client knows of operations until they are settled: of one, or of many together."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from syncpipe.core.codec import decode_all
from syncpipe.producer.receipt import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from syncpipe.errors import SendError
    from syncpipe.producer.intake import Accepted
    from syncpipe.producer.many import BatchReceipt
    from syncpipe.producer.receipt import Listener, Lobby

    #: Returns why the operation of that name is given up.
    Reason = Callable[["Receipt | Name"], SendError]


#: For how long operations may join a stretch, as a part of the time for their tries: the last to
#: join has so much less.
_JOINING_PART = 0.001


class Name(NamedTuple):
    """What an error calls an operation of which nobody holds a receipt."""

    #: Its id, as people write it.
    id: str
    #: Its version.
    version: int


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


class Stretch:
    """Operations of one `send_many` that lie side by side in each of their queues.

    They are sent, confirmed and given up together, so that one ticket does for all of them. An
    operation has joined once its size is here, so that an interruption leaves no half of one.
    """

    __slots__ = (
        "_told",
        "batch",
        "epoch",
        "given_up",
        "indexes",
        "joined_until",
        "missing",
        "queues",
        "sizes",
        "try_until",
    )
    #: What listeners get beside it, which know the errors of its operations.
    error: ClassVar[None] = None
    #: Somebody always listens: the receipt of the batch.
    heard: ClassVar[bool] = True

    def __init__(
        self, batch: BatchReceipt, first: Accepted, *, epoch: int, now: float, tries_s: float
    ) -> None:
        """Begin with the *first* operation, of the item of *batch* that is being sent.

        It is accepted *now*, monotonic seconds, and may be tried for *tries_s*.
        """
        self.batch = batch
        #: The queues of each of its operations.
        self.queues = first.queues
        #: Places of its operations in the batch.
        self.indexes = [batch.index]
        #: Bytes of each of them.
        self.sizes = [len(first.data)]
        #: Copies of it that are neither confirmed nor given up.
        self.missing = len(first.routes)
        #: Epoch of their acceptance, see `tally`.
        self.epoch = epoch
        #: Monotonic seconds after which no further try may begin.
        self.try_until = now + tries_s
        #: Monotonic seconds until which others may join.
        self.joined_until = now + tries_s * _JOINING_PART
        #: Why a copy was given up, and its bytes.
        self.given_up: tuple[Reason, bytes] | None = None
        #: How many of the news were told, and where the next of them lies; None before the end.
        self._told: tuple[int, int] | None = None

    @property
    def count(self) -> int:
        """How many operations it is for."""
        return len(self.sizes)

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
            self._told = 0, 0

    def take_listener(self) -> Listener | None:
        """Return one more listener to be told, None if there is none; needs the sender's lock.

        Errors are made one by one, because they may be many.
        """
        if self._told is None or self._told[0] == self.count:
            return None
        number, begin = self._told
        if self.given_up is None:
            self._told = self.count, 0
            return functools.partial(self.batch.confirm, self.count)
        reason, raw = self.given_up
        end = begin + self.sizes[number]
        operation, _ = next(decode_all(raw[begin:end]))
        error = reason(Name(operation.uuid, operation.version))
        self._told = number + 1, end
        return functools.partial(self.batch.fail, self.indexes[number], error)
