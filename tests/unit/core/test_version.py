"""Hybrid logical clock stamps and ties."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.operation import created_ms, uuid7, uuid7_ends, uuid7s
from syncpipe.core.version import (
    MAX_VERSION,
    at_milliseconds,
    milliseconds,
    next_version,
    tie_of,
    ties_of,
)

times = st.integers(0, 2**47 - 1)
versions = st.integers(0, MAX_VERSION - 1)


@given(times, versions, versions)
def test_a_stamp_is_above_the_last_one_and_what_it_builds_on(now_ms, last, after):
    version = next_version(now_ms, last, after)

    assert version > max(last, after)
    assert milliseconds(version) >= now_ms or version == max(last, after) + 1


@given(st.lists(times, min_size=2))
def test_stamps_rise_whatever_the_clock_does(readings):
    stamps = [0]
    for now_ms in readings:
        stamps.append(next_version(now_ms, stamps[-1]))

    assert stamps == sorted(set(stamps))


def test_the_counter_carries_into_the_milliseconds():
    assert next_version(1000, at_milliseconds(1001) - 1) == at_milliseconds(1001)


@given(times)
def test_milliseconds_come_back(now_ms):
    assert milliseconds(at_milliseconds(now_ms)) == now_ms


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=16, max_size=16))
def test_ties_order_as_the_ends_of_ids_do_and_fit_64_bits(one, two):
    assert (tie_of(one) < tie_of(two)) == (one[8:] < two[8:])
    assert ties_of([one, two]) == [tie_of(one), tie_of(two)]
    assert -(2**63) <= tie_of(one) < 2**63


@given(times, st.integers(0, 2**74 - 1))
def test_an_id_is_a_uuid7_that_holds_its_time(now_ms, bits):
    made = uuid.UUID(bytes=uuid7(now_ms, bits))

    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert created_ms(made.bytes) == now_ms


@given(times, st.integers(0, 2**74 - 1), st.integers(0, 2**74 - 1))
def test_no_random_bit_of_an_id_is_lost(now_ms, one, two):
    assert (uuid7(now_ms, one) == uuid7(now_ms, two)) == (one == two)


@given(times, st.lists(st.integers(0, 2**80 - 1), min_size=1, max_size=5))
def test_the_ends_of_ids_are_those_of_uuids_and_keep_the_random_bits(now_ms, chance):
    bits = sum(one << 80 * place for place, one in enumerate(reversed(chance)))
    ids = [now_ms.to_bytes(6, "big") + end for end in uuid7_ends(bits, len(chance))]

    expected = [uuid7(now_ms, one >> 64 << 62 | one & 2**62 - 1) for one in chance]
    assert ids == expected


@given(times, st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=5))
def test_many_ids_are_uuids_of_their_time_that_keep_the_random_bits(now_ms, chance):
    bits = sum(one << 128 * place for place, one in enumerate(reversed(chance)))
    ids = [uuid7(now_ms, (one >> 64 & 0xFFF) << 62 | one & 2**62 - 1) for one in chance]

    assert uuid7s(now_ms, bits, len(chance)) == b"".join(ids)
