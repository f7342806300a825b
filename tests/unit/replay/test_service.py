"""Who sees which values a replay's filter looks for."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from syncpipe.core.access import Identity, Role
from syncpipe.core.filtering import ALL
from syncpipe.replay.service import Replays
from syncpipe.store.replays import Order, Replay, ReplayState

FILTER = "target:crm data.mail:ann@example.org"


def replay():
    return Replay(
        id="0197a000-0000-7000-8000-00000000000a",
        state=ReplayState.RUNNING,
        order=Order(filter=ALL, text=FILTER),
        actor="ann@h",
        reason="why",
        created_ms=1,
        ended_ms=None,
        total=1,
        sent=0,
        outcomes={},
    )


@pytest.mark.parametrize(
    ("role", "shown"),
    [
        (Role.VIEWER, "target:crm data.***"),
        (Role.OPERATOR, "target:crm data.***"),
        (Role.ADMIN, FILTER),
    ],
)
def test_values_that_a_replay_looks_for_are_shown_to_admins_alone(role, shown):
    port = SimpleNamespace(find=lambda _: replay(), latest=lambda **_: [replay()])
    service = Replays(port, Identity("x@h", role))
    assert service.show("0197a000")["filter"] == shown
    [listed] = service.list()
    assert listed["filter"] == shown
    assert ("example" in json.dumps(listed)) is (role is Role.ADMIN)
