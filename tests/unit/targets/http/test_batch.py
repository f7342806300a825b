from __future__ import annotations

import datetime as dt
import gzip
import json
import uuid
from decimal import Decimal

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.lines import carried
from syncpipe.core.operation import Kind, Operation
from syncpipe.core.version import MAX_VERSION
from syncpipe.targets.http.batch import COMPRESSIONS, body_of, key_of, text_of

ID = uuid.UUID("01900000-0000-7000-8123-456789abcdef").bytes
VERSIONS = st.integers(1, MAX_VERSION)


def item(operation):
    return json.loads(text_of(operation))


def of_version(version, id_=ID):
    return item(Operation(id_, Kind.DELETE, "notes", "k", version, None))


def test_an_operation_is_written_as_documented():
    operation = Operation(
        ID,
        Kind.UPSERT,
        "notes",
        'k/"1"~0',
        117_964_800_000_000_000,
        {"total": Decimal("12.50"), "at": dt.date(2024, 5, 1), "text": "~", "none": None},
        not_before_ms=1,
        expires_ms=2,
        group_id=ID,
    )
    assert item(operation) == {
        "id": "01900000-0000-7000-8123-456789abcdef",
        "collection": "notes",
        "key": 'k/"1"~0',
        "kind": "upsert",
        "version": "0117964800000000000",
        "tie": "8123456789abcdef",
        "data": {"total": "~f12.50", "at": "~d2024-05-01", "text": "~~", "none": None},
    }


def test_a_delete_has_no_data():
    assert of_version(1)["data"] is None


@given(VERSIONS, VERSIONS)
def test_versions_are_in_the_order_of_their_texts(one, other):
    texts = of_version(one)["version"], of_version(other)["version"]
    assert (texts[0] < texts[1], texts[0] == texts[1]) == (one < other, one == other)
    assert [int(text) for text in texts] == [one, other]


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_ties_are_in_the_order_of_their_texts(one, other):
    first, second = (Operation(each, Kind.DELETE, "n", "k", 1, None) for each in (one, other))
    texts = item(first)["tie"], item(second)["tie"]
    assert (texts[0] < texts[1]) == (first.stamp < second.stamp)


def test_a_batch_is_written_as_documented():
    assert json.loads(body_of("hub", "abc", ['{"a":1}', '{"b":2}'])) == {
        "format": 1,
        "target": "hub",
        "batch": "abc",
        "operations": [{"a": 1}, {"b": 2}],
    }
    assert json.loads(body_of("hub", "abc", []))["operations"] == []


def test_the_key_is_that_of_the_operations_and_the_target():
    key = key_of("hub", ["a", "b"])
    assert key == key_of("hub", ["a", "b"])
    assert len(key) == 32
    others = [("bi", ["a", "b"]), ("hub", ["b", "a"]), ("hub", ["ab"]), ("hub", ["a"]), ("hub", [])]
    assert key not in {key_of(*other) for other in others}


@pytest.mark.parametrize(
    ("name", "unpack"), [("gzip", gzip.decompress), ("zstd", zstandard.decompress)]
)
def test_a_compressed_body_is_smaller_and_always_the_same(name, unpack):
    body = body_of("hub", "k", [text_of(Operation(ID, Kind.DELETE, "n", "k", 1, None))] * 100)
    packed = COMPRESSIONS[name](body)
    assert unpack(packed) == body
    assert len(packed) < len(body) / 10
    assert COMPRESSIONS[name](body) == packed


@pytest.mark.parametrize("document", [{"rate": 1.5e-9}, {"n": 1, "t": "~", "é": [1.0, None]}, {}])
def test_the_bytes_of_an_operation_do_not_depend_on_how_its_document_came(document):
    (data,) = carried([document])
    one, other = (Operation(ID, Kind.UPSERT, "notes", "k", 1, each) for each in (document, data))
    assert text_of(one) == text_of(other)
