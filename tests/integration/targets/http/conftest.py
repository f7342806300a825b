"""Fixtures of the tests of HTTP targets."""

from __future__ import annotations

import pytest

from syncpipe.targets.http import transport
from tests.integration.targets.http.endpoint import Endpoint


@pytest.fixture
def endpoint():
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def kept(monkeypatch):
    """Keep connections that nobody uses for as long as a test may take."""
    monkeypatch.setattr(transport, "_KEEP_S", 3600.0)


@pytest.fixture
def opened(endpoint):
    """Open targets that post to the endpoint."""
    targets = []

    def open_target(**options):
        targets.append(endpoint.opened(**options))
        return targets[-1]

    yield open_target
    for target in targets:
        target.close()
