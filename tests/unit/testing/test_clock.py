"""A clock that moves when told."""

from __future__ import annotations

from syncpipe.testing.clock import START_MS, FakeClock, SeededRandom


def test_it_stands_until_it_is_moved():
    clock = FakeClock()
    assert (clock.now_ms(), clock.monotonic()) == (START_MS, 0.0)

    clock.advance(1.5)
    assert (clock.now_ms(), clock.monotonic()) == (START_MS + 1500, 1.5)


def test_a_jump_moves_the_wall_clock_alone():
    clock = FakeClock(10_000)
    clock.jump(-5)

    assert (clock.now_ms(), clock.monotonic()) == (5_000, 0.0)


def test_chance_repeats_for_the_same_seed():
    one, same, other = SeededRandom(1), SeededRandom(1), SeededRandom(2)

    assert [one.bits(74) for _ in range(9)] == [same.bits(74) for _ in range(9)]
    assert one.bits(74) != other.bits(74)
