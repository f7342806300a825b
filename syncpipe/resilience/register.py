"""What a fleet of processes agrees on about one target: a last-writer-wins register.

Each process shows the newest value that it knows of, and takes over any that is newer. Merging is
the maximum of totally ordered values, so it is associative, commutative and idempotent: whoever
hears whom, and in which order, all come to the same value. Numbers are Lamport's: who writes takes
the next one after the highest that it has seen, so what is written with knowledge of another value
wins over it. Of two that were written without knowing of each other, the more careful one wins.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from syncpipe.errors import SyncpipeError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self


class State(enum.IntEnum):
    """What is done about a target, in order of care."""

    #: It is called.
    CLOSED = 0
    #: It is called a little, to see whether it takes that.
    HALF_OPEN = 1
    #: It is left alone.
    OPEN = 2

    @property
    def word(self) -> str:
        """Its name for people, which is also pybreaker's."""
        return self.name.lower().replace("_", "-")

    @classmethod
    @functools.cache  # it is asked several times for each message
    def named(cls, word: str) -> Self:
        """Return the state called *word*."""
        return cls[word.upper().replace("-", "_")]


@dataclass(frozen=True, slots=True, order=True)
class Register:
    """One value; compares by its fields in their order. Those are not negative."""

    #: Lamport number of the write; 0 is what nobody has written.
    number: int = 0
    #: What is done about the target.
    state: State = State.CLOSED
    #: How often it has failed in this outage: when it was opened, and with each probe.
    failures: int = 0
    #: Milliseconds until the next probe, from when the value is heard.
    period_ms: int = 0
    #: Unix milliseconds at which the target came into this state, by the clock of who noticed.
    since_ms: int = 0
    #: `digits` of the error that opened it; 0 if it was only slow.
    code: int = 0
    #: `digest` of the name of the process that has written it.
    writer: int = 0

    @property
    def error_code(self) -> str | None:
        """Code of the error that opened it; None if there is none."""
        return f"{_CODE}{self.code:03}" if self.code else None

    def pack(self) -> int:
        """Return it as one integer; those are in the same order."""
        packed = 0
        for field in fields(self):
            width = _WIDTHS[field.name]
            packed = packed << width | min(int(getattr(self, field.name)), (1 << width) - 1)
        return packed


#: What stands before a target's name among what a process counts, for its packed register.
COUNTER = "breaker:"
#: What stands before the digits of every code.
_CODE = "SP-E"
#: Bits of each field.
_WIDTHS = {
    "number": 48,
    "state": 2,
    "failures": 16,
    "period_ms": 32,
    "since_ms": 48,
    "code": 10,
    "writer": 32,
}


def countable(failures: int) -> int:
    """Return so many *failures* as a register can tell of them, all processes the same.

    What is too large goes round in the upper half, so that each further one is another number.
    """
    half = 1 << _WIDTHS["failures"] - 1
    return failures if failures < 2 * half else half + failures % half


def unpack(packed: int) -> Register | None:
    """Return the register that became *packed*; None if none did."""
    if packed < 0 or packed >> sum(_WIDTHS.values()):
        return None
    values: dict[str, Any] = {}
    for field in reversed(fields(Register)):
        width = _WIDTHS[field.name]
        values[field.name] = packed & (1 << width) - 1
        packed >>= width
    if values["state"] not in set(State):
        return None
    return Register(**{**values, "state": State(values["state"])})


def newest(packed: Iterable[int]) -> Register:
    """Return the newest of the registers that were *packed*; what is no register does not count."""
    return max((each for one in packed if (each := unpack(one)) is not None), default=Register())


def digest(process: str) -> int:
    """Return a number of 32 bits for the name of a process."""
    return int.from_bytes(hashlib.blake2b(process.encode(), digest_size=4).digest(), "big")


def digits(error: BaseException) -> int:
    """Return the digits of the code of *error*, 0 if it has none."""
    return int(error.code.removeprefix(_CODE)) if isinstance(error, SyncpipeError) else 0
