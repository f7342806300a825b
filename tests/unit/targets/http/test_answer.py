from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.targets.http.answer import Answer, one_line, retry_after_s

NOW_MS = 1_700_000_000_000  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("text", "expected_s"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("999999999", 999_999_999),
        ("9" * 10, 1e9),
        ("9" * 5000, 1e9),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Tue, 14 Nov 2023 22:13:20 GMT", 0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799 - NOW_MS / 1000),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30),
        ("Tue Nov 14 22:13:50 2023", 30),
    ],
)
def test_the_time_is_read_in_seconds_and_as_a_date(text, expected_s):
    assert retry_after_s({"retry-after": text}, NOW_MS) == pytest.approx(expected_s)


@pytest.mark.parametrize(
    "text",
    ["", "-5", "1.5", "soon", "١٢", "1e9", "NaN", "inf", "Tue, 99 Nov 2023", "0x10", "5 seconds"],
)
def test_what_cannot_be_read_says_nothing(text):
    assert retry_after_s({"retry-after": text}, NOW_MS) is None


def test_without_the_header_it_says_nothing():
    assert retry_after_s({}, NOW_MS) is None


def test_a_date_counts_from_the_date_of_whoever_says_it():
    headers = {
        "retry-after": "Tue, 14 Nov 2023 20:00:10 GMT",
        "date": "Tue, 14 Nov 2023 20:00:00 GMT",
    }
    assert retry_after_s(headers, NOW_MS) == 10
    assert retry_after_s({**headers, "date": "yesterday"}, NOW_MS) == 0


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_it_says_is_nothing_or_a_time(text, date):
    seconds = retry_after_s({"retry-after": text, "date": date}, NOW_MS)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("status", "body", "is_success", "is_done"),
    [
        (200, b"", True, True),
        (204, b"", True, True),
        (202, b" \n", True, True),
        (200, b"x", True, False),
        (207, b"", True, False),
        (299, b"", True, False),
        (199, b"", False, False),
        (300, b"", False, False),
    ],
)
def test_what_a_status_says_without_a_body(status, body, is_success, is_done):
    answer = Answer(status, body)
    assert (answer.is_success, answer.is_done) == (is_success, is_done)


@given(st.text())
def test_what_is_shown_is_one_short_printable_line(text):
    shown = one_line(text)
    assert shown.splitlines() in ([], [shown])
    assert len(shown) <= 301
    assert not any(ord(character) < 32 or ord(character) == 127 for character in shown)


def test_a_body_is_shown_whatever_its_bytes():
    assert one_line(Answer(400, b"\xff\x00a\r\nb\x1b[31m").text) == "\ufffd a b [31m"
