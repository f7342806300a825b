"""Which entries a filter on masked fields makes."""

from __future__ import annotations

import pytest

from syncpipe.core.audit import Act
from syncpipe.deadletters.glances import Glances
from syncpipe.errors import StoreUnavailable


def act(actor="ann@h"):
    return Act(actor, "dlq.filter", 'data.mail:"***"')


@pytest.fixture
def written():
    return []


@pytest.fixture
def once(written):
    """Asks for something, and returns whether that was written down."""
    glances = Glances()

    def once(where, now_s, actor="ann@h"):
        before = len(written)
        glances.once(where, act(actor), now_s, written.append)
        return len(written) > before

    return once


def test_the_same_of_the_same_person_is_one_entry_in_five_minutes(once):
    assert [once("data.mail:a*", now_s) for now_s in (7, 8, 306.9, 307, 308)] == [
        *(True, False, False),
        *(True, False),
    ]


def test_whoever_tries_values_out_has_an_entry_for_each(once, written):
    assert all(once(f"data.mail:{letter}*", 7) for letter in "abc")
    assert once("data.mail:a*", 7, "bob@h")
    assert [each.actor for each in written] == ["ann@h"] * 3 + ["bob@h"]


def test_what_could_not_be_written_down_is_not_remembered(written):
    glances = Glances()

    def away(_):
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        glances.once("data.a:1", act(), 0, away)
    glances.once("data.a:1", act(), 0, written.append)
    assert written == [act()]


def test_a_bounded_number_is_remembered(once):
    assert all(once(f"data.a:{number}", 0) for number in range(1_001))
    assert once("data.a:0", 1), "it was forgotten, and is told again"
    assert not once("data.a:1000", 1)
