"""The five-minute incident of the README, on the real stack."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.incident import GOOD, NEWER, WRONG, Incident, differences, transcript
from tests.acceptance.processes import ENVIRONMENT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SESSION = re.search(
    r"^## The five-minute incident\n.*?^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE
)


@pytest.fixture
def environment():
    scripts = str(Path(sys.executable).parent)
    return ENVIRONMENT | {"PATH": os.pathsep.join((scripts, ENVIRONMENT["PATH"]))}


def test_the_incident_goes_as_the_readme_shows_it(place, redis_url, dsn, environment):
    written = SESSION[1].splitlines()
    commands = [line.removeprefix("$ ") for line in written if line.startswith("$ ")]
    with Incident(place, redis_url, dsn) as incident:
        incident.start()
        incident.happen()
        shown = transcript(commands, incident, environment)
        assert differences(written, shown) == "", "\n".join(shown)
        assert "neighbours" not in "\n".join(shown)
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("SELECT id, note FROM orders WHERE id LIKE 'long-%'")
            notes = dict(rows.fetchall())
    count, wrong = WRONG["long"]
    assert len(notes) == count
    anew = {f"long-{number}" for number in range(NEWER)}
    assert all(note == (GOOD if key in anew else wrong)["note"] for key, note in notes.items())
