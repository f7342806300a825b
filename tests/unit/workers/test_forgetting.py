"""The job that deletes what was put away long ago."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from workers.forgetting import forgetting
from workers.troubles import Troubles

DAY_S = 86400.0


class Forgetful:
    """Deletes as many as it is told, until nothing is left."""

    def __init__(self, left, after=lambda: None):
        self.left = left
        self.acts = []
        self._after = after

    def forget(self, act, *, keep_s, limit):
        assert keep_s == 30 * DAY_S
        number = min(self.left, limit)
        self.left -= number
        self.acts += [act] * bool(number)
        self._after()
        return number


def station(letters=0, replays=0, *, key="k", keep_s=30 * DAY_S, after=lambda: None):
    said = []
    options = SimpleNamespace(
        store=SimpleNamespace(discarded_keep_s=keep_s), audit=SimpleNamespace(key=key)
    )
    return SimpleNamespace(
        name="w1@h",
        parts=SimpleNamespace(settings=options),
        store=SimpleNamespace(triage=Forgetful(letters, after), replays=Forgetful(replays)),
        troubles=Troubles(),
        assignment=SimpleNamespace(leads=True),
        say=lambda event, **details: said.append((event, details)),
        said=said,
    )


def test_everything_old_is_deleted_in_parts_by_who_leads():
    worker = station(12_000, 60)
    [job] = forgetting(worker)

    worker.assignment.leads = False
    job.once()
    assert worker.said == []
    worker.assignment.leads = True
    job.once()
    job.once()

    assert worker.said == [("forgotten", {"letters": 12_000, "replays": 60})]
    letters, replays = worker.store.triage.acts, worker.store.replays.acts
    assert [(act.actor, act.verb) for act in letters] == [("w1@h", "dlq.purge")] * 3
    assert [(act.actor, act.verb) for act in replays] == [("w1@h", "replay.purge")] * 2
    assert letters[0].reason == "It was kept for 30 days, as [store] discarded_keep_s says."


def test_whoever_leads_no_longer_ends_with_the_part_at_hand():
    worker = station(12_000, after=lambda: setattr(worker.assignment, "leads", False))
    [job] = forgetting(worker)
    job.once()
    assert worker.said == [("forgotten", {"letters": 5_000, "replays": 0})]


@pytest.mark.parametrize("without", [{"key": ""}, {"keep_s": 0.0}])
def test_where_it_cannot_be_audited_or_is_not_wanted_nothing_is_deleted(without):
    assert forgetting(station(1, 1, **without)) == []


def test_without_a_store_there_is_nothing_to_delete():
    worker = station()
    worker.store = None
    assert forgetting(worker) == []
