"""Messages between the claim transport, stock kombu and Redis, nobody being killed."""

from __future__ import annotations

import pytest
from kombu.simple import SimpleQueue

from syncpipe.errors import ConfigError
from syncpipe.transport.message import UNREADABLE
from tests.integration.transport.conftest import CLAIM, connected
from tests.integration.transport.trial import STOCK


def _waits(server):
    """Tell whether a consumer waits for its bell."""
    return "brpop" in [client["cmd"] for client in server.client_list()]


def _ack(messages):
    for message in messages:
        message.ack()


def test_what_a_stock_producer_sends_arrives_in_order(side, held):
    side.stock().send("orders", *range(200))

    ours = side().listen("orders")

    assert [m.payload for m in ours.drain(200)] == list(range(200))
    assert held() == 200


def test_what_we_send_arrives_at_a_stock_consumer(side):
    side().send("orders", 1, 2, 3)

    assert [m.payload for m in side.stock().listen("orders").drain(3)] == [1, 2, 3]


def test_all_four_priority_steps_of_kombu_are_read_most_urgent_first(side):
    stock = side.stock()
    for priority in (9, 6, 3, 0):
        stock.send("orders", priority, priority=priority)

    assert [m.payload for m in side().listen("orders").drain(4)] == [0, 3, 6, 9]


def test_an_acknowledged_message_leaves_no_trace(side, held):
    side.stock().send("orders", *range(5))
    ours = side().listen("orders")

    _ack(ours.drain(5))
    ours.claim_now()

    assert held() == 0


def test_acknowledgements_do_not_need_another_poll(side, held, eventually):
    side.stock().send("orders", 1)
    ours = side().listen("orders")

    _ack(ours.drain(1))

    eventually(lambda: held() == 0)


def test_a_message_is_recorded_before_anybody_has_looked_at_it(side, server, held):
    server.lpush("orders", b"{ this is no message")

    (message,) = side().listen("orders").drain(1)

    assert held() == 1
    assert message.content_type == UNREADABLE
    assert bytes(message.body) == b"{ this is no message"


def test_compact_json_arrives_like_any_other(side, server):
    side.stock().send("orders", "spaced")
    raw = server.rpop("orders")
    server.lpush("orders", raw.replace(b'": ', b'":').replace(b', "', b',"'))

    assert [m.payload for m in side().listen("orders").drain(1)] == ["spaced"]


def test_bodies_full_of_delivery_tags_confuse_nobody(side, held):
    forged = '"delivery_tag": "forged", "delivery_tag":"forged"'
    side.stock().send("orders", forged, {"delivery_tag": "forged"})
    ours = side().listen("orders")

    _ack(ours.drain(2))
    ours.claim_now()

    assert ours.bodies == [forged, {"delivery_tag": "forged"}]
    assert held() == 0


def test_a_requeued_message_comes_again_last_and_says_so(side):
    side.stock().send("orders", 1, 2)
    ours = side().listen("orders", prefetch=1)

    ours.drain(1)[0].requeue()
    ours.drain(2)[1].ack()
    ours.drain(3)

    assert ours.bodies == [1, 2, 1]
    assert [m.headers.get("redelivered") for m in ours.received] == [None, None, True]
    assert ours.received[2].delivery_info["redelivered"] is True


def test_a_rejected_message_is_dropped(side, server, held):
    side.stock().send("orders", 1)
    ours = side().listen("orders")

    ours.drain(1)[0].reject()
    ours.claim_now()

    assert held() == server.llen("orders") == 0


def test_closing_returns_what_was_not_acknowledged_in_its_old_order(side, held):
    side.stock().send("orders", *range(10))
    ours = side().listen("orders", prefetch=8)
    for message in ours.drain(8)[::2]:
        message.ack()

    ours.connection.close()

    assert held() == 0
    assert [m.payload for m in side.stock().listen("orders").drain(6)] == [1, 3, 5, 7, 8, 9]


def test_prefetch_bounds_what_is_held(side, server, held):
    side.stock().send("orders", *range(20))
    ours = side().listen("orders", prefetch=3)

    ours.drain(3)
    ours.claim_now()

    assert (held(), server.llen("orders")) == (3, 17)


def test_a_cancelled_consumer_gets_no_more(side, server):
    ours = side().listen("orders")
    ours.claim_now()
    ours.consumer.cancel()
    side.stock().send("orders", 1)

    ours.listen("others").claim_now()

    assert ours.received == []
    assert server.llen("orders") == 1


def test_a_consumer_without_acknowledgements_leaves_nothing_behind(side, server, held):
    side.stock().send("replies", 1, 2)

    ours = side().listen("replies", no_ack=True)
    ours.drain(2)
    ours.connection.close()

    assert held() == server.llen("replies") == 0


def test_single_messages_can_be_asked_for(side, held, eventually):
    side.stock().send("orders", 1, 2)
    channel = side().channel

    first = channel.basic_get("orders")
    second = channel.basic_get("orders", no_ack=True)

    assert (first.payload, second.payload) == (1, 2)
    assert channel.basic_get("orders") is None
    first.ack()
    channel.settle()
    eventually(lambda: held() == 0)  # a beat may have taken it along and be on its way


def test_a_simple_queue_works(redis_url):
    with connected(redis_url, CLAIM) as connection, SimpleQueue(connection, "simple") as queue:
        queue.put({"a": 1})
        message = queue.get(timeout=60)
        message.ack()

    assert message.payload == {"a": 1}


def test_our_own_publishing_wakes_an_idle_consumer_by_its_bell(side, server, eventually):
    ours = side().listen("orders")
    eventually(lambda: ours.poll(0.2) or _waits(server))

    side().send("orders", 1)
    bell = server.llen("syncpipe:bell:orders")
    ours.drain(1)

    assert bell == 0
    assert server.llen("syncpipe:bell:orders") == 0


def test_a_full_claim_rings_for_the_next(side, server):
    side().send("orders", *range(10))
    ours = side(claim_limit=4).listen("orders", prefetch=4)

    ours.drain(4)

    assert server.llen("syncpipe:bell:orders") == 1


def test_the_least_urgent_moves_while_the_most_urgent_never_ends(side):
    stock, ours = side.stock(), side()
    stock.send("sp.crm.0.low", *["low"] * 3)
    ours.listen("sp.crm.0.low", "sp.crm.0.critical", prefetch=1)

    while "low" not in ours.bodies:
        stock.send("sp.crm.0.critical", "critical")
        assert len(ours.received) < 40
        ours.drain(len(ours.received) + 1)[-1].ack()

    assert ours.bodies.count("critical") >= 6


def test_one_claim_takes_no_more_than_its_share_from_one_list(side):
    stock = side.stock()
    stock.send("sp.crm.0.normal", *["crowded"] * 50)
    stock.send("sp.web.0.normal", "alone")

    ours = side(claim_limit=8).listen("sp.crm.0.normal", "sp.web.0.normal", prefetch=8)
    ours.drain(8)

    assert "alone" in ours.bodies


def test_more_queues_than_fit_into_a_claim_are_all_served(side):
    names = [f"sp.crm.{shard}.normal" for shard in range(70)]
    stock = side.stock()
    for name in names:
        stock.send(name, name)

    ours = side().listen(*names)

    assert sorted(m.payload for m in ours.drain(70)) == sorted(names)


def test_a_claim_is_bounded_in_bytes(side, held):
    side.stock().send("orders", *["x" * 2**20] * 12)
    ours = side(claim_limit=12).listen("orders", prefetch=12)
    ours.channel._brpop_start = lambda *_: None

    assert len(ours.channel.claims.claim(["orders"], 12)) == 6
    assert held() == 6


@pytest.mark.parametrize("options", [{"liveness_s": 61}, {"liveness_s": 0}, {"claim_limit": 1001}])
def test_options_out_of_range_are_refused(side, options):
    with pytest.raises(ConfigError, match="liveness_s up to 60"):
        assert side(**options).channel


def test_a_key_prefix_holds_for_every_key(side, server):
    side(STOCK, global_keyprefix="app:").send("orders", 1)
    ours = side(global_keyprefix="app:").listen("orders")
    ours.drain(1)[0].requeue()
    ours.drain(2)[1].ack()
    side(global_keyprefix="app:").send("orders", 2)
    ours.drain(3)

    names = server.keys()
    assert all(name.startswith((b"app:", b"_kombu")) for name in names)


def test_messages_that_a_stock_worker_left_come_home(side, server):
    side.stock().send("orders", 1)
    stock = side.stock().listen("orders")
    stock.drain(1)
    (tag,) = server.hkeys("unacked")
    server.zadd("unacked_index", {tag: 1})
    stock.connection.transport.cycle.close()
    stock.received[0].channel.qos._delivered.clear()

    ours = side(unacked_restore_throttle=1, visibility_timeout=60).listen("orders")

    assert [m.payload for m in ours.drain(1)] == [1]
