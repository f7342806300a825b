"""The oracle's own reading of the document encoding."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.document import tagged
from syncpipe.demo.oracle import Unreadable, decoded_document
from syncpipe.demo.oracle.verdict import same

text = st.text() | st.text().map("~".__add__)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**4200, -(10**4200)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False),
    text,
    st.binary(),
    st.datetimes(timezones=st.timezones()),
    st.dates(),
    st.times(),
    st.uuids(),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
)
EAST = timezone(timedelta(hours=5, minutes=30))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("12345678901234567890", 12345678901234567890),
        ("1.0", 1.0),
        ("5e-324", 5e-324),
        ('"é~x"', "é~x"),
        ('"~~x"', "~x"),
        ('"~~~"', "~~"),
        ('"~f1.50"', Decimal("1.5")),
        ('"~b AAE="', Unreadable("~b AAE=")),
        ('"~bAAE="', b"\x00\x01"),
        ('"~b"', b""),
        ('"~t2024-01-31T12:00:00.5Z"', datetime(2024, 1, 31, 12, 0, 0, 500_000, UTC)),
        ('"~t2024-01-31T12:00:00+05:30"', datetime(2024, 1, 31, 12, tzinfo=EAST)),
        ('"~d2024-01-31"', date(2024, 1, 31)),
        ('"~h12:34:56.789"', time(12, 34, 56, 789_000)),
        ('"~h12:34:56+05:30"', time(12, 34, 56, tzinfo=EAST)),
        (
            '"~u018f3c8e-6b1a-7c3d-8e4f-5a6b7c8d9e0f"',
            UUID("018f3c8e-6b1a-7c3d-8e4f-5a6b7c8d9e0f"),
        ),
        ('{"~f1": ["~f1", {"a": "~~"}]}', {"~f1": [Decimal(1), {"a": "~"}]}),
    ],
)
def test_each_form_decodes_to_its_value_and_type(text: str, value: object) -> None:
    assert same(decoded_document(text), value)


def test_integers_longer_than_python_prints_are_decoded() -> None:
    assert decoded_document(f'"~n-{"9" * 5000}"') == 1 - 10**5000
    assert decoded_document(f'"~n-0x{"f" * 5000}"') == 1 - 16**5000


@pytest.mark.parametrize(
    "tagged", ["~", "~q1", "~fx", "~b!", "~tyesterday", "~d1", "~h25", "~u1", "~n1.x"]
)
def test_an_undocumented_string_is_unreadable_and_equals_nothing(tagged: str) -> None:
    found = decoded_document(f'{{"a": "{tagged}"}}')

    assert found == {"a": Unreadable(tagged)}
    assert not same(found, {"a": tagged})


def test_text_that_cannot_be_parsed_is_unreadable() -> None:
    too_long, too_deep = "1" * 5000, "[" * 100_000

    assert decoded_document(too_long) == Unreadable(too_long)
    assert decoded_document(too_deep) == Unreadable(too_deep)


@given(values)
def test_what_the_targets_write_is_read_as_the_same_value(value: object) -> None:
    assert same(decoded_document(tagged(value)), value)
