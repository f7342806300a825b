"""A store with an audit, two targets in memory, and people with each role."""

from __future__ import annotations

import pytest

from syncpipe.core.access import Identity, Role
from syncpipe.core.collection import Collection, VersionSource
from syncpipe.core.masks import MaskRule, Masks
from syncpipe.deadletters.letters import DeadLetters
from syncpipe.deadletters.records import Records
from syncpipe.replay.service import Replays
from syncpipe.store.replays import Declared
from syncpipe.system import SystemRandom
from syncpipe.testing.clock import FakeClock
from syncpipe.testing.target import MemoryTarget
from tests.stores import AUDIT_KEY

COLLECTIONS = {
    "orders": Collection(
        "orders", ("crm", "erp"), mask={"status": MaskRule.SHOW, "name": MaskRule.HASH}
    ),
    "notes": Collection("notes", ("crm",), version=VersionSource.SOURCE),
}


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def targets(clock):
    """Targets in memory, by name; a name that is not there cannot be asked."""
    return {name: MemoryTarget(name, clock=clock) for name in ("crm", "erp")}


@pytest.fixture
def letters_of(store, targets, clock):
    """The verbs for somebody with a role."""

    def open_for(role=Role.OPERATOR, actor="ann@desk"):
        identity = Identity(actor, role)
        declared = Declared({"crm": {"orders", "notes"}, "erp": {"orders"}}, {"notes"})
        return DeadLetters(
            store,
            identity,
            Records(COLLECTIONS, targets.__getitem__),
            replays=Replays(store.replays, identity, declared),
            masks=Masks({name: each.mask for name, each in COLLECTIONS.items()}, AUDIT_KEY),
            clock=clock,
            random=SystemRandom(),
        )

    return open_for


@pytest.fixture
def letters(letters_of):
    """The verbs for an operator."""
    return letters_of()
