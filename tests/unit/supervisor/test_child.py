from __future__ import annotations

from syncpipe.supervisor.child import restart_delay_s


def test_pauses_double_up_to_a_second_and_a_half():
    delays = [restart_delay_s(failures) for failures in range(1, 8)]
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.5, 1.5, 1.5]


def test_a_very_long_row_of_failures_is_no_problem():
    assert restart_delay_s(10**9) == 1.5
