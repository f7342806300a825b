from __future__ import annotations

from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from syncpipe.transport.dialect import dialect_of
from workers.lanes import declared, lane_queue, undeclared

SETTINGS = Settings(
    shards=2,
    targets={name: PostgresOptions(name=name, dsn="") for name in ("crm", "erp")},
)


def test_every_target_has_a_queue_for_each_shard_and_priority():
    lanes = declared(SETTINGS)
    assert len(lanes) == 2 * 2 * 4
    assert lanes["sp.crm.0.critical"] == "crm"
    assert lanes["sp.erp.1.low"] == "erp"


def test_lanes_of_our_targets_from_another_number_of_shards_are_found():
    queues = ["sp.crm.7.low", "sp.crm.0.low", "sp.gone.7.low", "sp.dead", "celery", "sp.crm.7.x"]
    assert undeclared(queues, declared(SETTINGS)) == {"sp.crm.7.low": "crm"}


def test_lanes_of_another_version_of_the_topology_are_found_too():
    known = declared(SETTINGS)
    assert undeclared(["sp.crm.0.low.v0", "sp.crm.0.low"], known) == {"sp.crm.0.low.v0": "crm"}


def test_a_queue_goes_by_the_name_that_the_broker_knows_and_is_never_made():
    redis, rabbitmq = (
        lane_queue("sp.crm.0.low", dialect_of(url)) for url in ("redis://", "amqp://")
    )
    assert (redis.name, redis.routing_key, redis.queue_arguments) == (*["sp.crm.0.low"] * 2, None)
    assert (rabbitmq.name, rabbitmq.routing_key) == ("sp.crm.0.low.v1",) * 2
    assert rabbitmq.queue_arguments["x-queue-type"] == "quorum"
    assert redis.no_declare
    assert rabbitmq.no_declare
