"""What the README says can be done, works, and what it names, exists."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.processes import ENVIRONMENT
from tests.patience import eventually

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = dict(re.findall(r"^```(toml|python|sh)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL))


@pytest.fixture
def environment(redis_url, dsn):
    """The reader's servers are elsewhere than the README's."""
    scripts = str(Path(sys.executable).parent)
    return ENVIRONMENT | {
        "PATH": os.pathsep.join((scripts, ENVIRONMENT["PATH"])),
        "SYNCPIPE__BROKER__URL": redis_url,
        "SYNCPIPE__TARGETS__CRM__DSN": dsn,
    }


def test_the_program_does_what_it_says(place, environment, dsn):
    (place / "syncpipe.toml").write_text(BLOCKS["toml"])
    (place / "shop.py").write_text(BLOCKS["python"])
    promised = json.loads(re.search(r"Order 42 is now `(.*?)`", README)[1])

    with subprocess.Popen(
        ["bash", "-ec", BLOCKS["sh"] + "\nread || kill %1\nwait"],
        cwd=place,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        eventually(lambda: order(dsn) == promised)
        output, _ = shell.communicate(timeout=120)

    assert re.search(r"^sent [0-9a-f-]{36} as version \d+$", output, re.MULTILINE)


def order(dsn):
    query = "SELECT document FROM syncpipe.documents WHERE (collection, key) = ('orders', '42')"
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            row = connection.execute(query).fetchone()
        except psycopg.errors.UndefinedTable:  # not yet
            return None
    return row and row[0]


def test_the_program_is_short():
    lines = BLOCKS["toml"] + BLOCKS["python"] + BLOCKS["sh"]

    assert len([line for line in lines.splitlines() if line.strip()]) <= 30


def test_every_test_that_it_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", README)

    assert len(named) >= 10
    for path, name in named:
        assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_every_page_that_it_links_exists():
    for page in re.findall(r"\]\((?!http)([^)#]+)", README):
        assert (ROOT / page).exists(), page
