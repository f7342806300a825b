"""Ids and versions, as one client gives them out."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from syncpipe.core.operation import CREATED_BYTES, ID_BYTES, uuid7_ends, uuid7s
from syncpipe.core.values import shown
from syncpipe.core.version import (
    COUNTER_BITS,
    MAX_AHEAD_MS,
    MAX_VERSION,
    milliseconds,
    next_version,
)
from syncpipe.errors import InvalidVersion
from syncpipe.producer import lifetime
from syncpipe.producer.dues import Dues

if TYPE_CHECKING:
    from syncpipe.core.chance import Clock, Random

#: Ids for which chance is drawn at once, and the bits of chance for each.
_DRAWN_IDS, _ID_RANDOM_BITS = 256, 80
#: The bits of time in an id.
_ID_TIME = (1 << 8 * CREATED_BYTES) - 1


class Stamper:
    """Gives out ids and hybrid logical clock versions. Thread-safe, and safe after a fork."""

    def __init__(self, clock: Clock, random: Random) -> None:
        """Take time from *clock* and the free bits of ids from *random*."""
        self._clock = clock
        self._random = random
        self._last = 0
        #: How ids begin that are made in that millisecond.
        self._begin = (0, bytes(CREATED_BYTES))
        self.renew()
        lifetime.renew_after_fork(self)

    def renew(self) -> None:
        """Make a lock that nobody holds; versions go on from the last one, ids take new chance."""
        self._lock = threading.Lock()
        self._dues = Dues()
        self._drawn: list[bytes] = []

    def now_ms(self) -> int:
        """Return the wall clock's milliseconds since the Unix epoch."""
        return self._clock.now_ms()

    def new_id(self) -> bytes:
        """Return a new UUIDv7."""
        return self._id_at(self._clock.now_ms())

    def next_version(self, after: int | None) -> int:
        """Return a version above every one given out before, and above *after*.

        Only a last version that lies further ahead than targets accept is forgotten: the wall clock
        was wrong then, and has been mended.

        Raises:
            InvalidVersion: *after* is not a version, or lies too far ahead of this machine's clock.

        """
        return self.next(after)[1]

    def next(self, after: int | None) -> tuple[bytes, int]:
        """Return a new id and the next version, with one look at the clock. Raises the same."""
        now_ms = self._clock.now_ms()
        if after is not None:
            _check_after(after, now_ms + MAX_AHEAD_MS, "this machine's clock")
        return self._id_at(now_ms), self._versions(now_ms, after or 0, 1)

    def next_many(self, number: int) -> tuple[bytes, int]:
        """Return so many new ids, one after the other, and the first of as many next versions."""
        now_ms = self._clock.now_ms()
        bits = self._random.bits(8 * ID_BYTES * number)
        return uuid7s(now_ms, bits, number), self._versions(now_ms, 0, number)

    def _versions(self, now_ms: int, after: int, number: int) -> int:
        """Give out so many versions above *after*, at least one; return the first."""
        with self._lock:
            last = self._last
            if last >> COUNTER_BITS > now_ms + MAX_AHEAD_MS:
                last = 0
            first = next_version(now_ms, last, after)
            self._last = first + number - 1
        return first

    def _id_at(self, now_ms: int) -> bytes:
        made_ms, begin = self._begin
        if made_ms != now_ms:
            begin = (now_ms & _ID_TIME).to_bytes(CREATED_BYTES, "big")
            self._begin = now_ms, begin
        try:
            return begin + self._drawn.pop()
        except IndexError:
            # Asking the kernel for each id would take longer than all the rest of a call.
            bits = self._random.bits(_ID_RANDOM_BITS * _DRAWN_IDS)
            end, *rest = uuid7_ends(bits, _DRAWN_IDS)
            self._drawn += rest
            return begin + end

    def due_version(self, due_ms: int, after: int | None) -> int:
        """Return a version at *due_ms*, above those given out for it before, and above *after*.

        What is not delayed gets no later version for that.

        Raises:
            InvalidVersion: *after* is not a version, or lies too far ahead of *due_ms*.

        """
        if after is not None:
            _check_after(after, due_ms + MAX_AHEAD_MS - 1, "the due time")
        with self._lock:
            return self._dues.version(due_ms, now_ms=self._clock.now_ms(), after=after or 0)


def check_version(version: object) -> int:
    """Return *version* if it is a positive 64-bit integer.

    Raises:
        InvalidVersion: it is not.

    """
    if type(version) is not int or not 0 < version <= MAX_VERSION:
        raise InvalidVersion(f"The version must be a positive 64-bit int, not {shown(version)}.")
    return version


def _check_after(after: object, newest_ms: int, of: str) -> None:
    if milliseconds(check_version(after)) > newest_ms:
        raise InvalidVersion(
            f"after={after} lies more than {MAX_AHEAD_MS // 1000} s ahead of {of}; targets would "
            "refuse what comes after it."
        )
