"""A place for commands to work in, with and without running services."""

from __future__ import annotations

import pytest

from tests.acceptance.kept import Kept
from tests.servers import short_directory


@pytest.fixture(scope="session")
def kept():
    """Running services with one worker; leave them running."""
    with short_directory() as directory:
        services = Kept(directory)
        services("up", "--keep", "--ops", 500, "--processes", 1)
        yield services
        services("down")


@pytest.fixture
def place():
    """A directory in which a command keeps all that it makes."""
    with short_directory() as directory:
        yield directory
