"""What an incarnation tells Redis, seen from outside."""

from __future__ import annotations

import pytest
import redis

from syncpipe.transport.redis.claims import ACKS_PER_FLUSH, Claims
from syncpipe.transport.redis_keys import Keys


class Recorder:
    """Takes commands and answers what it was told to."""

    def __init__(self, *replies):
        self.commands = []
        self.replies = list(replies)

    def __call__(self, *command):
        self.commands.append(command)
        reply = self.replies.pop(0) if self.replies else 0
        if isinstance(reply, Exception):
            raise reply
        return reply


def _claims(*replies):
    execute = Recorder(*replies)
    return Claims(execute, Keys("p:"), lifetime_ms=5000), execute


def test_a_claim_names_its_lists_and_their_bells():
    claims, _ = _claims()

    command = claims.command(["p:a", "p:b"], 8)

    assert command[2] == 6
    assert command[5:9] == ("p:a", "p:b", "p:syncpipe:bell:p:a", "p:syncpipe:bell:p:b")
    assert command[9] == claims.incarnation


def test_numbers_are_never_used_twice():
    claims, _ = _claims()

    bases = [claims.command(["a"], limit)[-4] for limit in (8, 3, 1)]

    assert bases == [0, 8, 11]


def test_a_tag_names_the_incarnation_the_number_and_the_list():
    claims, _ = _claims()

    (claimed,) = claims.read([b"7:p:a:b", b"raw"])

    assert claimed.tag == f"{claims.incarnation}:7:p:a:b"
    assert claimed.list_key == "p:a:b"
    assert claims.owns(claimed.tag)
    assert not claims.owns("0f0e-made-by-kombu")


def test_acknowledgements_travel_in_one_group():
    claims, execute = _claims()
    old = claims.incarnation
    claims.ack(f"{old}:1:a")
    claims.reincarnate()
    claims.ack(f"{old}:2:a")
    claims.ack(f"{claims.incarnation}:1:a")

    claims.flush()

    assert execute.commands == [
        ("HDEL", f"p:syncpipe:unacked:{old}", "1:a", "2:a"),
        ("HDEL", f"p:syncpipe:unacked:{claims.incarnation}", "1:a"),
    ]


def test_a_claim_takes_acknowledgements_of_its_incarnation_along():
    claims, execute = _claims()
    old = claims.incarnation
    claims.ack(f"{old}:1:a")
    claims.reincarnate()
    claims.ack(f"{claims.incarnation}:1:a")
    claims.ack(f"{claims.incarnation}:2:b:c")

    assert claims.command(["a"], 8)[-2:] == ("1:a", "2:b:c")
    claims.read([])
    claims.flush()

    assert execute.commands == [("HDEL", f"p:syncpipe:unacked:{old}", "1:a")]


@pytest.mark.parametrize("ending", ["failed", "reincarnate", "teach"])
def test_acknowledgements_of_a_claim_that_may_have_failed_are_sent_again(ending):
    claims, execute = _claims()
    old = claims.incarnation
    claims.ack(f"{old}:1:a")
    claims.command(["a"], 8)

    getattr(claims, ending)()
    claims.ack(f"{old}:2:a")
    claims.flush()

    assert execute.commands[-1] == ("HDEL", f"p:syncpipe:unacked:{old}", "1:a", "2:a")


def test_a_release_acknowledges_first_what_was_on_its_way():
    claims, execute = _claims(0, [0, 0])
    claims.ack(f"{claims.incarnation}:1:a")
    claims.command(["a"], 8)

    claims.release()

    assert [command[0] for command in execute.commands] == ["HDEL", "EVAL"]


def test_many_acknowledgements_do_not_wait():
    claims, execute = _claims()

    for number in range(ACKS_PER_FLUSH):
        claims.ack(f"{claims.incarnation}:{number}:a")

    assert len(execute.commands) == 1


def test_acknowledgements_that_fail_are_sent_again():
    claims, execute = _claims(redis.ConnectionError("away"))
    claims.ack(f"{claims.incarnation}:1:a")
    with pytest.raises(redis.ConnectionError):
        claims.flush()

    claims.flush()

    assert execute.commands[0] == execute.commands[1]


def test_an_unread_claim_leads_to_a_new_incarnation():
    claims, _ = _claims(redis.TimeoutError("no answer"))
    old = claims.incarnation

    with pytest.raises(redis.TimeoutError):
        claims.claim(["a"], 1)

    assert claims.incarnation != old


def test_a_forgotten_script_is_taught_again():
    claims, execute = _claims(redis.exceptions.NoScriptError("what?"), b"sha", [b"1:a", b"raw"])

    assert [claimed.raw for claimed in claims.claim(["a"], 1)] == [b"raw"]
    assert [command[0] for command in execute.commands] == ["EVALSHA", "SCRIPT LOAD", "EVALSHA"]


def test_a_release_goes_on_until_nothing_is_left():
    claims, _ = _claims([1000, 5], [5, 0])

    assert claims.release() == 1005
