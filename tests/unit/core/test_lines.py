"""Documents as lines of JSON: what went in comes out, and nothing else comes in."""

from __future__ import annotations

import json
from decimal import Decimal
from enum import IntEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.carried import Carried
from syncpipe.core.codec import encode
from syncpipe.core.document import tagged, untagged
from syncpipe.core.lines import MOST_BYTES, are_plain, read, write
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.values import check_document, shown
from syncpipe.errors import MalformedEnvelope
from tests.unit.core import plain, samples

_anything = samples.values | st.floats() | st.text(max_size=3) | st.tuples() | st.just("\ud800")


def contents(document):
    return document.fields if isinstance(document, Carried) else document


def travelling(documents):
    """The lines in which *documents* travel in bulk; None if they do not."""
    return write(documents) if are_plain(documents) else None


def nested(levels, leaf=1):
    for level in range(levels):
        leaf = {"a": leaf} if level % 2 else [leaf]
    return {"a": leaf}


@given(st.lists(plain.documents, min_size=1, max_size=3))
def test_plain_documents_come_out_with_the_values_and_types_that_went_in(documents):
    found = read(travelling(documents), len(documents))

    assert found == documents
    for document, came in zip(documents, found, strict=True):
        text = came.text if isinstance(came, Carried) else tagged(came).encode()
        assert list(contents(came)) == list(document)
        assert samples.shape(contents(came)) == samples.shape(document)
        assert samples.shape(untagged(json.loads(text))) == samples.shape(document)


@given(st.lists(samples.documents | st.dictionaries(st.text(max_size=3), _anything), max_size=3))
def test_what_is_written_is_simple_and_may_travel(documents):
    lines = travelling(documents)

    assert lines is None or all(map(check_document, documents))
    assert not lines or read(lines, len(documents)) == documents


class _Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        type("Sub", (dict,), {})(a=1),
        {7: 1},
        {type("Sub", (str,), {})("a"): 1},
        {"a": type("Sub", (str,), {})("b")},
        {"a": [_Number.ONE]},
        {"a": (1, 2)},
        {"a": b"bytes"},
        {"a": Decimal(1)},
        {"a": float("nan")},
        {"a": [float("-inf")]},
        {"a": 1e15},
        {"a": {"b": -1e300}},
        {"a": "\0"},
        {"\0": 1},
        {"a": "\ud800"},
        {"\udfff": 1},
        {"a": 10**4000},
        {"a": 10**5000},
        {"a": "x" * MOST_BYTES},
        nested(7),
        nested(6, {}),
    ],
    ids=lambda document: shown(document)[:30],
)
def test_a_document_that_is_not_plain_is_not_written_nor_its_neighbours(document):
    assert travelling([{"a": 1}, document, {"a": 2}]) is None


def test_six_levels_may_be_nested():
    for document in (nested(6), nested(5, {}), nested(5, [])):
        assert read(travelling([document]), 1) == [document]


@pytest.mark.parametrize(
    "lines",
    [
        b"",
        b"\n",
        b'{"a":1}',
        b'{"a":1}\n\n',
        b"null\n",
        b"[1]\n",
        b' {"a":1}\n',
        b'\xef\xbb\xbf{"a":1}\n',
        b"{}{}\n",
        b'{"a":\n1}\n',
        b'{"a":\n{}}{}\n',
        b'{"a":1 "b":2}\n',
        b'{"a":01}\n',
        b'{"a":NaN}\n',
        b'{"a":%s}\n' % (b"9" * 5000),
        b'{"a":"\x01"}\n',
        b'{"a":"\\x"}\n',
        b'{"a":"\\ud800"}\n',
        b'{"\\udc00\\ud800":1}\n',
        b'{"a":"\xff"}\n',
        b'{"a":"\xed\xa0\x80"}\n',
        b'{"a":%s1%s}\n' % (b"[" * 7, b"]" * 7),
        b'{"a":%s1%s}\n' % (b"[" * 5000, b"]" * 5000),
        b'{"a":"%s"}\n' % (b"x" * MOST_BYTES),
    ],
    ids=lambda lines: repr(lines[:30]),
)
def test_lines_that_nobody_writes_are_refused(lines):
    with pytest.raises(MalformedEnvelope):
        read(lines, max(1, lines.count(b"\n")))


@pytest.mark.parametrize("number", ["1e15", "-1e400", "1e99999999999999999999", "9" * 400 + ".5"])
def test_a_number_that_is_too_large_for_a_float_can_be_read_and_sent_on(number):
    (document,) = read(b'{"a":%s}\n' % number.encode(), 1)

    assert encode(Operation(bytes(16), Kind.UPSERT, "orders", "k", 1, document))


@pytest.mark.parametrize("number", [1, 3])
def test_there_must_be_as_many_lines_as_documents(number):
    with pytest.raises(MalformedEnvelope):
        read(b"{}\n{}\n", number)


@pytest.mark.parametrize(
    ("line", "document"),
    [
        (b'{"a":"~home"}', {"a": "~home"}),
        (b'{"a":"\\u007ef1"}', {"a": "~f1"}),
        (b'{"\\u007eu":1}', {"~u": 1}),
        (b'{"a":"\\u0000"}', {"a": "\0"}),
        (b'{"a":%s}' % (b"1" * 4200), {"a": int("1" * 4200)}),
    ],
    ids=lambda each: shown(each)[:20],
)
def test_what_goes_on_in_another_spelling_is_not_carried(line, document):
    first, odd = read(b'{"b":1}\n' + line + b"\n", 2)

    assert isinstance(first, Carried)
    assert samples.shape(odd) == samples.shape(document)


@given(st.lists(plain.documents, min_size=1, max_size=2), st.data())
def test_any_lines_are_refused_or_documents_that_can_be_read(documents, data):
    lines = bytearray(write(documents))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines)))
        odd = st.binary(max_size=2) | st.sampled_from([b"\n", b"{}", b"e9", b"\\u", b"}\n{", b"~"])
        lines[place : place + data.draw(st.integers(0, 2))] = data.draw(odd)

    try:
        found = read(bytes(lines), len(documents))
    except MalformedEnvelope:
        return
    for each in found:
        assert encode(Operation(bytes(16), Kind.UPSERT, "notes", "k", 1, each))
        if isinstance(each, Carried):
            assert check_document(each.fields)
            assert untagged(json.loads(each.text)) == each.fields


def test_a_document_that_is_written_could_travel_alone_whatever_is_in_it():
    floats = {"a": [0.5, 0.5, 10.5] * (MOST_BYTES // 13 - 1)}
    lines = write([floats])

    assert len(lines) > MOST_BYTES - 26
    assert encode(Operation(bytes(16), Kind.UPSERT, "n" * 255, "k" * 4096, 1, floats))
    assert read(lines, 1) == [floats]
