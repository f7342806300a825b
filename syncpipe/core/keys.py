"""One canonical text per key, so that two spellings never become two records."""

from __future__ import annotations

import re
import uuid
from itertools import repeat
from operator import contains
from typing import TYPE_CHECKING, Any

from syncpipe.core.collection import Collection, KeyType
from syncpipe.core.values import shown, text_fault
from syncpipe.errors import InvalidKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Largest canonical key, bytes of UTF-8.
MAX_KEY_BYTES = 512
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INT64 = range(-(2**63), 2**63)
_ONE_TEXT = (KeyType.STR,)


def canonical_key(collection: Collection, key: object) -> str:
    """Return the canonical text of *key*: one value, or a tuple in the order of the declared parts.

    Parts are joined by ``/``; in keys of several parts ``~`` and ``/`` are written ``~0`` and
    ``~1`` (as in JSON Pointer, RFC 6901).

    Raises:
        InvalidKey: a part is missing, of another type, or spelled in another way.

    """
    if collection.key_types == _ONE_TEXT and type(key) is str and _is_simple(key):
        return key  # the common case
    parts = key if type(key) is tuple else (key,)
    if len(parts) != len(collection.key):
        names = ", ".join(collection.key)
        raise InvalidKey(f"The key {shown(key)} must have {len(collection.key)} part(s): {names}.")
    texts = [
        _part_text(part, kind, f"{collection.name} key part {name!r}")
        for part, kind, name in zip(parts, collection.key_types, collection.key, strict=True)
    ]
    text = texts[0] if len(texts) == 1 else "/".join(map(_escape, texts))
    if len(text.encode()) > MAX_KEY_BYTES:
        raise InvalidKey(f"The key {text[:40]!r}… is longer than {MAX_KEY_BYTES} bytes.")
    return text


def canonical_keys(collection: Collection, keys: Sequence[object]) -> Sequence[str]:
    """Return `canonical_key` of each of *keys*, at least one; faster. Raises the same."""
    texts = [key for key in keys if type(key) is str]
    if len(texts) == len(keys) and _are_simple(collection, texts):
        return texts
    return [canonical_key(collection, key) for key in keys]


def check_key(collection: Collection, text: str) -> None:
    """Raise `InvalidKey` unless *text* is canonical for the collection: `key_values`, but fast."""
    kinds = collection.key_types
    if _is_simple(text):
        if kinds == _ONE_TEXT:
            return
        parts = [text] if len(kinds) == 1 else text.split("/")
        escaped = "~" in text and len(kinds) > 1
        if not escaped and len(parts) == len(kinds) and all(map(_is_canonical, parts, kinds)):
            return
    key_values(collection, text)


def check_keys(collection: Collection, texts: Sequence[str]) -> None:
    """Raise `InvalidKey` unless `check_key` raises for none of *texts*, at least one; faster."""
    if not _are_simple(collection, texts):
        for text in texts:
            check_key(collection, text)


def key_values(collection: Collection, text: str) -> tuple[str | int | uuid.UUID, ...]:
    """Return the typed parts of the canonical key *text*.

    Raises:
        InvalidKey: *text* is not canonical for the collection.

    """
    if collection.key_types == _ONE_TEXT and _is_simple(text):
        return (text,)
    texts = (text,) if len(collection.key) == 1 else tuple(map(_unescape, text.split("/")))
    if len(texts) != len(collection.key):
        raise InvalidKey(f"The key text {shown(text)} does not have {len(collection.key)} parts.")
    values = tuple(
        _part_value(part, kind) for part, kind in zip(texts, collection.key_types, strict=True)
    )
    if canonical_key(collection, values) != text:
        raise InvalidKey(f"The key text {shown(text)} is not in canonical spelling.")
    return values


def check_key_fields(collection: Collection, key: str, data: Mapping[str, Any]) -> None:
    """Raise `InvalidKey` if *data* holds key fields that differ from the canonical *key*."""
    if data.keys().isdisjoint(collection.key):
        return
    texts = (key,) if len(collection.key) == 1 else map(_unescape, key.split("/"))
    for name, kind, text in zip(collection.key, collection.key_types, texts, strict=True):
        if name in data and _part_text(data[name], kind, f"field {name!r}") != text:
            raise InvalidKey(
                f"Field {name!r} is {shown(data[name])}, but the key says {shown(text)}."
            )


def check_all_key_fields(
    collection: Collection, keys: Sequence[str], documents: Sequence[Mapping[str, Any]]
) -> None:
    """Raise `InvalidKey` unless `check_key_fields` raises for no key and its document; faster."""
    if any(any(map(contains, documents, repeat(name))) for name in collection.key):
        for key, document in zip(keys, documents, strict=True):
            check_key_fields(collection, key, document)


def _is_simple(text: str) -> bool:
    """Return whether *text* needs no closer look: short ASCII without NUL, not empty."""
    return 0 < len(text) <= MAX_KEY_BYTES and text.isascii() and "\0" not in text


def _are_simple(collection: Collection, texts: Sequence[str]) -> bool:
    """Return whether *texts*, at least one, are simple keys of one text each."""
    if collection.key_types != _ONE_TEXT or not all(texts):
        return False
    whole = "".join(texts)
    return whole.isascii() and "\0" not in whole and max(map(len, texts)) <= MAX_KEY_BYTES


def _is_canonical(part: str, kind: KeyType) -> bool:
    """Return whether *part*, short ASCII without NUL, is the text of a key part."""
    if kind is KeyType.STR:
        return part != ""
    if kind is KeyType.INT:
        return _INTEGER.fullmatch(part) is not None and int(part) in _INT64
    return _UUID.fullmatch(part) is not None


def _part_text(part: object, kind: KeyType, where: str) -> str:
    match kind:
        case KeyType.STR:
            return _str_text(part, where)
        case KeyType.INT:
            return _int_text(part, where)
        case KeyType.UUID:
            return _uuid_text(part, where)


def _str_text(part: object, where: str) -> str:
    if type(part) is not str or not part:
        raise InvalidKey(f"The {where} must be a non-empty str, not {shown(part)}.")
    if fault := text_fault(part):
        raise InvalidKey(f"The {where} {fault}: {shown(part)}.")
    return part


def _int_text(part: object, where: str) -> str:
    text = str(part) if type(part) is int and part in _INT64 else part
    if type(text) is not str or not _INTEGER.fullmatch(text) or int(text) not in _INT64:
        raise InvalidKey(
            f"The {where} must be a 64-bit int, or its text without sign or leading zeros, "
            f"not {shown(part)}."
        )
    return text


def _uuid_text(part: object, where: str) -> str:
    if type(part) is uuid.UUID:
        return str(part)
    try:
        if type(part) is str and str(uuid.UUID(part)) == part:
            return part
    except ValueError:
        pass  # not a UUID at all: the error below says so
    raise InvalidKey(f"The {where} must be a UUID, or its lower-case text, not {shown(part)}.")


def _part_value(text: str, kind: KeyType) -> str | int | uuid.UUID:
    try:
        match kind:
            case KeyType.STR:
                return text
            case KeyType.INT:
                return int(text)
            case KeyType.UUID:
                return uuid.UUID(text)
    except ValueError as fault:
        raise InvalidKey(f"The key part {shown(text)} is not of type {kind.value}.") from fault


def _escape(text: str) -> str:
    return text.replace("~", "~0").replace("/", "~1")


def _unescape(text: str) -> str:
    return text.replace("~1", "/").replace("~0", "~")
