"""Ids and versions of one client."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncpipe.core.operation import created_ms
from syncpipe.core.version import MAX_VERSION, at_milliseconds, milliseconds
from syncpipe.errors import InvalidVersion
from syncpipe.producer.stamps import Stamper, check_version
from syncpipe.system import SystemClock, SystemRandom
from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom


def _stamper(clock: FakeClock | None = None) -> Stamper:
    return Stamper(clock or FakeClock(), SeededRandom())


def test_versions_rise_while_the_clock_stands():
    stamper = _stamper()

    versions = [stamper.next_version(None) for _ in range(5)]

    assert versions == sorted(set(versions))
    assert milliseconds(versions[0]) == START_MS


@given(st.lists(st.floats(-60, 60), max_size=20))
def test_versions_rise_whatever_small_jumps_the_clock_makes(jumps):
    clock = FakeClock()
    stamper = _stamper(clock)
    versions = []
    for seconds in jumps:
        clock.jump(seconds / 20)
        versions.append(stamper.next_version(None))

    assert versions == sorted(set(versions))


@given(st.lists(st.tuples(st.floats(-3, 3), st.integers(1, 5_000)), max_size=10))
def test_versions_of_many_rise_whatever_small_jumps_the_clock_makes(steps):
    clock = FakeClock()
    stamper = _stamper(clock)
    last = 0
    for seconds, number in steps:
        clock.jump(seconds)
        _, first = stamper.next_many(number)
        assert last < first
        last = stamper.next_version(None)
        assert first + number - 1 < last


def test_many_ids_are_all_different_and_of_now():
    ids, _ = _stamper().next_many(1000)
    each = [ids[at : at + 16] for at in range(0, len(ids), 16)]

    assert len(set(each)) == 1000
    assert {created_ms(id_) for id_ in each} == {START_MS}


def test_versions_of_many_come_back_after_a_clock_that_was_far_ahead_is_mended():
    clock = FakeClock()
    stamper = _stamper(clock)
    clock.jump(86_400)
    stamper.next_many(5)
    clock.jump(-86_400)

    assert milliseconds(stamper.next_many(5)[1]) == START_MS


def test_many_threads_that_take_many_versions_at_once_share_none():
    stamper = Stamper(FakeClock(), SystemRandom())
    given: list[list[int]] = [[] for _ in range(4)]

    def take(mine):
        for number in range(1, 200):
            mine.append(stamper.next_version(None))
            _, first = stamper.next_many(number)
            mine.extend(range(first, first + number))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(take, given))

    versions = [version for mine in given for version in mine]
    assert len(versions) == len(set(versions))
    assert all(mine == sorted(mine) for mine in given)


def test_versions_come_back_after_a_clock_that_was_far_ahead_is_mended():
    clock = FakeClock()
    stamper = _stamper(clock)
    clock.jump(86_400)
    stamper.next_version(None)
    clock.jump(-86_400)

    assert milliseconds(stamper.next_version(None)) == START_MS


def test_a_version_is_above_what_it_builds_on_and_so_are_the_next():
    stamper = _stamper()
    seen = at_milliseconds(START_MS + 5_000)

    assert stamper.next_version(seen) == seen + 1
    assert stamper.next_version(None) == seen + 2


@pytest.mark.parametrize("after", [0, -1, "7", 1.0, True, 2**63])
def test_what_is_no_version_cannot_be_built_on(after):
    with pytest.raises(InvalidVersion, match="positive 64-bit"):
        _stamper().next_version(after)


def test_what_lies_too_far_ahead_cannot_be_built_on():
    with pytest.raises(InvalidVersion, match="ahead"):
        _stamper().next_version(at_milliseconds(START_MS + 60_001))


def test_a_version_is_a_positive_64_bit_integer():
    assert check_version(1) == 1
    assert check_version(MAX_VERSION) == MAX_VERSION
    for version in (0, -1, MAX_VERSION + 1, "1", 1.0, True, None):
        with pytest.raises(InvalidVersion):
            check_version(version)


def test_many_threads_get_different_ids_and_versions_that_rise_in_each():
    stamper = Stamper(SystemClock(), SystemRandom())
    given: list[list[tuple[bytes, int]]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(
            target=lambda mine: [
                mine.append((stamper.new_id(), stamper.next_version(None))) for _ in range(2000)
            ],
            args=(mine,),
        )
        for mine in given
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    stamps = [stamp for mine in given for stamp in mine]
    assert len({id_ for id_, _ in stamps}) == len({version for _, version in stamps}) == 8000
    for mine in given:
        versions = [version for _, version in mine]
        assert versions == sorted(versions)


def test_a_renewed_stamper_goes_on_above_its_last_version():
    stamper = _stamper()
    last = stamper.next_version(None)
    stamper.renew()

    assert stamper.next_version(None) > last


def test_a_renewed_stamper_gives_none_of_the_ids_that_its_parent_would_give():
    stamper = Stamper(FakeClock(), SystemRandom())
    stamper.new_id()
    kept = set(stamper._drawn)
    stamper.renew()

    assert not kept & {stamper.new_id()[6:] for _ in range(100)}
