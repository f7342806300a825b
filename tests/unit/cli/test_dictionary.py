from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from syncpipe.cli import main
from syncpipe.cli.output import Exit

CONFIG = """
dictionaries = "dictionaries"
[targets.crm]
type = "postgres"
dsn = "host=h"
[collections.orders]
target = "crm"
[collections.prices]
target = "crm"
version = "source"
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "syncpipe.toml").write_text(CONFIG)

    def run(*arguments):
        return CliRunner().invoke(main, ["dictionary", *arguments])

    return run


@pytest.fixture
def trained(run, tmp_path):
    """The name of a dictionary of orders."""
    write(tmp_path / "orders.jsonl", records(240))
    done = run("train", "orders", "--from", "orders.jsonl", "-o", "json")
    return json.loads(done.stdout)[0]["dictionary"]


def records(count):
    states = ("paid by somebody who has paid before", "new and not paid")
    return [{"id": f"o-{n}", "state": states[n % 2], "total": n} for n in range(count)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_training_shows_what_is_saved_and_says_what_to_do_next(run, tmp_path):
    write(tmp_path / "orders.jsonl", records(240))

    done = run("train", "orders", "--from", "orders.jsonl")

    assert done.exit_code == Exit.OK
    head, *rows = [line.split() for line in done.stdout.splitlines()]
    assert head == ["OPERATIONS", "PLAIN", "COMPRESSED", "PART"]
    assert [row[0] for row in rows] == ["1", "5", "20"]
    assert all(int(compressed) < int(plain) for _, plain, compressed, _ in rows)
    (file,) = (tmp_path / "dictionaries").iterdir()
    assert f"Wrote dictionaries/{file.name}" in done.stderr
    assert f"configure collections.orders.dictionary = '{file.stem}'" in done.stderr


def test_samples_also_come_from_csv_with_bad_lines_reported(run, tmp_path):
    text = "paid by somebody who has paid before"
    lines = ["id,state", *(f"o-{n},{text}" for n in range(220)), "o-1,paid,extra"]
    (tmp_path / "orders.csv").write_text("\n".join(lines))

    done = run("train", "orders", "--from", "orders.csv")

    assert done.exit_code == Exit.OK
    assert "line 222: SP-E202" in done.stderr


def test_what_is_learned_of_prices_has_their_own_versions(run, tmp_path):
    write(tmp_path / "prices.jsonl", [{**each, "seq": 7} for each in records(240)])

    assert run("train", "prices", "--from", "prices.jsonl").exit_code == Exit.USAGE
    done = run("train", "prices", "--from", "prices.jsonl", "--version-field", "seq")
    assert done.exit_code == Exit.OK


def test_too_few_samples_are_refused_with_what_to_do(run, tmp_path):
    write(tmp_path / "orders.jsonl", records(12))

    done = run("train", "orders", "--from", "orders.jsonl")

    assert done.exit_code == Exit.FAILED
    assert "Error SP-E807: There are 12 samples" in done.stderr
    assert "What to do: Give more records" in done.stderr
    assert not (tmp_path / "dictionaries").exists()


def test_what_cannot_be_written_is_an_error(run, tmp_path):
    write(tmp_path / "orders.jsonl", records(240))
    (tmp_path / "dictionaries").touch()

    done = run("train", "orders", "--from", "orders.jsonl")

    assert done.exit_code == Exit.FAILED
    assert "dictionaries" in done.stderr


def test_an_unknown_collection_is_refused(run, tmp_path):
    write(tmp_path / "orders.jsonl", [])

    assert "SP-E101" in run("train", "nobodys", "--from", "orders.jsonl").stderr


def test_the_list_shows_who_uses_what(run, trained):
    done = run("list", "-o", "json", "--set", f"collections.orders.dictionary={trained}")

    assert done.exit_code == Exit.OK
    (row,) = json.loads(done.stdout)
    assert (row["dictionary"], row["used_by"], row["state"]) == (trained, "orders", "ready")
    assert row["bytes"] > 0


def test_the_list_says_what_is_damaged_or_missing(run, trained, tmp_path):
    path = tmp_path / "dictionaries" / f"{trained}.zdict"
    path.write_bytes(path.read_bytes()[:-1])
    named = "prices-0123456789abcdef"

    done = run("list", "-o", "json", "--set", f"collections.prices.dictionary={named}")

    assert done.exit_code == Exit.UNHEALTHY
    damaged, missing = json.loads(done.stdout)
    assert damaged["state"].endswith("is damaged.")
    assert (missing["dictionary"], missing["used_by"]) == (named, "prices")
    assert "it is not in" in missing["state"]
