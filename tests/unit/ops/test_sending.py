from __future__ import annotations

from syncpipe.core.operation import Kind
from syncpipe.errors import BrokerUnavailable, BufferFull, InvalidKey, InvalidValue
from syncpipe.ops.records import BadLine, Row
from syncpipe.ops.sending import Sending, Sent
from syncpipe.ops.shaping import Shape

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


def test_what_nobody_knows_about_counts_as_unconfirmed():
    client = StubClient()
    sending = Sending(client.send, SHAPE, report=print, progress=print)
    assert sending.run(rows("a"), lambda: None) == Sent(1, 0, 0, 1, None)
