"""From the text of a filter to what it means for somebody."""

from __future__ import annotations

import uuid

import pytest

from syncpipe.core.filter_language import parse
from syncpipe.deadletters.selecting import selection
from syncpipe.errors import InvalidFilter

NOW = 1_800_000_000_000
ID = str(uuid.UUID(int=2**127))


def text(where, *states):
    return selection(where, now_ms=NOW, states=states).text


def test_open_ones_are_meant_unless_it_says_otherwise():
    assert text("target:crm", "open") == "target:crm state:open"
    assert text("target:a or target:b", "open") == "target:a,b state:open"
    assert text("", "open") == "state:open"
    assert text("state:discarded", "open") == "state:discarded"
    assert text(f"id:{ID}", "open") == f"id:{ID}"
    assert text("") == ""


def test_the_text_means_the_same_at_any_time():
    chosen = selection("age:>1h (target:crm or -code:23505)", now_ms=NOW, states=("open",))
    assert parse(chosen.text, now_ms=0) == chosen.filter


def test_what_is_compared_with_fields_of_operations_is_in_no_text():
    chosen = selection("data.name:canary or -(data.total:>77 target:crm)", now_ms=NOW)
    assert "canary" not in chosen.text
    assert "77" not in chosen.text
    assert "canary" in str(chosen.filter)
    assert "data.name" in chosen.text


def test_some_of_them_are_chosen_by_state():
    assert selection("target:crm", now_ms=NOW).among("open").text == "target:crm state:open"


def test_what_is_no_filter_is_refused():
    with pytest.raises(InvalidFilter):
        text("target:")
