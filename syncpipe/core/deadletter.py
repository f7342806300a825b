"""An operation, or a message that holds none, given up: what happened, with the raw bytes.

Dead letters travel through the queue ``sp.dead`` as ``SPD``, a format byte, and a MessagePack map.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgpack

from syncpipe.core.attempt import Attempt, attempts_of, one_more
from syncpipe.core.codec import decode_all
from syncpipe.core.routing import parse_queue
from syncpipe.core.version import MAX_VERSION
from syncpipe.errors import MalformedEnvelope

if TYPE_CHECKING:
    from syncpipe.core.operation import Operation

_PREFIX = b"SPD\x01"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something given up."""

    #: The operation's bytes as it travels alone; the whole message where none could be read.
    raw: bytes
    #: Queue it came from.
    queue: str
    #: Stage that gave it up: decode, verify, admit or apply.
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
    #: Status of HTTP, where there is one.
    status: int | None = None
    #: Path of the endpoint that refused it, where there is one.
    endpoint: str | None = None
    #: Every attempt that is known, the last one included.
    attempts: tuple[Attempt, ...] = ()
    #: Trace context (W3C traceparent) of its producer, if there is one.
    trace: str | None = None

    @property
    def id(self) -> str:
        """Its own id: the same whenever this operation, or message, is given up for this target.

        A UUIDv8 (RFC 9562) of the target and the operation's id, or the SHA-256 of the message. The
        record is part of it, so that whoever gives two operations one id loses neither.
        """
        subject = self.operation_id or hashlib.sha256(self.raw).hexdigest()
        return letter_id(self.target, subject, self.collection, self.key)

    @property
    def history(self) -> tuple[Attempt, ...]:
        """Every attempt that is known, or the last one alone, with what is known of it."""
        last = Attempt(self.died_ms, self.worker, 0, self.code, self.message)
        return self.attempts or one_more((), last)

    @property
    def target(self) -> str | None:
        """The target it was for; None where its queue is no lane's."""
        lane = parse_queue(self.queue)
        return lane[0].target if lane else None

    @property
    def fingerprint(self) -> str:
        """What it has in common with others of the same cause: 16 hexadecimal digits.

        BLAKE2b (RFC 7693) of target, stage, code, constraint or endpoint, and the message without
        what differs from one to the other: quoted text, and numbers.
        """
        cause = self.constraint or self.endpoint or ""
        message = _VARYING.sub("?", self.message)
        parts = (self.target or "", self.stage, self.code, cause, message)
        return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()


_FIELDS = {field.name: str(field.type) for field in dataclasses.fields(DeadLetter)}
#: Which numbers there may be.
_RANGES = {
    "died_ms": range(2**47),
    "version": range(1, MAX_VERSION + 1),
    "status": range(2**31),
}
#: Quoted text, what PostgreSQL shows in parentheses, hexadecimal runs and numbers.
_VARYING = re.compile(r"\"[^\"]*\"|'[^']*'|\([^()]*\)|\b[0-9a-f]{8,}\b|\d+")


def letter_id(target: str | None, subject: str, collection: str | None, key: str | None) -> str:
    """Return the id of the dead letter of an operation, or message, *subject*."""
    parts = ("dead letter", target, subject, collection, key)
    text = "\0".join(part or "" for part in parts).encode()
    value = int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")
    value = value & ~(0xF << 76) & ~(3 << 62) | 8 << 76 | 2 << 62
    return str(uuid.UUID(int=value))


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
        known = {n: value for n, value in members.items() if n in _FIELDS}
        attempts = attempts_of(known.pop("attempts", []))
        for name, value in known.items():
            _check(name, value)
        return DeadLetter(**known, attempts=attempts)
    except Exception as fault:  # the library raises many kinds for malformed bytes
        raise MalformedEnvelope(
            f"The dead letter cannot be decoded: {type(fault).__name__}."
        ) from fault


def operation_of(letter: DeadLetter) -> Operation | None:
    """Return the operation that was given up, None where none can be read."""
    if letter.operation_id is None:
        return None
    try:
        operations = [operation for operation, _ in decode_all(letter.raw)]
    except MalformedEnvelope:
        return None
    return operations[0] if len(operations) == 1 else None


def _check(name: str, value: Any) -> None:
    """Raise MalformedEnvelope if *value* is nothing that the member *name* can have."""
    kinds = _FIELDS[name].split(" | ")
    fits = type(value).__name__ in kinds or (value is None and "None" in kinds)
    if name in _RANGES and value is not None:
        fits = fits and value in _RANGES[name]
    if name == "operation_id" and value is not None:
        fits = fits and str(uuid.UUID(value)) == value
    if not fits:
        raise MalformedEnvelope(f"The member {name} has another form.")
