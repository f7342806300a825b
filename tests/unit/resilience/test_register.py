from __future__ import annotations

import itertools
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.errors import TargetUnavailable
from syncpipe.resilience.register import (
    Register,
    State,
    countable,
    digest,
    digits,
    newest,
    unpack,
)

REGISTERS = st.builds(
    Register,
    number=st.integers(0, 2**48 - 1),
    state=st.sampled_from(State),
    failures=st.integers(0, 2**16 - 1),
    period_ms=st.integers(0, 2**32 - 1),
    since_ms=st.integers(0, 2**48 - 1),
    code=st.integers(0, 999),
    writer=st.integers(0, 2**32 - 1),
)


@given(REGISTERS, REGISTERS)
def test_as_integers_they_stay_what_they_are_and_in_order(one, other):
    assert unpack(one.pack()) == one
    assert (one < other) == (one.pack() < other.pack())


@given(st.integers())
def test_any_integer_is_one_or_none(packed):
    register = unpack(packed)
    assert register is None or register.pack() == packed


@given(st.lists(REGISTERS, max_size=5), st.randoms())
def test_whatever_the_order_and_repetition_the_newest_is_the_same(registers, random):
    packed = [each.pack() for each in registers]
    others = [*packed, *packed[:2], -1, 1 << 300]
    random.shuffle(others)
    assert newest(others) == newest(packed) == reduce(max, registers, Register())


def test_what_is_too_large_is_kept_as_the_largest():
    assert unpack(Register(failures=10**6, period_ms=10**12).pack()) == Register(
        failures=2**16 - 1, period_ms=2**32 - 1
    )


def test_failures_without_end_are_numbers_that_can_be_told_and_differ_from_one_to_the_next():
    told = [countable(failures) for failures in range(2**16 - 2, 2**17 + 2)]
    assert told[:4] == [2**16 - 2, 2**16 - 1, 2**15, 2**15 + 1]
    assert min(told) == 2**15
    assert all(one != other for one, other in itertools.pairwise(told))
    assert all(unpack(Register(failures=each).pack()).failures == each for each in set(told))


def test_of_two_that_knew_nothing_of_each_other_the_more_careful_wins():
    assert Register(7, State.OPEN) > Register(7, State.HALF_OPEN) > Register(7, State.CLOSED)
    assert Register(8, State.CLOSED) > Register(7, State.OPEN)


def test_processes_and_errors_have_numbers():
    assert digest("a@h") != digest("b@h")
    assert (digits(TargetUnavailable("down")), digits(ValueError())) == (501, 0)
    assert [state.word for state in State] == ["closed", "half-open", "open"]
