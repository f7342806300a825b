from __future__ import annotations

import json
from io import BytesIO

from syncpipe.core.operation import Kind
from syncpipe.errors import (
    BrokerUnavailable,
    BufferFull,
    DeliveryTimeout,
    InvalidKey,
    InvalidValue,
)
from syncpipe.ops.records import BadLine, Row, read
from syncpipe.ops.sending import Sending, Sent
from syncpipe.ops.shaping import Change, Shape

SHAPE = Shape(Kind.UPSERT, ("id",))


class StubClient:
    """Confirms at the flush, unless *fate* has an error for a key."""

    def __init__(self, fate=None, *, at_once=False):
        self.fate = fate or {}
        self.at_once = at_once
        self.sent = []
        self.waiting = []

    def send(self, change, listener):
        self.sent.append(change.key)
        error = self.fate.get(change.key)
        if isinstance(error, InvalidKey | BufferFull):
            raise error
        self.waiting.append((listener, error))
        if self.at_once:
            self.flush()

    def flush(self):
        waiting, self.waiting = self.waiting, []
        for listener, error in waiting:
            listener(object(), error)


def send(rows, client):
    """Send *rows*; return what became of them, and the reports by line."""
    reports, steps = [], []
    sending = Sending(client.send, SHAPE, report=reports.append, progress=steps.append)
    sent = sending.run(rows, client.flush)
    assert steps[-1] == sent.read
    return sent, [(bad.line, bad.error) for bad in reports]


def rows(*keys):
    return [Row(line, {"id": key}) for line, key in enumerate(keys, start=1)]


def test_everything_that_is_right_is_confirmed():
    assert send(rows("a", "b"), StubClient()) == (Sent(2, 2, 0, 0, None), [])


def test_what_is_wrong_is_reported_by_line_and_the_rest_goes_on():
    unreadable, refused = InvalidValue("not JSON"), InvalidKey("bad")
    found = send(
        [*rows("a"), BadLine(2, unreadable), Row(3, {}), Row(4, {"id": "x"}), Row(5, {"id": "b"})],
        client := StubClient({"x": refused}),
    )
    assert found[0] == Sent(5, 2, 3, 0, None)
    assert [line for line, _ in found[1]] == [2, 3, 4]
    assert (found[1][0][1], found[1][2][1]) == (unreadable, refused)
    assert client.sent == ["a", "x", "b"]


def test_reading_ends_when_the_broker_does_not_confirm():
    away = BrokerUnavailable("away")
    client = StubClient({"b": away}, at_once=True)
    assert send(rows("a", "b", "c"), client) == (Sent(2, 1, 0, 1, 2), [(2, away)])
    assert client.sent == ["a", "b"]


def test_reading_ends_when_the_buffer_stays_full():
    full = BufferFull("full", 1.0)
    found = send(rows("a", "b", "c"), StubClient({"b": full}))
    assert found == (Sent(2, 1, 0, 1, 2), [(2, full)])


def test_what_fails_at_the_end_is_reported_too():
    away = BrokerUnavailable("away")
    assert send(rows("a", "b"), StubClient({"a": away})) == (Sent(2, 1, 0, 1, None), [(1, away)])


def test_what_is_to_be_sent_again_is_kept_with_id_and_version_and_the_rest_as_it_is():
    lost = DeliveryTimeout("lost", operation_id="an-id", version=7)
    lines = b'{"id": "a"}\n {"id": "b", "price": 0.10}\nx\n{"id": "c"}\n'
    kept, reports = [], []
    client = StubClient({"b": lost}, at_once=True)
    sending = Sending(client.send, SHAPE, report=reports.append, progress=print, keep=kept.append)

    sent = sending.run(read(BytesIO(lines), "jsonl", exact=False), client.flush)

    assert sent == Sent(2, 1, 0, 1, 2)
    assert kept == [
        '{"syncpipe_id": "an-id", "syncpipe_version": 7, "id": "b", "price": 0.10}\n',
        '{"id": "c"}\n',
    ]
    assert [bad.line for bad in reports] == [2, 3]
    again = next(read(BytesIO(kept[0].encode()), "jsonl", exact=False))
    assert SHAPE.change(again.fields) == Change("b", {"price": 0.1}, 7, "an-id")
    assert again.again(lost) == kept[0]


def test_what_is_to_be_sent_again_of_a_table_is_json():
    lost = DeliveryTimeout("lost", operation_id="an-id", version=7)
    (row,) = read(BytesIO(b"id,n\na,\n"), "csv", exact=False)
    assert json.loads(row.again(lost)) == {
        "syncpipe_id": "an-id",
        "syncpipe_version": 7,
        "id": "a",
        "n": None,
    }


def test_what_nobody_knows_about_counts_as_unconfirmed():
    client = StubClient()
    sending = Sending(client.send, SHAPE, report=print, progress=print)
    assert sending.run(rows("a"), lambda: None) == Sent(1, 0, 0, 1, None)
