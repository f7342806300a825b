from __future__ import annotations

import pytest
from click.testing import CliRunner

from syncpipe.cli.demo import demo, hear
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


@pytest.mark.parametrize("text", ["1", "", "%", "a%", "51%", "-1%", "1%%", "1/0%", "nan%", "1% "])
def test_what_is_no_percentage_is_refused(text):
    done = CliRunner().invoke(demo, ["--poison", text])
    assert done.exit_code == 2
    assert "no percentage from 0% to 50%, such as 1%" in done.output


@pytest.mark.parametrize("text", ["", "s", "ten", "-1s", "-1", "2h", "nan", "inf", "10 apples"])
def test_what_is_no_duration_is_refused(text):
    done = CliRunner().invoke(demo, ["--outage", text])
    assert done.exit_code == 2
    assert "--outage" in done.output
