"""The chain of the audit: each entry has an HMAC over the one before and itself. Pure.

Who has no key can change, insert and take out entries of a database, but not so that the chain
fits again. Only what is cut off at its end leaves a chain that fits: to notice that takes a `Head`
that was kept elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import msgpack

from syncpipe.core.audit import Act, Head, Record

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Fewest bytes of a key.
MIN_KEY_BYTES = 32
#: Fewest different bytes of a key: no random one has fewer.
_MIN_DIFFERENT = 8
#: What stands for the HMAC before the first.
_BEFORE_FIRST = bytes(32)
#: Number of the form of what goes into an HMAC.
_FORM = 1
#: MessagePack's extension type for integers of more than 64 bits, as hexadecimal digits.
_BIG = 1
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})+")


@dataclass(frozen=True, slots=True)
class Flaw:
    """The first thing that is wrong with a chain."""

    #: Number of the entry that is not what it was, or not there.
    number: int
    #: What is wrong, a sentence.
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a chain."""

    #: The last entry of those that are right, from the first on without a gap.
    head: Head
    #: What is wrong behind it; None: nothing that can be noticed.
    flaw: Flaw | None


def read_key(text: str) -> bytes:
    """Return the key that is written as *text*: hexadecimal digits or base64.

    Raises:
        ValueError: it is none, or too weak; the message, a sentence, does not show it.

    """
    text = text.strip()
    try:
        key = bytes.fromhex(text) if _HEX.fullmatch(text) else _from_base64(text)
    except (ValueError, binascii.Error) as error:
        raise ValueError("This is neither hexadecimal digits nor base64.") from error
    if len(key) < MIN_KEY_BYTES:
        raise ValueError(f"It has {len(key)} bytes, and a key takes at least {MIN_KEY_BYTES}.")
    if len(set(key)) < _MIN_DIFFERENT:
        raise ValueError("It repeats itself: no random key does.")
    return key


def key_id(key: bytes) -> str:
    """Return what tells *key* from others, and nothing about it: 16 hexadecimal digits."""
    return hmac.digest(key, b"syncpipe key id", hashlib.sha256).hex()[:16]


def derived(key: bytes, purpose: str) -> bytes:
    """Return a key of 32 bytes for another *purpose* than the chain's."""
    return hmac.digest(key, b"syncpipe key for " + purpose.encode(), hashlib.sha256)


def canonical(value: Any) -> bytes:
    """Return the MessagePack bytes of *value*, which is as JSON has it; the same for equal ones.

    Raises:
        ValueError: it is nested too deeply, or has a text that is no Unicode.

    """
    try:
        return cast("bytes", msgpack.packb(_ordered(value), default=_big))
    except RecursionError as error:
        raise ValueError("The value is nested too deeply.") from error


def sealed(act: Act, *, after: Head, at_ms: int, key: bytes) -> Record:
    """Return the entry for *act* that follows *after*.

    Its texts, and details, are as a PostgreSQL database can keep them: without NUL.
    """
    record = Record(after.number + 1, at_ms, _storable(act), key_id(key), "")
    return replace(record, mac=_mac(record, after.mac, key))


def verify(records: Iterable[Record], key: bytes, head: Head | None = None) -> Verdict:
    """Return what is wrong with *records*, all in their order, and with the end that *head* says.

    Nothing behind the first flaw is looked at. Without *head* nobody can tell whether entries were
    cut off at the end.
    """
    last = Head()
    for record in records:
        flaw = _flaw(record, last, key) or _mismatch(record, head)
        if flaw is not None:
            return Verdict(last, flaw)
        last = record.head
    if head is not None and last.number < head.number:
        what = f"It is missing: the audit ends before it, and went on to {head.number} once."
        return Verdict(last, Flaw(last.number + 1, what))
    return Verdict(last, None)


def _flaw(record: Record, last: Head, key: bytes) -> Flaw | None:
    """Return why *record* cannot be the one that follows *last*."""
    due = last.number + 1
    if record.number > due:
        before = last.number or "the beginning"
        return Flaw(due, f"It is missing: {record.number} follows {before}.")
    if record.number < due:
        return Flaw(record.number, f"It stands behind {last.number}, where {due} should be.")
    if record.key_id != key_id(key):
        what = f"It was made with the key {record.key_id}, and this is {key_id(key)}."
        return Flaw(due, what)
    try:
        mac = _mac(record, last.mac, key)
    except ValueError:  # nothing of ours
        mac = ""
    if not hmac.compare_digest(mac.encode(), record.mac.encode("utf-8", "replace")):
        return Flaw(due, "It was changed, or written without the key.")
    return None


def _mismatch(record: Record, head: Head | None) -> Flaw | None:
    """Return that *record* is not the one that *head* means, though it has its number."""
    if head is None or record.number != head.number or record.mac == head.mac:
        return None
    what = "It fits, but the head is of another: from here, or from before, entries were replaced."
    return Flaw(record.number, what)


def _mac(record: Record, before: str, key: bytes) -> str:
    act = record.act
    entry = [_FORM, record.number, record.at_ms, act.actor, act.verb, act.subject, act.reason]
    message = canonical([*entry, act.details, record.key_id])
    previous = bytes.fromhex(before) or _BEFORE_FIRST
    return hmac.digest(key, previous + message, hashlib.sha256).hex()


def _ordered(value: Any) -> Any:
    """Return *value* with the members of all objects in one order."""
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(each) for each in value] if isinstance(value, list) else value


def _big(value: Any) -> msgpack.ExtType:
    """Return an integer of more than 64 bits as MessagePack can have it."""
    if not isinstance(value, int):
        raise TypeError(f"JSON has no {type(value).__name__}")
    return msgpack.ExtType(_BIG, f"{value:x}".encode())


def _storable(act: Act) -> Act:
    details = _cleaned(json.loads(json.dumps(dict(act.details), allow_nan=False)))
    return Act(
        actor=_text(act.actor),
        verb=_text(act.verb),
        subject=_text(act.subject),
        reason=_text(act.reason),
        details=details,
    )


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case dict():
            return {_text(name): _cleaned(each) for name, each in value.items()}
        case list():
            return [_cleaned(each) for each in value]
    return value


def _text(text: str) -> str:
    """Return *text* without NUL, and without halves of pairs, as UTF-8 can have it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _from_base64(text: str) -> bytes:
    """Return the bytes of base64 of either alphabet, with or without padding."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
