from __future__ import annotations

import pytest

from tests.integration.replay import world as worlds


@pytest.fixture(scope="module")
def kept_world(postgres):
    with worlds.world(postgres) as built:
        yield built


@pytest.fixture
def world(kept_world):
    """A world in which nothing is; only its audit remembers earlier tests."""
    kept_world.reset()
    return kept_world
