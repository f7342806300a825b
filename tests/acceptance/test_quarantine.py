"""An operation that kills its worker process harms only itself, however often it comes."""

from __future__ import annotations

import subprocess
import textwrap

import pytest
from msgspec import structs

from syncpipe.core.codec import encode
from syncpipe.core.routing import Lane, Priority, shard_of
from tests.acceptance.fleet import ROOT, Fleet
from tests.acceptance.processes import ENVIRONMENT, SYNCPIPE
from tests.patience import eventually

#: Runs in every worker process before anything else: whoever applies poison, or opens an envelope
#: with a curse in it, dies at once.
SABOTAGE = """
    import os, signal, sys

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    if "workers" in sys.orig_argv:
        from syncpipe.pipeline import decode
        from syncpipe.targets.postgres.target import PostgresTarget

        applied, decoded = PostgresTarget.apply, decode.decode_plain

        def apply(self, groups, **options):
            if any("poison" in o.fields for group in groups for o in group.operations):
                die()
            return applied(self, groups, **options)

        def decode_plain(body, count):
            columns = decoded(body, count)
            return die() if any("curse" in fields for fields in columns.contents) else columns

        PostgresTarget.apply, decode.decode_plain = apply, decode_plain
"""
#: Longest wait for some crashes, with the restarts and redeliveries after each.
PATIENCE_S = 120.0


@pytest.fixture
def fleet(tmp_path, redis_url, dsn):
    with Fleet(tmp_path, redis_url, dsn) as fleet:
        (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(SABOTAGE))
        with (tmp_path / "notes").open("wb") as notes, (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [*SYNCPIPE, "worker", "--processes", "2", "--config", str(fleet.config)],
                cwd=ROOT,
                env=ENVIRONMENT | {"PYTHONPATH": str(tmp_path)},
                stdout=log,
                stderr=notes,
            )
        try:
            yield fleet
        finally:
            process.terminate()
            assert process.wait(60) == 0


def deaths(fleet):
    return (fleet.folder / "notes").read_text().count("status -9")


def send(fleet, *batches):
    """Send each of *batches* of operations in one envelope, whatever their shards."""
    outbound = [
        fleet.outbound(
            Lane("crm", shard_of("orders", batch[0].key, 4)),
            Priority.NORMAL,
            [encode(each) for each in batch],
        )
        for batch in batches
    ]
    assert set(fleet.broker.publish(outbound, timeout_s=60)) == {None}


def upserts(fleet, count, **data):
    """Upserts of new records, remembered as sent unless they are meant to kill."""
    found = []
    while len(found) < count:
        found += [
            structs.replace(each, data={**each.fields, **data})
            for each in fleet.operations(1, keys=10**9)
            if each.kind.word == "upsert"
        ]
    if not data:
        for each in found:
            fleet.sent[each.key].append(each)
    return found


def test_an_operation_that_kills_is_quarantined_and_its_neighbours_are_applied(fleet):
    (poison,) = upserts(fleet, 1, poison=True)
    before, behind = upserts(fleet, 5), upserts(fleet, 5)

    send(fleet, [*before, poison, *behind], *([each] for each in upserts(fleet, 20)))

    eventually(fleet.dead, within_s=PATIENCE_S)
    (letter,) = fleet.dead()
    assert (letter.code, letter.operation_id) == ("SP-E516", poison.uuid)
    assert letter.raw == encode(poison)
    eventually(lambda: fleet.rows() == fleet.expected(), within_s=PATIENCE_S)
    eventually(lambda: not fleet.pending(), within_s=PATIENCE_S)

    died = deaths(fleet)
    assert died >= 3  # once in company, twice alone
    send(fleet, upserts(fleet, 10))
    eventually(lambda: fleet.rows() == fleet.expected(), within_s=PATIENCE_S)
    assert deaths(fleet) == died


def test_a_message_that_kills_before_it_is_read_is_quarantined_whole(fleet):
    cursed = upserts(fleet, 2, curse=True)

    send(fleet, cursed, *([each] for each in upserts(fleet, 20)))

    eventually(fleet.dead, within_s=PATIENCE_S)
    (letter,) = fleet.dead()
    assert (letter.code, letter.operation_id, letter.stage) == ("SP-E516", None, "decode")
    eventually(lambda: fleet.rows() == fleet.expected(), within_s=PATIENCE_S)
    eventually(lambda: not fleet.pending(), within_s=PATIENCE_S)
