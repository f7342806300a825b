from __future__ import annotations

from fractions import Fraction

import pytest

from syncpipe.core.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", Fraction(1, 4)),
        ("5s", 5),
        ("1.5 m", 90),
        ("2h", 7200),
        ("30d", 2_592_000),
        ("1w", 604_800),
        ("0s", 0),
    ],
)
def test_durations_are_exact_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1B", 1),
        ("1kB", 1000),
        ("1MB", 10**6),
        ("1GB", 10**9),
        ("1KiB", 1024),
        ("64MiB", 64 * 2**20),
        ("1GiB", 2**30),
    ],
)
def test_sizes_are_bytes(text, count):
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "5", "s", "-5s", "5 parsecs", "1h30m", "5S", "1e3s", "٣s s"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="is not a number with one of ms, s, m, h, d, w"):
        parse_duration(text)
