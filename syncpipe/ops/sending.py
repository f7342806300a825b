"""Sending a whole file: what is wrong is reported by line, and the rest goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from syncpipe.errors import InvalidOperation, SendError, SyncpipeError
from syncpipe.ops.records import BadLine, Row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from syncpipe.ops.shaping import Change, Shape

#: Told once what became of an operation: its receipt, and the error if it is not confirmed.
Listener = Callable[[Any, SyncpipeError | None], None]
#: Gives one operation to a client; raises InvalidOperation or SendError.
Send = Callable[["Change", Listener], object]
#: Records between two reports of progress.
_STEP = 500


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a file."""

    #: Records that were read, right or wrong.
    read: int
    #: Operations that the broker has confirmed.
    confirmed: int
    #: Records that were refused.
    refused: int
    #: Operations that were given to the client and not confirmed.
    unconfirmed: int
    #: Line after which nothing was read any more, because the broker took nothing; None if all was.
    stopped_at: int | None


class Sending:
    """Sends the records of one file."""

    def __init__(
        self,
        send: Send,
        shape: Shape,
        *,
        report: Callable[[BadLine], object],
        progress: Callable[[int], object],
        keep: Callable[[str], object] | None = None,
    ) -> None:
        """Make operations by *shape* and give them to *send*.

        *report* hears of every record that is not sent, *progress* now and then of how many were
        read, *keep* gets a line for each that is still to be sent; all in the thread that calls
        `run`.
        """
        self._send = send
        self._shape = shape
        self._report = report
        self._keep = keep
        self._progress = progress
        self._arrived: SimpleQueue[tuple[Row, SyncpipeError] | None] = SimpleQueue()
        self._given = self._confirmed = self._refused = self._unconfirmed = 0

    def run(self, rows: Iterable[Row | BadLine], flush: Callable[[], object]) -> Sent:
        """Send *rows*, *flush* at the end, and say what became of them.

        *flush* returns when every operation is confirmed or given up. Nothing more is sent once one
        could not be: the broker is away then, and the rest of the file is read only to be kept.
        """
        read = 0
        stopped_at = None
        rest = iter(rows)
        for row in rest:
            read += 1
            self._take(row)
            self._settle()
            if read % _STEP == 0:
                self._progress(read)
            if self._unconfirmed:
                stopped_at = row.line
                break
        flush()
        self._settle()
        self._keep_rest(rest)
        self._progress(read)
        unsettled = self._given - self._confirmed - self._unconfirmed
        return Sent(read, self._confirmed, self._refused, self._unconfirmed + unsettled, stopped_at)

    def _take(self, row: Row | BadLine) -> None:
        if isinstance(row, BadLine):
            self._refuse(row)
            return
        self._given += 1
        try:
            self._send(self._shape.change(row.fields), partial(self._on_delivery, row))
        except InvalidOperation as error:
            self._given -= 1
            self._refuse(BadLine(row.line, error))
        except SendError as error:
            self._arrived.put((row, error))

    def _refuse(self, bad: BadLine) -> None:
        self._refused += 1
        self._report(bad)

    def _on_delivery(self, row: Row, _receipt: object, error: SyncpipeError | None) -> None:
        """Note what became of an operation; called from the client's thread."""
        self._arrived.put(None if error is None else (row, error))

    def _keep_rest(self, rows: Iterable[Row | BadLine]) -> None:
        """Keep what was not sent at all."""
        if self._keep is None:
            return
        for row in rows:
            if isinstance(row, BadLine):
                self._report(row)
            else:
                self._keep(row.again())

    def _settle(self) -> None:
        """Count and report what has arrived."""
        while True:
            try:
                news = self._arrived.get_nowait()
            except Empty:
                return
            if news is None:
                self._confirmed += 1
                continue
            row, error = news
            self._unconfirmed += 1
            self._report(BadLine(row.line, error))
            if self._keep is not None and isinstance(error, SendError):
                self._keep(row.again(error))
