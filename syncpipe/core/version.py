"""What orders operations on a record: a version, and a tie for equal versions.

A version is a positive 64-bit integer. In collections declared ``version = "hlc"`` it is a hybrid
logical clock stamp (Kulkarni et al., *Logical Physical Clocks*, 2014): 48 bits of milliseconds
since the Unix epoch, then a 16-bit counter. Read as one integer the counter simply carries into the
milliseconds, so the next stamp is one ``max``.
"""

from __future__ import annotations

from typing import NamedTuple

#: Bits of the counter below the milliseconds.
COUNTER_BITS = 16
#: Largest version: PostgreSQL's ``bigint``.
MAX_VERSION = 2**63 - 1
#: How far ahead of the clock a hybrid logical clock stamp may lie, milliseconds: further ahead, it
#: would win against everything written until that time comes.
MAX_AHEAD_MS = 60_000
#: With so many bytes an operation id ends that are its tie.
TIE_BYTES = 8
_TIE_OFFSET = 2**63


class Stamp(NamedTuple):
    """A version with its tie; stamps of different operations are never equal."""

    #: The version; 0 stands before every operation.
    version: int
    #: Signed 64-bit tie, from the operation's id.
    tie: int


#: Before every operation: what is known of a record nobody has written yet.
ZERO = Stamp(0, 0)


def tie_of(operation_id: bytes) -> int:
    """Return the tie of a 16-byte operation id: its last 64 bits, in the same order, signed."""
    return int.from_bytes(operation_id[-TIE_BYTES:], "big") - _TIE_OFFSET


def next_version(now_ms: int, last: int = 0, after: int = 0) -> int:
    """Return a hybrid logical clock stamp above *last* and *after*, at *now_ms* if that is later.

    *last* is the stamp given out before by the same producer, *after* the version of what the
    caller has read and builds on.
    """
    version = now_ms << COUNTER_BITS
    before = after if after > last else last  # noqa: FURB136 - `max` takes twice as long
    return version if version > before else before + 1


def milliseconds(version: int) -> int:
    """Return the wall-clock milliseconds inside a hybrid logical clock *version*."""
    return version >> COUNTER_BITS


def at_milliseconds(ms: int) -> int:
    """Return the first version of the millisecond *ms*."""
    return ms << COUNTER_BITS
