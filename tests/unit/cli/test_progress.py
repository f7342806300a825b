"""What is said meanwhile."""

from __future__ import annotations

from syncpipe.cli.progress import Counting
from syncpipe.testing.clock import FakeClock


def test_how_far_it_is_is_said_now_and_then(capsys):
    clock = FakeClock()
    counting = Counting("exported", clock.monotonic)
    for number in range(200, 4_000, 200):
        counting(number)
        clock.advance(1)
    assert capsys.readouterr().err == (
        "1,400 dead letters exported so far\n"
        "2,600 dead letters exported so far\n"
        "3,800 dead letters exported so far\n"
    )
