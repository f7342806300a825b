"""``syncpipe ui`` as a process: where it listens, for whom, and where it refuses to."""

from __future__ import annotations

import urllib.error
import urllib.request
from base64 import b64encode

import pytest

from tests.acceptance.browser import pages
from tests.acceptance.fleet import Fleet
from tests.acceptance.processes import run

EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture
def fleet(tmp_path, redis_url, dsn):
    with Fleet(tmp_path, redis_url, dsn) as fleet:
        yield fleet


def status(address, user=None, **headers):
    request = urllib.request.Request(address, headers=headers)  # noqa: S310
    if user:
        request.add_header("Authorization", f"Basic {b64encode(user.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_it_refuses_to_be_public_without_authentication(fleet):
    for options in (("--address", EVERYWHERE), ("--address", ""), ("--address", "example.org")):
        done = run("ui", "--config", fleet.config, *options, cwd=fleet.folder)
        assert done.returncode == 1
        assert "Error SP-E100" in done.stderr
        assert "FLOWER_BASIC_AUTH" in done.stderr


def test_with_credentials_it_listens_everywhere_and_knows_who_asks(fleet):
    credentials = fleet.folder / "credentials"
    credentials.write_text("ann:secret\n")
    credentials.chmod(0o600)
    options = ("--address", EVERYWHERE, "--credentials", str(credentials))
    with pages(fleet, *options) as home:
        pipeline = f"{home.replace(EVERYWHERE, '127.0.0.1')}/syncpipe/pipeline"
        assert status(pipeline) == 401
        assert status(pipeline, "ann:wrong") == 401
        assert status(pipeline, "ann:secret", Host="sync.example") == 200


def test_without_it_listens_here_and_to_nobody_else(fleet):
    with pages(fleet, FLOWER_UNAUTHENTICATED_API="true") as home:
        assert home.startswith("http://127.0.0.1:")
        assert status(f"{home}/syncpipe/pipeline") == 200
        assert status(f"{home}/syncpipe/pipeline", Host="evil.example") == 403
        assert status(f"{home}/syncpipe/api/v1/pipeline", **{"X-Forwarded-For": "1.2.3.4"}) == 403


def test_a_configuration_with_mistakes_is_told_at_once(tmp_path):
    (tmp_path / "syncpipe.toml").write_text("[nosuch]\n")
    done = run("ui", "--config", tmp_path / "syncpipe.toml", cwd=tmp_path)
    assert done.returncode == 1
    assert "nosuch" in done.stderr
