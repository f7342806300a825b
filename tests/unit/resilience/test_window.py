from __future__ import annotations

from syncpipe.resilience.window import Window


def test_shares_are_of_the_calls_in_the_window():
    window = Window(10)
    window.add(0.0, failed=True)
    window.add(0.5, slow=True)
    window.add(5.0)
    window.add(9.9)
    assert window.shares(9.9, least=4) == (0.25, 0.25)
    assert window.shares(9.9, least=5) == (0.0, 0.0)
    assert window.shares(10.5, least=1) == (0.0, 0.0)
    assert window.shares(30.0, least=0) == (0.0, 0.0)


def test_it_costs_the_same_however_many_calls_there_are():
    window = Window(10)
    for tenth in range(1000):
        window.add(tenth / 10)
    assert len(window._steps) == 10
    window.clear()
    assert window.shares(100.0, least=0) == (0.0, 0.0)
