"""An operation, or a message that holds none, given up: what happened, with the raw bytes.

Dead letters travel through the queue ``sp.dead`` as ``SPD``, a format byte, and a MessagePack map.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import msgpack

from syncpipe.errors import MalformedEnvelope

_PREFIX = b"SPD\x01"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something given up."""

    #: The operation's bytes exactly as sent; the whole message where no operation could be read.
    raw: bytes
    #: Queue it came from.
    queue: str
    #: Stage that gave it up: decode, verify or apply.
    stage: str
    #: Stable code of the error, ``SP-E…``.
    code: str
    #: The error's message.
    message: str
    #: Milliseconds since the Unix epoch.
    died_ms: int
    #: Name of the worker process.
    worker: str
    #: Operation id as text; None where no operation could be read, as for the next three.
    operation_id: str | None = None
    #: Collection.
    collection: str | None = None
    #: Canonical key.
    key: str | None = None
    #: Version.
    version: int | None = None
    #: SQLSTATE of the refusal, where there is one.
    sqlstate: str | None = None
    #: Name of the violated constraint, where there is one.
    constraint: str | None = None


_FIELDS = frozenset(field.name for field in dataclasses.fields(DeadLetter))


def encode_dead(letter: DeadLetter) -> bytes:
    """Return the bytes of *letter*."""
    packed: bytes = msgpack.packb(
        {name: getattr(letter, name) for name in sorted(_FIELDS)}, unicode_errors="replace"
    )
    return _PREFIX + packed


def decode_dead(data: bytes) -> DeadLetter:
    """Return the dead letter in *data*; members of a newer release are ignored.

    Raises:
        MalformedEnvelope: *data* is not a dead letter.

    """
    if not data.startswith(_PREFIX):
        raise MalformedEnvelope("The bytes do not begin like a dead letter.")
    try:
        members = msgpack.unpackb(data[len(_PREFIX) :])
        return DeadLetter(**{n: value for n, value in members.items() if n in _FIELDS})
    except Exception as fault:  # the library raises many kinds for malformed bytes
        raise MalformedEnvelope(f"The dead letter cannot be decoded: {fault!r}.") from fault
