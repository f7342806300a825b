from __future__ import annotations

import pytest

from syncpipe.cli.demo import hear
from syncpipe.supervisor import Event


@pytest.mark.parametrize(
    "event", [Event("started", "redis", 5), Event("ended", "redis", 5, 0)], ids=["start", "end"]
)
def test_what_is_expected_is_no_news(capsys, event):
    hear(event)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "event",
    [
        Event("ended", "redis", 5, -9),
        Event("restarting", "redis", delay_s=0.1),
        Event("killed", "redis", 5),
        Event("unstartable", "redis", reason="gone"),
    ],
    ids=lambda event: event.kind,
)
def test_trouble_is_told(capsys, event):
    hear(event)
    assert capsys.readouterr().err.startswith("redis ")
