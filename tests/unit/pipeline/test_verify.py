from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from syncpipe.core.block import Block
from syncpipe.core.document import tagged
from syncpipe.core.envelope import BLOCKS, Header, seal
from syncpipe.core.operation import Kind
from syncpipe.core.outcome import Outcome
from syncpipe.core.routing import Priority
from syncpipe.pipeline import Message
from syncpipe.pipeline.batch import Batch
from syncpipe.pipeline.decode import decode
from syncpipe.pipeline.verify import MAX_AHEAD_MS, Declared, verify
from syncpipe.testing.clock import START_MS
from tests.unit.pipeline.envelopes import COLLECTIONS, LANE, QUEUE, message, operation

DECLARED = Declared("crm", COLLECTIONS)


def block(*keys, documents, collection="orders", version=1):
    """A message of a block of those *documents*, JSON texts, in a collection."""
    ids = b"".join(operation().id for _ in keys)
    lines = b"".join(each + b"\n" for each in documents)
    header = Header(bytes(16), LANE, Priority.NORMAL, len(keys), START_MS)
    columns = Block(collection, ids, version, list(keys), lines)
    return Message(QUEUE, "m", seal(header, [columns.encode()], format_=BLOCKS))


def in_block(each):
    """A message of a block of *each* alone, None if no block can hold it."""
    if each.kind is not Kind.UPSERT or each.not_before_ms or each.expires_ms:
        return None
    document = tagged(each.data).encode()
    if b"NaN" in document:
        return None
    return block(each.key, documents=[document], collection=each.collection, version=each.version)


def code(each, now=0):
    """The code of the error that *each* is given up with *now*, None if it passes.

    It is the same where it is looked at alone, and together with others, and in a block.
    """
    alone, together = (
        verify(replace(batch, now_ms=START_MS + now), DECLARED)
        for batch in (decode(Batch((message(each),)), declared=d) for d in (None, DECLARED))
    )
    blocked = in_block(each)
    if blocked:
        batch = replace(decode(Batch((blocked,)), declared=DECLARED), now_ms=START_MS + now)
        settled = verify(batch, DECLARED).settled
        assert [str(s.error) for s in alone.settled] == [str(s.error) for s in settled]
    assert alone.newest is None
    assert len(alone.items) + len(alone.settled) == 1
    assert [str(s.error) for s in alone.settled] == [str(s.error) for s in together.settled]
    for settled in together.settled:
        assert (settled.outcome, settled.stage) == (Outcome.DEAD, "verify")
        return settled.error.code
    return None


@pytest.mark.parametrize("kind", list(Kind))
def test_a_proper_operation_passes(kind):
    assert code(operation(kind=kind)) is None


@pytest.mark.parametrize(
    "each",
    [
        operation(collection="unheard-of"),
        operation(collection="others"),
        operation("007", collection="counts"),
        operation(""),
        operation("a\0"),
        operation("x" * 513),
        operation("a/1", data={"n": 2}, collection="lines"),
        operation("a/01", data={}, collection="lines"),
        operation("k", data={"id": "another"}),
        operation("k", Kind.PATCH, {"id": "another"}),
        operation(kind=Kind.PATCH, data={}),
        operation(kind=Kind.INCREMENT, data={}),
        operation(kind=Kind.INCREMENT, data={"n": 0.5}),
        operation(kind=Kind.INCREMENT, data={"n": True}),
        operation(data={"n": Decimal("NaN")}),
        operation(data={"t": "\0"}),
        operation("k", Kind.INCREMENT, {"n": 1}, collection="prices"),
    ],
    ids=lambda each: f"{each.kind.word}-{each.collection}-{each.key[:5]}",
)
def test_what_breaks_its_declaration_is_given_up(each):
    assert code(each) == "SP-E514"


def test_who_travels_with_what_breaks_its_declaration_goes_on():
    sound = [operation("a"), operation("b", Kind.PATCH), operation("c", Kind.DELETE)]
    odd = [operation("d", Kind.PATCH, {}), operation("e", data={"t": "\0"})]
    messages = message(*sound), message(odd[0], *sound), message(*sound, odd[1])
    batch = verify(replace(decode(Batch(messages), declared=DECLARED), now_ms=START_MS), DECLARED)
    assert [each.operation for each in batch.items] == sound * 3
    assert [each.item.operation for each in batch.settled] == odd


def test_most_envelopes_are_looked_at_as_a_whole():
    ahead = operation("a", version=7)
    some = [operation("b", Kind.DELETE), operation("c", Kind.PATCH), operation("7", Kind.INCREMENT)]
    some.append(operation("d", data={"t": "~"}))
    others = operation("8", data={"n": 8}, collection="counts"), operation(collection="prices")
    assert decode(Batch((message(*some, *others, ahead),)), declared=DECLARED).newest == (
        ahead.version
    )
    assert decode(Batch((message(others[1]),)), declared=DECLARED).newest == 0
    assert decode(Batch((message(ahead), message(operation(due=1)))), declared=DECLARED).newest is (
        None
    )


@pytest.mark.parametrize(
    "document",
    [
        b'{"id":"l"}',
        b'{"i\\u0064":"l"}',
        b'{"\\u0069\\u0064" : 7}',
        b'{"t":"\\u0000"}',
        b'{"\\u0000":1}',
    ],
)
def test_what_is_spelled_in_another_way_in_a_block_is_given_up_alone(document):
    batch = decode(
        Batch((block("k", "l", "m", documents=[b'{"id":"k"}', b'{"id":"l"}', document]),)),
        declared=DECLARED,
    )
    batch = verify(replace(batch, now_ms=START_MS), DECLARED)
    assert [each.operation.key for each in batch.items] == ["k", "l"]
    assert [each.error.code for each in batch.settled] == ["SP-E514"]


def test_of_a_block_the_last_version_is_the_newest_unless_the_source_gives_it():
    newest = {
        name: decode(
            Batch((block("k", "l", documents=[b"{}"] * 2, collection=name, version=8),)),
            declared=DECLARED,
        ).newest
        for name in ("orders", "prices", "others", "unheard-of")
    }
    assert newest == {"orders": 9, "prices": 0, "others": None, "unheard-of": None}


def test_a_version_may_lie_a_minute_ahead_of_the_targets_clock_and_no_more():
    assert code(operation(version=MAX_AHEAD_MS)) is None
    assert code(operation(version=MAX_AHEAD_MS + 1)) == "SP-E512"


HOUR, YEAR = 3_600_000, 366 * 24 * 3_600_000


@pytest.mark.parametrize("now", [0, HOUR, 2 * HOUR])
def test_a_delayed_operation_may_have_its_due_time_as_its_version(now):
    assert code(operation(version=HOUR, due=HOUR), now) is None
    assert code(operation(version=HOUR + MAX_AHEAD_MS, due=HOUR, expires=HOUR + 1), now) is None
    assert code(operation(version=YEAR, due=YEAR), now) is None


@pytest.mark.parametrize(
    ("each", "expected"),
    [
        (operation(version=HOUR + MAX_AHEAD_MS + 1, due=HOUR), "SP-E512"),
        (operation(version=HOUR, due=HOUR - MAX_AHEAD_MS - 1), "SP-E512"),
        (operation(version=HOUR, expires=2 * HOUR), "SP-E512"),
        (operation(version=0, due=1), "SP-E514"),
        (operation(version=HOUR, due=HOUR, expires=HOUR), "SP-E514"),
        (operation(version=HOUR, due=HOUR, expires=1), "SP-E514"),
        (operation(version=2 * YEAR, due=2 * YEAR), "SP-E514"),
        (operation(collection="prices", due=2 * YEAR), "SP-E514"),
    ],
)
def test_times_that_no_client_gives_are_refused(each, expected):
    assert code(each) == expected


def test_a_version_of_the_source_says_nothing_of_the_due_time():
    assert code(operation(collection="prices", version=5, due=HOUR)) is None


def test_versions_of_the_source_are_no_times():
    assert code(operation(collection="prices", version=2**62)) is None


def test_what_makes_a_check_fail_harms_only_itself(monkeypatch):
    def broken(*_):
        raise RecursionError

    monkeypatch.setattr("syncpipe.pipeline.verify.check_data", broken)

    assert code(operation(kind=Kind.INCREMENT)) == "SP-E514"
