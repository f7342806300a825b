"""A message as it lies in a Redis list: kombu's JSON, which Celery's protocol 2 rides on.

Pure. Everything a stock Celery producer or worker writes and reads is kept as it is; what cannot be
read is wrapped, so that a consumer gets it as bytes and can put it aside instead of crashing.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any

from syncpipe.transport.broker import CONTENT_TYPE, QUEUE_PREFIX, Outbound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: The content type under which a consumer gets bytes that are no message.
UNREADABLE = "application/octet-stream"
#: How many bytes of a message are enough to see when ours were created.
HEAD_BYTES = 1024
#: Redis lists receive this in front of a message that goes back; JSON ignores it.
_RETURNED = b" "
#: Our messages begin with their headers.
_CREATED = re.compile(rb'\A\s*\{"headers":\{"created_ms":(\d{1,15}),')
#: What stands in a form for what differs in each message; no queue or task is called so.
_TIME, _ID, _BODY = "\0time", "\0id", "\0body"
#: What parsing and unpacking foreign JSON can raise.
_UNREADABLE_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


def headers_of(message: Outbound, created_ms: int) -> dict[str, Any]:
    """Return the headers of *message* in Celery's protocol 2."""
    return {
        "created_ms": created_ms,
        "task": message.task,
        "id": message.message_id,
        "root_id": message.message_id,
        "parent_id": None,
        "lang": "py",
        "argsrepr": "",
        "kwargsrepr": "",
        "retries": 0,
    }


def dump(message: Outbound, created_ms: int) -> bytes:
    """Return *message* as a Celery protocol 2 message, its body in base64 exactly once.

    The same message twice gives the same delivery tag: nobody but our consumers, who use their own
    tags, may take from our queues.
    """
    id_ = encode_basestring_ascii(message.message_id).encode()
    body = binascii.b2a_base64(message.body, newline=False)
    return _form(message.queue, message.task) % (created_ms, id_, id_, id_, id_, body)


@functools.lru_cache(maxsize=1024)
def _form(queue: str, task: str) -> bytes:
    """Return what is the same in all messages of one queue and task, with places for the rest.

    Much is sent in messages of its own, and making this anew would take as long as all else.
    """
    payload = {
        "headers": headers_of(Outbound(queue, b"", _ID, task), 0) | {"created_ms": _TIME},
        "content-type": CONTENT_TYPE,
        "content-encoding": "binary",
        "properties": {
            "correlation_id": _ID,
            "delivery_tag": _ID,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
        },
        "body": _BODY,
    }
    form = json.dumps(payload, separators=(",", ":")).replace("%", "%%")
    for place, conversion in ((_TIME, "%d"), (_ID, "%b"), (_BODY, '"%b"')):
        form = form.replace(json.dumps(place), conversion)
    return form.encode()


def load(
    raw: bytes, *, queue: str, tag: str, parse: Callable[[str], Any] = json.loads
) -> dict[str, Any]:
    """Return the message in *raw* as the mapping from which kombu makes its ``Message``.

    The body is decoded, the delivery tag is *tag*, and a message that was delivered before says so.
    Whatever cannot be read comes as a message of type ``UNREADABLE`` that holds the raw bytes; so
    does a message in one of our queues that asks kombu to decompress it, which would happen before
    anybody could check it.
    """
    try:
        payload = _mapping(parse(raw.decode()))
        properties = _mapping(payload["properties"])
        delivery = _mapping(properties["delivery_info"])
        headers = payload["headers"] = _mapping(payload.get("headers") or {})
        if queue.startswith(QUEUE_PREFIX) and not _is_plain(headers):
            return _wrap(raw, queue, tag)
        payload["body"] = _body(payload["body"], properties.get("body_encoding"))
        properties["body_encoding"] = None
        properties["delivery_tag"] = tag
        if queue.startswith(QUEUE_PREFIX):
            delivery["routing_key"] = queue  # where it lay, whatever it says
        if raw.startswith(_RETURNED):
            headers["redelivered"] = delivery["redelivered"] = True
    except _UNREADABLE_ERRORS:
        return _wrap(raw, queue, tag)
    return payload


def body_of(raw: bytes) -> bytes:
    """Return the body of the message in *raw*, or *raw* itself if it is no message."""
    body = load(raw, queue="", tag="")["body"]
    return body.encode() if isinstance(body, str) else bytes(body)


def created_ms_of(head: bytes) -> int | None:
    """Return when one of our messages was created (unix ms), from its first ``HEAD_BYTES``.

    None for a message that somebody else wrote.
    """
    match = _CREATED.match(head)
    return int(match[1]) if match else None


def _is_plain(headers: Mapping[str, Any]) -> bool:
    """Return whether kombu and Celery can look at *headers* without harm."""
    return "compression" not in headers and isinstance(headers.get("task", ""), str)


def _mapping(value: object) -> dict[str, Any]:
    """Return *value* if it is a mapping."""
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def _body(body: object, encoding: str | None) -> str | bytes:
    """Return a body as its writer had it: text, or bytes that travelled in base64."""
    if not isinstance(body, str):
        raise TypeError(body)
    if encoding is None or encoding.lower() == "utf-8":
        body.encode()  # a lone surrogate would break whoever asks for the bytes
        return body
    if encoding != "base64":
        raise LookupError(encoding)
    return base64.b64decode(body)


def _wrap(raw: bytes, queue: str, tag: str) -> dict[str, Any]:
    """Return a message that holds bytes which are none."""
    return {
        "headers": {},
        "content-type": UNREADABLE,
        "content-encoding": "binary",
        "properties": {
            "delivery_tag": tag,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "priority": 0,
            "body_encoding": None,
        },
        "body": raw,
    }
