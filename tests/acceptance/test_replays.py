"""Dead letters sent again by real worker processes, that die while they do."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from syncpipe.core.audit import Act
from syncpipe.core.codec import encode
from syncpipe.core.deadletter import DeadLetter
from syncpipe.core.filter_language import parse
from syncpipe.core.operation import Kind, Operation, uuid7
from syncpipe.core.routing import Lane, Priority, shard_of
from syncpipe.errors import NotPossible
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore
from syncpipe.store.replays import Order, ReplayState
from tests.acceptance.fleet import until
from tests.acceptance.test_dead_letters import Graveyard

LETTERS = 3000
KEYS = 30


class Incident(Graveyard):
    """A fleet whose target has refused increments, which it would take now."""

    def __enter__(self):
        super().__enter__()
        self.desk = PostgresStore(StoreOptions(self.store_dsn, pool_max=4), bytes(32))
        self.desk.dead_letters.record([self.letter(number) for number in range(LETTERS)])
        return self

    def __exit__(self, *exc_info):
        self.desk.close()
        super().__exit__(*exc_info)

    def letter(self, number):
        now_ms = self.parts.clock.now_ms()
        id_ = uuid7(now_ms, number)
        key = f"k{number % KEYS}"
        operation = Operation(id_, Kind.INCREMENT, "orders", key, now_ms << 16, {"n": 1})
        return DeadLetter(
            raw=encode(operation),
            queue=Lane("crm", shard_of("orders", key, 4)).queue(Priority.NORMAL),
            stage="apply",
            code="SP-E511",
            message="No.",
            died_ms=now_ms,
            worker="w@h",
            operation_id=operation.uuid,
            collection="orders",
            key=key,
            version=operation.version,
        )

    def replay(self, text):
        """Have sent what *text* means; None where somebody else was quicker."""
        order = Order(parse(text, now_ms=0), text, rate=1000.0, canary=10)
        try:
            return self.desk.replays.create(order, Act("ann", "dlq.replay", text, "fixed"))
        except NotPossible:
            return None

    def busy(self):
        """The numbers of the workers that have sent something again."""
        numbers = range(len(self.workers))
        return [number for number in numbers if self.events(number)["replayed"]]

    def query(self, query, dsn):
        with psycopg.connect(dsn, autocommit=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture(params=["redis", "rabbitmq"])
def incident(request, tmp_path, dsn, postgres):
    url, options = request.getfixturevalue(f"{request.param}_url"), {}
    if request.param == "rabbitmq":
        options["management_url"] = request.getfixturevalue("rabbitmq").management_url
    store_dsn = postgres.new_database()
    with Incident(tmp_path, url, dsn, store_dsn, **options) as built:
        yield built
    postgres.drop_database(store_dsn)


def test_two_replays_and_a_killed_worker_do_everything_once(incident):
    incident.start()
    incident.start()
    with ThreadPoolExecutor(2) as pool:
        made = [each for each in pool.map(incident.replay, ["target:crm", "key:k*"]) if each]
    assert sum(each.total for each in made) == LETTERS
    (victim, *_) = until(incident.busy, "a worker that replays")
    until(lambda: incident.desk.replays.find(made[0].id).sent > 500, "some that are sent")
    incident.workers[victim].send_signal(signal.SIGKILL)
    incident.start()

    def finished():
        found = [incident.desk.replays.find(each.id) for each in made]
        return all(each.state is ReplayState.FINISHED for each in found) and found

    found = until(finished, "replays that are finished")
    good = {"applied", "merged", "duplicate"}
    assert all(set(each.outcomes) <= good for each in found)
    assert sum(each.ended for each in found) == LETTERS
    rows = incident.query("SELECT key, document FROM syncpipe.documents", incident.dsn)
    assert dict(rows) == {f"k{n}": {"n": LETTERS // KEYS} for n in range(KEYS)}
    states = "SELECT state, count(*) FROM syncpipe.dead_letters GROUP BY 1"
    assert incident.query(states, incident.store_dsn) == [("resolved", LETTERS)]
    assert incident.left() == 0
