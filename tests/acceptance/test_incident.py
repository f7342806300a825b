"""The five-minute incident of the README, on the real stack."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from syncpipe.cli import main
from tests.acceptance.incident import CANARY, GOOD, NEWER, WRONG, Incident, differences, transcript
from tests.acceptance.processes import ENVIRONMENT

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
#: What else somebody may do about it; none of it shows a masked value.
OTHERS = (
    "list -o json",
    "groups -o json",
    "stats -o json",
    "show NEGATIVE -o json",
    "list --where constraint:total_not_negative --limit 3",
    "export --limit 200",
    "list --where data.note:ring",
    "discard --where code:23503 --reason Old. --yes",
    "discard --where code:23503 --reason Old. --accept-loss --yes",
    "restore --where state:discarded --yes -o json",
    "edit NEGATIVE --field total=1990 --replay -o json",
)
SESSION = re.search(
    r"^## The five-minute incident\n.*?^```console\n(.*?)^```$", README, re.DOTALL | re.MULTILINE
)


@pytest.fixture
def environment():
    scripts = str(Path(sys.executable).parent)
    return ENVIRONMENT | {"PATH": os.pathsep.join((scripts, ENVIRONMENT["PATH"]))}


def test_the_incident_goes_as_the_readme_shows_it(place, redis_url, dsn, environment, monkeypatch):
    written = SESSION[1].splitlines()
    commands = [line.removeprefix("$ ") for line in written if line.startswith("$ ")]
    with Incident(place, redis_url, dsn) as incident:
        incident.start()
        incident.happen()
        shown = transcript(commands, incident, environment)
        assert differences(written, shown) == "", "\n".join(shown)
        negative = incident.one("constraint:total_not_negative")
        monkeypatch.chdir(place)
        for command in OTHERS:
            arguments = shlex.split(command.replace("NEGATIVE", negative))
            done = CliRunner().invoke(main, ["dlq", *arguments], env={"SYNCPIPE_CONFIG": None})
            assert done.exception is None or isinstance(done.exception, SystemExit), done.output
            shown += [done.stdout, done.stderr]
        logs = [(place / name).read_text() for name in ("0.log", "0.err")]
        assert CANARY not in "\n".join([*shown, *logs, *audited(incident)])
        with psycopg.connect(dsn) as connection:
            rows = connection.execute("SELECT id, note FROM orders WHERE id LIKE 'long-%'")
            notes = dict(rows.fetchall())
    count, wrong = WRONG["long"]
    assert len(notes) == count
    anew = {f"long-{number}" for number in range(NEWER)}
    assert all(note == (GOOD if key in anew else wrong)["note"] for key, note in notes.items())


def audited(incident):
    """Everything that the audit remembers."""
    return [repr(record) for record in incident.store.audit.records()]
