"""What services leave behind, and how it goes away."""

from __future__ import annotations

import os
import signal

import pytest

from syncpipe.embedded import Options, attached, discard, end, find, keep
from syncpipe.errors import AlreadyRunning
from syncpipe.supervisor import detach
from tests.patience import eventually
from tests.servers import short_directory

FAST = Options(durable=False)


@pytest.fixture
def state_dir():
    with short_directory() as directory:
        yield directory / "state"


def test_data_and_logs_are_discarded_and_the_rest_stays(state_dir):
    with attached(state_dir, FAST):
        pass
    (state_dir / "mine").touch()
    discard(state_dir)
    assert {path.name for path in state_dir.iterdir()} == {"lock", "mine"}


def test_nothing_is_discarded_while_services_run(state_dir):
    with attached(state_dir, FAST) as running:
        with pytest.raises(AlreadyRunning):
            discard(state_dir)
        assert running.services.alive()
        assert (state_dir / "redis").is_dir()


def test_where_nothing_has_run_there_is_nothing_to_end_or_discard(state_dir):
    assert not end(state_dir)
    discard(state_dir)


def test_the_companions_of_a_dead_keeper_are_ended(state_dir):
    services = keep(state_dir, FAST)
    companion = detach(("/bin/sleep", "1000"), log=state_dir / "companion.log")
    services.adopt(companion)
    os.kill(services.record.keeper.pid, signal.SIGKILL)
    eventually(lambda: find(state_dir) is None)
    assert end(state_dir)
    assert not companion.alive()
    assert not end(state_dir)


def free_and_empty(state_dir):
    """Whether what a dying keeper held could be claimed and discarded."""
    try:
        discard(state_dir)
    except AlreadyRunning:
        return False
    return True


def test_whoever_comes_next_ends_the_companions_of_a_dead_keeper(state_dir):
    services = keep(state_dir, FAST)
    companion = detach(("/bin/sleep", "1000"), log=state_dir / "companion.log")
    services.adopt(companion)
    os.kill(services.record.keeper.pid, signal.SIGKILL)
    eventually(lambda: free_and_empty(state_dir))
    assert not companion.alive()


def test_a_detached_program_gets_the_environment_that_it_is_given(state_dir):
    state_dir.mkdir()
    log = state_dir / "log"
    detach(("/usr/bin/env",), log=log, env={"ONLY": "this"})
    lines = eventually(lambda: log.exists() and log.read_text(encoding="utf-8").splitlines())
    assert [line for line in lines if not line.startswith("LC_CTYPE=")] == ["ONLY=this"]
