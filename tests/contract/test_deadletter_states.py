"""What became of a dead letter, and what happens when it is given up again."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from syncpipe.core.attempt import Attempt
from syncpipe.store.deadletters import OPEN, REPLAYABLE, Change
from syncpipe.store.triage import DISCARDED, EDITED, REPLAYING, RESOLVED
from syncpipe.testing.store import MemoryStore
from tests.contract.test_deadletters import NOW, dead, only

PUT_AWAY = [REPLAYING, RESOLVED, DISCARDED]


@pytest.fixture
def letters(store):
    return store.dead_letters


@pytest.fixture
def become(store):
    """Lets a letter be in a state: ``become(letter, state)``."""

    def in_memory(letter, state):
        kept = store.dead_letters._kept
        kept[letter.id] = replace(kept[letter.id], state=state, change=Change(NOW, "ann@h", "Why."))

    def in_postgres(letter, state):
        with psycopg.connect(store._options.dsn) as connection:
            connection.execute(
                "UPDATE syncpipe.dead_letters SET state = %s, changed_by = 'ann@h',"
                " reason = 'Why.', changed = to_timestamp(%s / 1000.0) WHERE id = %s",
                [state, NOW, letter.id],
            )

    return in_memory if isinstance(store, MemoryStore) else in_postgres


@pytest.mark.parametrize("state", PUT_AWAY)
def test_what_is_given_up_again_is_open_again_and_says_so(letters, become, state):
    first, again = dead(), dead(died_ms=NOW + 9, worker="w2@h", message="Still no.")
    letters.record([first])
    become(first, state)

    kept = only(letters.record([again]))

    assert (kept.state, kept.times_seen, kept.letter.message) == (OPEN, 2, "Still no.")
    assert kept.change == Change(NOW + 9, "w2@h", f"It was {state}, and given up again.")
    assert letters.find(first.id) == [kept]
    assert letters.count() == 1


@pytest.mark.parametrize("state", PUT_AWAY)
@pytest.mark.parametrize("tried", [False, True])
def test_what_is_given_up_again_by_a_clock_that_is_behind_is_open_again(
    letters, become, state, tried
):
    first = dead(attempts=(Attempt(NOW - 5, "w1@h", 3, "SP-E511", "No."),) * tried)
    attempts = (Attempt(NOW + 60_000, "w2@h", 3, "SP-E511", "Still no."),) * tried
    behind = dead(died_ms=NOW - 9, worker="w2@h", message="Still no.", attempts=attempts)
    letters.record([first])
    become(first, state)

    kept = only(letters.record([behind]))

    assert (kept.state, kept.times_seen, kept.letter.message) == (OPEN, 2, "Still no.")
    assert kept.change == Change(NOW, "w2@h", f"It was {state}, and given up again.")
    assert (kept.first_seen_ms, kept.last_seen_ms) == (NOW, NOW)
    assert kept.letter.attempts == (*first.history, *behind.history)
    become(first, state)
    repeats = [only(letters.record([letter])) for letter in (first, behind, first)]
    assert [each.state for each in repeats] == [state] * 3
    assert [each.times_seen for each in repeats] == [2] * 3


@pytest.mark.parametrize("message", ["nul \0", "long " * 100])
def test_a_repeat_is_told_whatever_became_of_its_text(letters, become, message):
    letters.record([dead(message=message)])
    become(dead(), RESOLVED)

    assert only(letters.record([dead(message=message)])).state == RESOLVED
    assert letters.count() == 0


@pytest.mark.parametrize("state", [*PUT_AWAY, EDITED])
def test_a_late_repeat_changes_nothing(letters, become, state):
    first, second = dead(), dead(died_ms=NOW + 9)
    letters.record([first, second])
    become(first, state)

    kept = letters.record([first, second])

    assert only(kept).state == state
    assert only(kept).change == Change(NOW, "ann@h", "Why.")
    assert letters.find(first.id) == kept
    assert letters.count() == 0


def test_what_an_edited_one_took_the_place_of_stays_away(letters, become):
    letters.record([dead()])
    become(dead(), EDITED)

    kept = only(letters.record([dead(died_ms=NOW + 9)]))

    assert (kept.state, kept.times_seen) == (EDITED, 2)
    assert letters.count() == 0


def test_what_is_open_keeps_why_it_is(letters, become):
    letters.record([dead()])
    become(dead(), OPEN)

    kept = only(letters.record([dead(died_ms=NOW + 9)]))

    assert (kept.state, kept.change) == (OPEN, Change(NOW, "ann@h", "Why."))


def test_whatever_can_still_be_sent_keeps_its_key(letters, become):
    states = [OPEN, REPLAYING, DISCARDED, RESOLVED, EDITED]
    everything = [dead(number) for number in range(len(states))]
    letters.record(everything)
    for letter, state in zip(everything, states, strict=True):
        become(letter, state)

    assert letters.open_keys("crm") == {"orders": {"k0", "k1", "k2"}}
    assert {OPEN, REPLAYING, DISCARDED} == REPLAYABLE
