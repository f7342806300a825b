"""Sending files, as processes: what is wrong is told by line, and the rest arrives."""

from __future__ import annotations

import gzip
import json
import os
import pty
import re
import subprocess

import pytest

from tests.acceptance.kept import AWAY
from tests.acceptance.processes import ENVIRONMENT, SYNCPIPE

COLOUR = re.compile(r"\x1b\[[\d;]*[34]\d")
GOOD = '{"id": "f1", "n": 1}\n{"id": "f2", "n": 2.5}\n'


def file(directory, name, text):
    path = directory / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def send_file(kept, path, *arguments, status=0, **others):
    """Send a file; return the counts and what was said beside."""
    command = ("op", "send-many", "--from", path, "--collection", "orders", "-o", "jsonl")
    done = kept(*command, *arguments, status=status, **others)
    return json.loads(done.stdout), done.stderr


def test_a_file_of_json_lines_is_sent(kept, place):
    counts, said = send_file(kept, file(place, "a.jsonl", GOOD))
    assert counts == {"records": 2, "confirmed": 2, "refused": 0, "unconfirmed": 0}
    assert said == ""
    kept.drain()
    assert (kept.document("f1"), kept.document("f2")) == ({"n": 1}, {"n": 2.5})


def test_a_zipped_table_is_sent_from_its_own_key_field(kept, place):
    table = gzip.compress(b"number,price,note\r\nz1,12.50,\r\nz2,1,x\r\n")
    path = file(place, "a.csv.gz", table)
    send_file(kept, path, "--key", "number")
    kept.drain()
    assert kept.document("z1") == {"price": "12.50", "note": None}


def test_stdin_is_sent_and_decimals_stay_exact(kept):
    send_file(kept, "-", "--decimals", stdin='{"id": "d1", "price": 0.10}')
    kept.drain()
    assert kept.document("d1") == {"price": "~f0.10"}


def test_bad_lines_are_reported_by_number_and_the_rest_goes_on(kept, place):
    text = b'{"id": "g1"}\nnonsense\n{"id": 7}\n{}\n{"id": "\xff"}\n[1]\n{"id": "g2", "a": NaN}\n'
    path = file(place, "a.jsonl", text + b'{"id": "g3"}\n')
    counts, said = send_file(kept, path, status=4)
    assert counts == {"records": 8, "confirmed": 2, "refused": 6, "unconfirmed": 0}
    assert re.findall(r"^line (\d+): SP-E\d+ .+", said, re.MULTILINE) == list("234567")


def test_a_file_without_one_good_line_fails(kept, place):
    counts, _ = send_file(kept, file(place, "a.jsonl", "x\ny\n"), status=1)
    assert counts["refused"] == 2


def test_an_empty_file_matches_nothing(kept, place):
    _, said = send_file(kept, file(place, "a.jsonl", ""), status=3)
    assert said == "There were no records.\n"


def test_a_broker_that_is_away_ends_the_reading(kept, place):
    lines = "".join(f'{{"id": "h{number}"}}\n' for number in range(3))
    arguments = ("--set", AWAY, "--timeout", "0.5")
    counts, said = send_file(kept, file(place, "a.jsonl", lines), *arguments, status=1)
    assert (counts["confirmed"], counts["unconfirmed"]) == (0, 3)
    assert "line 1: SP-E402" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--key", "a,b"), "The key of orders has the parts id."),
        (("--version-field", "v"), "orders makes its own versions"),
        (("--format", "xml"), "Invalid value for '--format'"),
        (("--op", "merge"), "Invalid value for '--op'"),
        (("--timeout", "0"), "Invalid value for '--timeout'"),
    ],
)
def test_a_command_line_that_fits_no_record_is_refused_at_once(kept, place, arguments, message):
    path = file(place, "a.jsonl", GOOD)
    done = kept("op", "send-many", "--from", path, "--collection", "orders", *arguments, status=2)
    assert message in " ".join(done.stderr.split())


def test_a_file_that_is_not_there_is_a_wrong_usage(kept, place):
    command = ("op", "send-many", "--from", place / "none", "--collection", "orders")
    assert "No such file" in kept(*command, status=2).stderr


@pytest.mark.parametrize("no_colour", [True, False])
def test_a_terminal_shows_a_bar_and_no_colour_where_none_is_wanted(kept, place, no_colour):
    path = file(place, "a.jsonl", GOOD)
    outer, inner = pty.openpty()
    environment = (
        ENVIRONMENT | {"TERM": "xterm-256color"} | ({"NO_COLOR": "1"} if no_colour else {})
    )
    subprocess.run(
        [*SYNCPIPE, "op", "send-many", "--from", path, "--collection", "orders"],
        cwd=kept.directory,
        env=environment,
        stderr=inner,
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    shown = os.read(outer, 65_536).decode()
    os.close(inner)
    os.close(outer)
    assert "2 records" in shown
    assert bool(COLOUR.search(shown)) is not no_colour
