from __future__ import annotations

import pytest

from syncpipe.settings import schema
from syncpipe.settings.conversion import UnfitError, convert


def key(table, name):
    return schema.keys_under(table)[name]


LINGER = key(("worker",), "batch_linger_ms")
BLOCK = key(("client",), "max_block_s")
BYTES = key(("client",), "batch_max_bytes")
THREADS = key(("worker",), "threads")
HORIZON = key(("collections", "orders"), "horizon")
KEEP = key(("store",), "discarded_keep_s")


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        (LINGER, 0, 0),
        (LINGER, "5ms", 5),
        (LINGER, "1s", 1000),
        (BLOCK, 1, 1.0),
        (BLOCK, "250ms", 0.25),
        (BYTES, "64KiB", 65536),
        (THREADS, 4.0, 4),
        (HORIZON, "30d", 2_592_000),
        (KEEP, "1d", 86_400.0),
        (KEEP, 0, 0.0),
    ],
)
def test_numbers_come_in_the_unit_of_their_field(key, written, value):
    converted = convert(key, written, untyped=False)
    assert converted == value
    assert type(converted) is key.kind


@pytest.mark.parametrize(
    ("key", "written", "fault"),
    [
        (LINGER, "0.5ms", "not a whole number"),
        (LINGER, -1, "too small"),
        (BLOCK, 0, "too small"),
        (KEEP, -1, "too small"),
        (BLOCK, float("nan"), "not a number"),
        (BLOCK, float("inf"), "not a number"),
        (BLOCK, 10**400, "too large"),
        (BLOCK, "4000d", "too large"),
        (THREADS, True, "not a number"),
        (THREADS, "4", "not a number"),
        (THREADS, 2**53 + 1, "too large"),
        (THREADS, [4], "not a number"),
        (HORIZON, {}, "A table is not a number"),
    ],
)
def test_what_is_no_sensible_number_is_refused(key, written, fault):
    with pytest.raises(UnfitError, match=fault) as caught:
        convert(key, written, untyped=False)
    assert caught.value.suggestion.startswith("Write ")


def test_texts_must_be_texts_and_lists_must_hold_something():
    with pytest.raises(UnfitError, match="not a text"):
        convert(key(("broker",), "url"), "", untyped=False)
    with pytest.raises(UnfitError, match="list is empty"):
        convert(key(("collections", "o"), "target"), [], untyped=False)


def test_a_text_may_be_empty_where_that_is_the_default():
    assert not convert(key(("store",), "dsn"), "", untyped=False)


@pytest.mark.parametrize(("text", "value"), [("16", 16), (" 1_6 ", 16), ("0x10", 16)])
def test_text_from_outside_is_read_as_toml_reads_it(text, value):
    assert convert(THREADS, text, untyped=True) == value


def test_text_from_outside_stays_text_where_text_is_wanted():
    assert convert(key(("broker",), "url"), "5", untyped=True) == "5"
    assert convert(key(("collections", "o"), "table"), "public.t", untyped=True) == "public.t"
