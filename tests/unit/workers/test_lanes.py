from __future__ import annotations

from syncpipe.settings import Settings
from syncpipe.targets.postgres.options import PostgresOptions
from workers.lanes import declared, undeclared

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
