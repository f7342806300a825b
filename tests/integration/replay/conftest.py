from __future__ import annotations

import pytest

from tests.integration.replay import world as worlds


@pytest.fixture
def world(postgres):
    with worlds.world(postgres) as built:
        yield built
