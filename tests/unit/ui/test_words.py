"""Numbers and moments as people read them."""

from __future__ import annotations

import pytest

from syncpipe.ui import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, words.NOTHING), (0, "0 s"), (0.4, "under 1 s"), (59, "59 s"), (60, "1 min"),
        (61, "1 min 1 s"),
        (3_599, "59 min"), (3_600, "1 h"), (9_600, "2 h 40 min"),
        (4 * 3_600, "4 h"), (90_000, "1 d 1 h"),
        (30 * 86_400, "30 d"),
    ],
)  # fmt: skip
def test_durations_have_their_largest_units(seconds, text):
    assert words.span(seconds) == text


def test_numbers_can_be_read():
    assert words.number(1_234_567) == "1\u202f234\u202f567"
    assert [words.rate(each) for each in (None, 0, 0.04, 9.96, 12.3)] == [
        words.NOTHING,
        "0",
        "under 0.1",
        "10.0",
        "12",
    ]
    assert [words.plural(n, "letter") for n in (0, 1, 2)] == ["0 letters", "1 letter", "2 letters"]


def test_moments_are_in_utc():
    assert words.moment(0) == "1970-01-01T00:00:00.000Z"
    assert words.day_and_time(1_000) == "1970-01-01 00:00:01 UTC"
    assert (words.ago(0, 61_000), words.ago(5_000, 0), words.ago(None, 0)) == (
        "1 min 1 s ago",
        "0 s ago",
        words.NOTHING,
    )


def test_bars_show_what_is_little_too():
    assert words.bars([0, 0]) == ""
    path = words.bars([0, 1, 1_000_000])
    assert path.count("M") == 2
    assert "v-2.0" in path
    assert "v-24.0" in path


def test_what_a_target_said_is_told_without_that_it_did():
    assert words.said("Target *** answered ***: value too long.") == "value too long."
    assert words.said("No target.") == "No target."
    assert words.said(None).startswith("The words come from elsewhere")
