"""What is remembered of tries that did not end with an effect."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from syncpipe.core.attempt import MAX_ATTEMPTS_KEPT, MAX_MESSAGE, Attempt, attempts_of, one_more
from syncpipe.core.envelope import Header, seal
from syncpipe.core.routing import Lane, Priority
from syncpipe.errors import MalformedEnvelope

#: Of characters that take four bytes each.
LONG = "\N{GRINNING FACE}" * 5_000
HEADER = Header(bytes(16), Lane("crm", 0), Priority.NORMAL, 1, 2**40, LONG[:256])


def _attempt(number: int) -> Attempt:
    return Attempt(number, "w1", 5, "SP-E510", f"No. {number}")


def test_of_very_many_the_first_and_the_latest_are_kept():
    attempts = ()
    for number in range(100):
        attempts = one_more(attempts, _attempt(number))

    kept = [attempt.at_ms for attempt in attempts]
    assert len(kept) == MAX_ATTEMPTS_KEPT
    assert kept == [0, 1, 2, 3, *range(100 - MAX_ATTEMPTS_KEPT + 4, 100)]


def test_a_long_message_is_cut():
    (attempt,) = one_more((), _attempt(1)._replace(message="x" * 10_000))

    assert len(attempt.message) == MAX_MESSAGE


@pytest.mark.parametrize("value", [None, {}, [1], [[1, "w", 2, "c"]], [[1, "w", 2, "c", None]]])
def test_anything_else_is_refused(value):
    with pytest.raises(MalformedEnvelope):
        attempts_of(value)


def test_what_somebody_made_too_long_is_cut_so_that_it_can_travel_on():
    forged = [[2**63, LONG, 2**63, LONG, LONG]] * 500
    attempts = attempts_of(forged)
    assert len(attempts) == MAX_ATTEMPTS_KEPT
    assert len(seal(replace(HEADER, attempts=attempts), [b""])) < 2**16


def test_what_we_made_ourselves_comes_back_as_it_was():
    attempts = ()
    for number in range(50):
        attempts = one_more(attempts, _attempt(number)._replace(message="m" * (number * 10)))
    assert attempts_of(list(map(list, attempts))) == attempts
