from __future__ import annotations

import gzip
import io
from decimal import Decimal

import pytest

from syncpipe.errors import InvalidValue
from syncpipe.ops import records
from syncpipe.ops.records import BadLine, Row, json_fields, read, unpacked


def rows(data: bytes, form="jsonl", *, exact=False):
    """Read *data*; a bad line becomes its number and message."""
    return [
        (row.line, row.error.message) if isinstance(row, BadLine) else row
        for row in read(io.BytesIO(data), form, exact=exact)
    ]


def test_json_lines_become_rows_with_their_numbers_and_blank_ones_are_passed_over():
    assert rows(b'{"a": 1}\n\n  \n{"b": [null, "x"]}') == [
        Row(1, {"a": 1}),
        Row(4, {"b": [None, "x"]}),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"nonsense", "This is not JSON: Expecting value"),
        (b'{"a": 1', "This is not JSON"),
        (b"[1]", "This is JSON, but not an object: '[1]"),
        (b'"text"', "This is JSON, but not an object"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "-Infinity is not a number"),
        (b'{"a": 1, "a": 2}', "a name occurs twice"),
        (b'{"a": {"b": 1, "b": 1}}', "a name occurs twice"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_a_bad_line_is_told_and_the_next_one_is_read(line, reason):
    bad, good = rows(line + b'\n{"a": 1}\n')
    assert bad[0] == 1
    assert reason in bad[1]
    assert good == Row(2, {"a": 1})


def test_numbers_with_a_fraction_are_floats_unless_they_shall_be_exact():
    assert rows(b'{"a": 0.1, "b": 7}') == [Row(1, {"a": 0.1, "b": 7})]
    ((row),) = rows(b'{"a": 0.10, "b": 7}', exact=True)
    assert str(row.fields["a"]) == "0.10"
    assert type(row.fields["a"]) is Decimal
    assert type(row.fields["b"]) is int


def test_a_line_without_end_is_not_held_in_memory(monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 20)
    found = rows(b'{"a": "' + b"x" * 1000 + b'"}\n{"b": 1}\n' + b"y" * 1000)
    assert [row.line if isinstance(row, Row) else row[0] for row in found] == [1, 2, 3]
    assert found[1] == Row(2, {"b": 1})


def test_a_byte_order_mark_is_no_part_of_the_first_line():
    assert rows(b'\xef\xbb\xbf{"a": 1}') == [Row(1, {"a": 1})]
    assert rows(b"\xef\xbb\xbfid\n1\n", "csv") == [Row(2, {"id": "1"})]


def test_csv_is_text_and_nothing_is_none():
    assert rows(b'id,name\r\n1,"Ada, ""A"""\r\n2,\r\n', "csv") == [
        Row(2, {"id": "1", "name": 'Ada, "A"'}),
        Row(3, {"id": "2", "name": None}),
    ]


def test_a_record_of_csv_has_the_number_of_its_last_line():
    assert rows(b'id,name\n1,"two\nlines"\n2,x\n', "csv") == [
        Row(3, {"id": "1", "name": "two\nlines"}),
        Row(4, {"id": "2", "name": "x"}),
    ]


def test_csv_whose_first_line_names_a_field_twice_is_not_read():
    ((number, reason, *_),) = rows(b"id,id,b\n1,2,3\n", "csv")
    assert (number, "names the field 'id' twice" in reason) == (1, True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"1", "There are 1 values for the 2 fields"),
        (b"1,2,3", "There are 3 values for the 2 fields"),
        (b'1,"a"b', "This is not CSV"),
        (b"1,\xff", "not UTF-8"),
    ],
)
def test_a_bad_record_of_csv_is_told_and_the_next_one_is_read(line, reason):
    bad, good = rows(b"id,name\n" + line + b"\n2,x\n", "csv")
    assert bad[0] == 2
    assert reason in bad[1]
    assert good == Row(3, {"id": "2", "name": "x"})


def test_a_line_of_csv_without_end_is_told(monkeypatch):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 20)
    found = rows(b"id,name\n1," + b"x" * 100 + b"\n2,y\n", "csv")
    assert found[0][0] == 2
    assert found[1] == Row(3, {"id": "2", "name": "y"})


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_empty_file_has_no_records(form):
    assert rows(b"", form) == []


def test_what_is_zipped_is_read_by_its_name():
    stream = io.BytesIO(gzip.compress(b'{"a": 1}\n'))
    assert list(read(unpacked(stream, "x.jsonl.gz"), "jsonl", exact=False)) == [Row(1, {"a": 1})]


@pytest.mark.parametrize("damage", [lambda data: data[:-10], lambda _: b"no gzip at all"])
def test_a_damaged_file_ends_with_a_bad_line(damage):
    data = gzip.compress(b'{"a": 1}\n' * 10_000)
    stream = unpacked(io.BytesIO(damage(data)), "x.gz")
    *_, last = read(stream, "jsonl", exact=False)
    assert isinstance(last, BadLine)
    assert last.error.message.startswith("The file cannot be read further")


def test_one_object_is_read_like_a_line():
    assert json_fields('{"a": 1.5}', exact=True) == {"a": Decimal("1.5")}
    with pytest.raises(InvalidValue, match="not an object"):
        json_fields("7", exact=False)
