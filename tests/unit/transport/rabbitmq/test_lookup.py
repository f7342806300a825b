"""Questions that nobody may ever answer."""

from __future__ import annotations

import os
import threading

import pytest

from syncpipe.transport.rabbitmq.lookup import Lookup


class Oracle:
    """Answers with the number of the question, once it may."""

    def __init__(self):
        self.asked = 0
        self.began = threading.Event()
        self.may = threading.Event()

    def __call__(self):
        self.asked += 1
        number = self.asked
        self.began.set()
        self.may.wait()
        return number


@pytest.fixture
def oracle():
    made = Oracle()
    yield made
    made.may.set()


def test_every_question_is_asked_anew(oracle):
    oracle.may.set()
    lookup = Lookup(oracle)
    assert [lookup.answer(timeout_s=60) for _ in range(3)] == [1, 2, 3]


def test_a_question_without_an_answer_is_asked_once(oracle):
    lookup = Lookup(oracle)
    for _ in range(3):
        with pytest.raises(TimeoutError, match="no answer in time"):
            lookup.answer(timeout_s=0)
    assert oracle.began.wait(60)
    assert oracle.asked == 1


def test_what_asking_raises_is_raised():
    def fail():
        raise OSError("no such name")

    with pytest.raises(OSError, match="no such name"):
        Lookup(fail).answer(timeout_s=60)


def test_a_forked_child_asks_for_itself(oracle, monkeypatch):
    lookup = Lookup(oracle)
    with pytest.raises(TimeoutError):
        lookup.answer(timeout_s=0)
    assert oracle.began.wait(60)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    oracle.may.set()
    assert lookup.answer(timeout_s=60) == 2
