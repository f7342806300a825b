"""Watching a replay to its end."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from syncpipe.cli import replaying
from syncpipe.cli.output import Exit, Form
from syncpipe.cli.replaying import carried_out
from syncpipe.errors import StoreUnavailable

MADE = {
    "id": "019a0000-0000-7000-8000-000000000001",
    "state": "running",
    "total": 3,
    "sent": 0,
    "outcomes": {},
    "stopped": "",
    "created_ms": 0,
    "ended_ms": None,
}


@pytest.fixture
def watch(monkeypatch):
    """Watches a replay that goes through *states*."""
    monkeypatch.setattr(replaying.time, "sleep", lambda _: None)

    def watch(*states, form=Form.TABLE, detach=False):
        rows = iter(states)

        def show(_):
            row = next(rows)
            if isinstance(row, Exception):
                raise row
            return {**MADE, **row}

        replays = SimpleNamespace(show=show)
        app = SimpleNamespace(replays=lambda *_: replays)
        desk = SimpleNamespace(app=app, store=None, identity=None)
        return carried_out(desk, MADE, form, detach=detach)

    return watch


def test_a_replay_that_ends_well_is_well(watch, capsys):
    ended = {"state": "finished", "sent": 3, "outcomes": {"applied": 2, "superseded": 1}}
    assert watch({"state": "canary"}, {"sent": 3}, ended) is Exit.OK
    assert "2 applied, 1 superseded" in capsys.readouterr().out


@pytest.mark.parametrize(
    "ended",
    [
        {"state": "finished", "outcomes": {"applied": 2, "dead": 1}},
        {"state": "finished", "outcomes": {"too_late": 1}},
        {"state": "finished", "outcomes": {"expired": 1}},
        {"state": "paused", "stopped": "34% of them are dead again."},
        {"state": "paused"},
        {"state": "cancelled", "outcomes": {"applied": 1}},
    ],
)
def test_whatever_else_is_done_in_part(watch, ended):
    assert watch(ended) is Exit.PARTIAL


def test_nobody_has_to_watch(watch, capsys):
    assert watch(detach=True, form=Form.JSON) is Exit.OK
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["id"], row["created"]) == (MADE["id"], "1970-01-01T00:00:00.000Z")


def test_whoever_stops_watching_stops_nothing(watch, monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(replaying.time, "sleep", interrupt)
    assert watch({"state": "running"}) is Exit.PARTIAL
    assert "syncpipe replay show 019a0000" in capsys.readouterr().err


def test_it_goes_on_watching_while_the_store_is_away(watch, capsys):
    ended = {"state": "finished", "sent": 3, "outcomes": {"applied": 3}}
    away = StoreUnavailable("The store does not answer.")
    assert watch({}, away, away, {}, ended) is Exit.OK
    assert capsys.readouterr().err.count("The store does not answer. The replay goes on") == 1
