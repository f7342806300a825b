"""Benchmarks at a tiny size, whose figures nobody reads: their servers may work in memory."""

from __future__ import annotations

import tempfile

import pytest

from tests.servers import short_directory


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch):
    with short_directory() as directory:
        monkeypatch.setattr(tempfile, "tempdir", str(directory))
        yield
