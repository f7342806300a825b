"""Fixtures of the tests of settings."""

from __future__ import annotations

import pytest

from syncpipe.settings import check


@pytest.fixture
def mistakes_of(tmp_path):
    path = tmp_path / "syncpipe.toml"

    def mistakes_of(text, **arguments):
        path.write_text(text, encoding="utf-8")
        return check(path, **{"environ": {}, **arguments})

    return mistakes_of
