from __future__ import annotations

import signal
import threading

import pytest

from syncpipe.supervisor import signals_postponed


class Arrived(Exception):
    """A signal was delivered."""


@pytest.fixture
def raising():
    def arrive(*_):
        raise Arrived

    before = signal.signal(signal.SIGHUP, arrive)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("raising")
def test_a_signal_waits_for_the_end_of_the_block():
    done = []

    def act():
        with signals_postponed():
            signal.pthread_kill(threading.get_ident(), signal.SIGHUP)
            done.append("all")

    with pytest.raises(Arrived):
        act()
    assert done == ["all"]


@pytest.mark.usefixtures("raising")
def test_what_was_put_off_before_stays_so():
    with signals_postponed():
        with signals_postponed():
            pass
        assert signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
