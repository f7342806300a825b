from __future__ import annotations

import pytest

from syncpipe.transport.dialect import dialect_of
from tests.unit.workers.deliveries import Delivery
from workers.subscriptions import Subscriptions

CRM, OLD, ERP = "sp.crm.0.low", "sp.crm.9.low", "sp.erp.0.low"


class Consumer:
    """kombu's consumer, which notes what it is told in order."""

    def __init__(self):
        self.queues, self.told = [], []
        self._active_tags = {}

    @property
    def names(self):
        return {queue.name for queue in self.queues}

    def add_queue(self, queue):
        self.queues.append(queue)
        self._active_tags[queue.name] = f"tag of {queue.name}"
        self.told.append(f"add {queue.name}")

    def consume(self):
        self.told.append("consume")

    def cancel_by_queue(self, name):
        self.queues = [queue for queue in self.queues if queue.name != name]
        del self._active_tags[name]
        self.told.append(f"cancel {name}")

    def cancel(self):
        self.told.append("cancel")


@pytest.fixture
def consumer():
    return Consumer()


@pytest.fixture
def subscriptions():
    return Subscriptions(dialect_of("redis://"))


def test_a_connection_begins_with_what_is_wanted_and_leaves_consuming_to_celery(
    subscriptions, consumer
):
    assert subscriptions.assign({CRM: "crm"})
    assert not subscriptions.connected
    subscriptions.connect(consumer)
    assert subscriptions.connected
    assert consumer.told == [f"add {CRM}"]


def test_a_change_claims_first_and_releases_afterwards(subscriptions, consumer):
    subscriptions.assign({CRM: "crm"})
    subscriptions.connect(consumer)
    consumer.told.clear()
    subscriptions.assign({OLD: "crm"})
    subscriptions.sync()
    assert consumer.told == [f"add {OLD}", "consume", f"cancel {CRM}"]


def test_what_is_wanted_already_is_no_change(subscriptions, consumer):
    subscriptions.assign({CRM: "crm"})
    subscriptions.connect(consumer)
    consumer.told.clear()
    assert not subscriptions.assign({CRM: "crm"})
    subscriptions.sync()
    assert consumer.told == []


def test_a_paused_target_is_not_consumed_whatever_is_assigned(subscriptions, consumer):
    subscriptions.assign({CRM: "crm", ERP: "erp"})
    subscriptions.connect(consumer)
    subscriptions.pause("crm")
    assert consumer.names == {ERP}
    subscriptions.assign({CRM: "crm", OLD: "crm", ERP: "erp"})
    subscriptions.sync()
    assert consumer.names == {ERP}
    subscriptions.resume("crm")
    subscriptions.sync()
    assert consumer.names == {CRM, OLD, ERP}


def test_without_a_connection_it_only_remembers(subscriptions, consumer):
    subscriptions.assign({CRM: "crm", ERP: "erp"})
    subscriptions.sync()
    subscriptions.connect(Consumer())
    subscriptions.disconnect()
    subscriptions.pause("erp")
    subscriptions.sync()
    subscriptions.connect(consumer)
    assert consumer.names == {CRM}


def test_queues_go_by_the_names_of_the_broker(consumer):
    subscriptions = Subscriptions(dialect_of("amqp://"))
    subscriptions.assign({CRM: "crm", "sp.crm.0.low.v0": "crm"})
    subscriptions.connect(consumer)
    assert consumer.names == {"sp.crm.0.low.v1", "sp.crm.0.low.v0"}


def test_cancelling_ends_everything_and_nothing_is_consumed_after_it(subscriptions, consumer):
    subscriptions.assign({CRM: "crm"})
    subscriptions.connect(consumer)
    subscriptions.cancel()
    subscriptions.assign({ERP: "erp"})
    subscriptions.sync()
    assert consumer.told == [f"add {CRM}", "cancel"]
    assert not subscriptions.connected
    subscriptions.cancel()


def test_what_is_missing_is_not_consumed_until_it_is_back(subscriptions, consumer):
    subscriptions.assign({CRM: "crm", ERP: "erp"})
    assert subscriptions.lack([CRM, OLD])
    subscriptions.connect(consumer)
    assert consumer.names == {ERP}
    assert not subscriptions.lack([OLD, CRM])
    assert subscriptions.lack([])
    subscriptions.sync()
    assert consumer.names == {CRM, ERP}
    subscriptions.lack([ERP])
    subscriptions.sync()
    assert consumer.names == {CRM}


def came(tag, routing_key):
    delivery = Delivery(b"", queue=routing_key)
    delivery.delivery_info["consumer_tag"] = tag
    return delivery


def test_a_message_comes_from_the_queue_that_is_consumed_whatever_it_was_sent_to(consumer):
    subscriptions = Subscriptions(dialect_of("amqp://"))
    subscriptions.assign({CRM: "crm", ERP: "erp"})
    subscriptions.connect(consumer)
    foreign = came(f"tag of {CRM}.v1", "orders.created")
    assert subscriptions.queue_of(foreign) == CRM
    last = came(f"tag of {ERP}.v1", "orders.created")
    subscriptions.assign({CRM: "crm"})
    subscriptions.sync()
    assert subscriptions.queue_of(last) == ERP
    subscriptions.disconnect()
    subscriptions.connect(Consumer())
    assert subscriptions.queue_of(last) == "orders.created"


def test_without_a_consumer_tag_a_message_comes_from_where_it_was_sent_to(subscriptions):
    assert subscriptions.queue_of(Delivery(b"", queue=CRM)) == CRM
    without = Delivery(b"")
    without.delivery_info = None
    assert subscriptions.queue_of(without) == "None"
