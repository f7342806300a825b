from __future__ import annotations

from types import SimpleNamespace

import pytest

from syncpipe.core.deadletter import DeadLetter
from syncpipe.errors import BrokerUnavailable
from syncpipe.testing.clock import FakeClock
from workers.flower import Teller, fields

ID = "0197a000-0000-7000-8000-00000000000a"
UNREADABLE = DeadLetter(b"canary", "sp.crm.0.low", "decode", "SP-E301", "b'canary' is none", 5, "w")
LETTER = DeadLetter(
    raw=b"canary",
    queue="sp.crm.0.low",
    stage="apply",
    code="SP-E511",
    message='"canary" is no date',
    died_ms=5,
    worker="w",
    operation_id=ID,
    sqlstate="22007",
)


class App:
    """Celery's app with a broker that can be away."""

    def __init__(self):
        self.away = False
        self.sent, self.connections = [], []
        self.events = SimpleNamespace(Dispatcher=self.dispatcher)

    def connection_for_write(self, **_):
        connection = SimpleNamespace(ensure_connection=self.ensure, release=lambda: None)
        self.connections.append(connection)
        return connection

    def ensure(self, **_):
        if self.away:
            raise OSError("canary")

    def dispatcher(self, *_, **options):
        app = self

        class Dispatcher:
            def __enter__(self):
                self.waiting = []
                return self

            def __exit__(self, *_):
                """Nothing to do."""

            def send(self, event, **told):
                assert len(self.waiting) < options["buffer_limit"]
                self.waiting.append((event, told["uuid"]))

            def flush(self):
                app.sent.append(self.waiting)

        return Dispatcher()


@pytest.mark.parametrize(("letter", "uuid"), [(LETTER, ID), (UNREADABLE, UNREADABLE.id)])
def test_nothing_of_what_is_in_a_letter_is_told(letter, uuid):
    told = fields(letter)
    assert (told["uuid"], told["result"]) == (uuid, letter.id)
    assert (told["name"], told["routing_key"]) == ("syncpipe.apply", "sp.crm.0.low")
    assert told["exception"].startswith(letter.code)
    assert told["args"] == told["kwargs"] == ""
    assert "canary" not in repr(told)


def test_letters_are_told_together_over_one_connection():
    app = App()
    teller = Teller(app, "w@h", FakeClock())
    for letters in ([LETTER, UNREADABLE], [], [LETTER]):
        teller.tell(letters)
    event = "task-deadlettered"
    assert app.sent == [[(event, ID), (event, UNREADABLE.id)], [(event, ID)]]
    assert len(app.connections) == 1


def test_a_broker_that_does_not_take_it_is_left_alone_for_a_while():
    app, clock = App(), FakeClock()
    teller = Teller(app, "w@h", clock)
    app.away = True
    with pytest.raises(BrokerUnavailable):
        teller.tell([LETTER])
    app.away = False
    teller.tell([LETTER])
    assert app.sent == []
    clock.advance(10)
    teller.tell([LETTER])
    assert len(app.sent) == 1
    assert len(app.connections) == 2
