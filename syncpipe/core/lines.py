"""Documents of nothing but what JSON has, many at once, as lines of JSON text.

To look at all of them together takes a fraction of the time of a look at each. What is not as it
should be is for those to find who look at each, and say of which.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from syncpipe.core.carried import Carried
from syncpipe.core.document import FLAT_TO, may_be_huge, may_hold_nul, may_need_a_tag
from syncpipe.errors import MalformedEnvelope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Most bytes that are written together: a quarter of what an operation may have. MessagePack takes
#: up to 9 bytes for 4 of JSON (``1.5,``), so each of the documents could travel alone as well.
MOST_BYTES = 256 * 1024
#: Levels of lists and dicts in a document that may still be plain: each more makes the type, and
#: its decoder, twice as large.
_LEVELS = 6
#: How what is none looks.
_NULL = b"null"


def _plain_document() -> Any:
    """Return the type of documents that PostgreSQL reads alike as msgspec writes them; or None."""
    flat = None | bool | int | Annotated[float, msgspec.Meta(gt=-FLAT_TO, lt=FLAT_TO)] | str
    nested: Any = flat
    for _ in range(_LEVELS):
        nested = flat | list[nested] | dict[str, nested]
    return dict[str, nested] | None


#: The type, for decoders, of documents that hold nothing but what JSON has as well; or None.
PlainDocument = _plain_document()
#: Types of the names and values in them; of values those that say all, and all.
_NAMES, _FLAT = frozenset({str}), frozenset({type(None), bool, int, str})
_PLAIN = _FLAT | {float, list, dict}


def carried(
    documents: Sequence[Mapping[str, Any] | None],
) -> list[Carried | Mapping[str, Any] | None]:
    """Return *documents*, which were decoded as `PlainDocument`, as they go on: most are carried.

    Their text is that of `document.tagged`, but that small floats may be spelled in another way.
    Those stay as they are that may need a tag, or may not travel.
    """
    lines = _JSON.encode_lines(documents)
    texts = lines.split(b"\n")[:-1]
    if not may_need_a_tag(lines):
        return [None if text == _NULL else Carried(text) for text in texts]
    return [
        document if document is None or may_need_a_tag(text) else Carried(text)
        for document, text in zip(documents, texts, strict=True)
    ]


def are_plain(documents: Sequence[object]) -> bool:
    """Return whether *documents* are dicts of nothing but what `PlainDocument` allows."""
    if not set(map(type, documents)) <= {dict}:
        return False
    dicts: Iterable[Any] = documents
    lists: list[list[Any]] = []
    for _ in range(_LEVELS + 1):
        if not set(map(type, chain.from_iterable(dicts))) <= _NAMES:
            return False
        kinds = set(map(type, _values(dicts, lists)))
        if kinds <= _FLAT:
            return True
        if not kinds <= _PLAIN:
            return False
        values = list(_values(dicts, lists))
        if float in kinds and not all(abs(v) < FLAT_TO for v in values if type(v) is float):
            return False
        dicts = [value for value in values if type(value) is dict] if dict in kinds else []
        lists = [value for value in values if type(value) is list] if list in kinds else []
    return not dicts and not lists


def write(documents: Sequence[object]) -> bytes | None:
    """Return *documents*, which `are_plain`, as JSON, each with a line feed.

    None unless all may travel like that, and are no more than `MOST_BYTES`.
    """
    try:
        lines = _JSON.encode_lines(documents)
    except ValueError:  # a lone surrogate, or an int with more digits than Python likes to write
        return None
    if len(lines) > MOST_BYTES or may_hold_nul(lines) or may_be_huge(lines):
        return None
    return lines


def read(lines: bytes, number: int) -> list[Carried | Mapping[str, Any]]:
    """Return the so many documents in *lines*, which `write` has written, as they go on.

    Raises:
        MalformedEnvelope: it has not.

    """
    texts = lines.split(b"\n")
    # No other JSON begins with so high a byte as an object.
    if texts.pop() or len(texts) != number or min(texts) < b"{" or len(lines) > MOST_BYTES:
        raise MalformedEnvelope("The documents of a block are not lines of JSON objects.")
    try:
        _check(lines, texts)
    except (msgspec.MsgspecError, ValueError, RecursionError) as fault:
        raise MalformedEnvelope("The documents of a block are not plain ones in JSON.") from fault
    if not _may_be_odd(lines):
        return list(map(Carried, texts))
    return [each.fields if _may_be_odd(each.text) else each for each in map(Carried, texts)]


def _check(lines: bytes, texts: Sequence[bytes]) -> None:
    """Raise a ValueError and the like unless *texts*, which are *lines*, are plain documents.

    Of objects without a bracket inside only the form is looked at, in half the time: so none goes
    over the end of its line. What has an exponent may be too large then, see `Carried.fields`.
    """
    if b"[" in lines or lines.count(b"{") > len(texts) or may_be_huge(lines):
        for text in texts:
            _PLAIN_DOCUMENT.decode(text)
        return
    if not lines.isascii():
        lines.decode()
    if len(_FORM.decode_lines(lines)) != len(texts):
        raise ValueError(len(texts))


def _values(dicts: Iterable[dict[Any, Any]], lists: Iterable[list[Any]]) -> Iterable[Any]:
    return chain(chain.from_iterable(map(dict.values, dicts)), chain.from_iterable(lists))


def _may_be_odd(text: bytes) -> bool:
    """Return whether *text*, JSON by anybody, may need a tag, perhaps behind an escape."""
    escaped = b"\\" in text and b"\\u" in text
    return escaped or may_need_a_tag(text) or may_be_huge(text)


_JSON = msgspec.json.Encoder()
_FORM = msgspec.json.Decoder(msgspec.Raw)
_PLAIN_DOCUMENT: msgspec.json.Decoder[Any] = msgspec.json.Decoder(PlainDocument)
