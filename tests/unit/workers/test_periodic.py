from __future__ import annotations

import threading

import pytest
import structlog

from syncpipe.errors import BrokerUnavailable, QueueMissing
from workers.periodic import Periodic
from workers.troubles import Troubles


def test_it_calls_again_and_again_until_it_is_stopped():
    calls, enough = [], threading.Event()

    def action():
        calls.append(threading.current_thread().name)
        if len(calls) == 3:
            enough.set()

    job = Periodic("count", action, every_s=0.001)
    job.start()
    assert enough.wait(60)
    job.stop()
    assert set(calls) == {"syncpipe-count"}


def test_a_failure_is_told_once_and_its_end_once():
    fails = iter([True, True, False, False])

    def action():
        if next(fails):
            raise BrokerUnavailable("down")

    job = Periodic("job", action, every_s=1)
    with structlog.testing.capture_logs() as lines:
        for _ in range(4):
            job.once()
    assert [line["event"] for line in lines] == ["periodic-fails", "periodic-works"]
    assert lines[0]["code"] == "SP-E402"


def test_what_several_jobs_meet_is_told_once():
    down = True

    def action():
        if down:
            raise BrokerUnavailable("down")

    troubles = Troubles()
    jobs = [Periodic(name, action, every_s=1, troubles=troubles) for name in ("a", "b")]
    with structlog.testing.capture_logs() as lines:
        for job in (*jobs, *jobs):
            job.once()
        down = False
        for job in jobs:
            job.once()
    assert [(line["event"], line["job"]) for line in lines] == [
        ("periodic-fails", "a"),
        ("periodic-works", "a"),
    ]


def test_another_reason_of_another_job_is_told():
    troubles = Troubles()
    assert troubles.begin("a", BrokerUnavailable("down"))
    assert troubles.begin("b", BrokerUnavailable("refused"))
    assert not troubles.begin("b", BrokerUnavailable("refused again"))
    assert troubles.begin("b", QueueMissing("gone"))


def test_a_fault_of_ours_is_not_hidden():
    def action():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Periodic("job", action, every_s=1).once()


@pytest.mark.parametrize("fault", [ZeroDivisionError, SystemExit])
def test_a_fault_of_ours_does_not_end_the_job(fault):
    calls, enough = [], threading.Event()

    def action():
        calls.append(None)
        if len(calls) == 3:
            enough.set()
        raise fault("a customer's name")

    job = Periodic("job", action, every_s=0.001)
    with structlog.testing.capture_logs() as lines:
        job.start()
        assert enough.wait(60)
        job.stop(30)
    (line,) = lines
    assert (line["event"], line["job"], line["error"]) == ("job-failed", "job", fault.__name__)
    assert line["trace"]
    assert "customer" not in str(line)
