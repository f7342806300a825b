"""``syncpipe audit`` on a real store, as whoever runs these tests."""

from __future__ import annotations

import json
import os
import pwd
import re
from contextlib import closing

import psycopg
import pytest
from click.testing import CliRunner

from syncpipe.cli import main
from syncpipe.cli.output import Exit
from syncpipe.core.audit import Act
from syncpipe.store.options import StoreOptions
from syncpipe.store.postgres.store import PostgresStore

KEY = bytes(range(32))
ME = f"cli:{pwd.getpwuid(os.geteuid()).pw_name}"


@pytest.fixture
def store(dsn):
    with closing(PostgresStore(StoreOptions(dsn), KEY)) as opened:
        opened.migrate()
        yield opened


@pytest.fixture
def run(tmp_path, monkeypatch, dsn):
    """Runs ``syncpipe audit``; *access* is what [access] says."""
    monkeypatch.chdir(tmp_path)
    # Whoever somebody is cannot be said by a variable.
    monkeypatch.setenv("LOGNAME", "root2")
    monkeypatch.setenv("USER", "root2")

    def run(*arguments, status=Exit.OK, access=f'admins = ["{ME}"]', key=KEY):
        text = f'[store]\ndsn = "{dsn}"\n[audit]\nkey = "{key.hex()}"\n[access]\n{access}\n'
        (tmp_path / "syncpipe.toml").write_text(text, encoding="utf-8")
        done = CliRunner().invoke(main, ["audit", *arguments], prog_name="syncpipe")
        assert done.exit_code == status, done.output
        return done

    return run


@pytest.fixture
def three(store):
    store.audit.write(Act("ann@h", "dlq.discard", "target:crm", "it is ü", {"n": 3}))
    store.audit.write(Act("bob@h", "replay.create", "code:23505", "\x1b[31m\nred"))
    store.audit.write(Act("ann@h", "dlq.edit", "x" * 60))
    return store.audit


def test_at_first_there_is_nothing(store, run):
    assert run("log", status=Exit.NOTHING).stderr == "Nobody has done anything yet.\n"
    assert run("verify").stdout == "There is no entry.\n"
    assert run("export").stdout == '{"head": "0:"}\n'
    assert store.audit.head().number == 0


def test_the_log_is_a_table_of_who_did_what_and_why(three, run):
    header, *lines = run("log").stdout.splitlines()
    assert header.split() == ["NUMBER", "AT", "ACTOR", "VERB", "SUBJECT", "REASON"]
    assert [line.split()[0] for line in lines] == ["3", "2", "1"]
    assert r"\x1b[31m\nred" in lines[1]
    assert lines[0].endswith(f"{'x' * 47}…  -")
    rows = [json.loads(line) for line in run("log", "-o", "jsonl").stdout.splitlines()]
    assert [row["mac"] for row in rows] == [each.mac for each in three.latest(limit=9)]
    assert rows[2]["details"] == {"n": 3}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", rows[0]["at"])


def test_the_log_can_be_narrowed(three, run):
    def numbers(*arguments, **others):
        lines = run("log", "-o", "jsonl", *arguments, **others).stdout.splitlines()
        return [json.loads(line)["number"] for line in lines]

    assert numbers("--actor", "ann@h") == [3, 1]
    assert numbers("--action", "dlq", "--limit", "1") == [3]
    assert numbers("--action", "replay.create", "--since", "1h") == [2]
    assert numbers("--since", "2099-01-01T00:00:00Z", status=Exit.NOTHING) == []
    for wrong in ("soon", "2026-01-01T00:00:00", "5 parsecs"):
        run("log", "--since", wrong, status=Exit.USAGE)
    assert three.head().number == 3


def test_an_export_is_verified_without_the_store(three, run, tmp_path, dsn):
    done = run("export", "--to", "audit.jsonl")
    head = str(three.head())
    assert done.stderr == f"The audit ends at {head}\n"
    path = tmp_path / "audit.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    assert run("export").stdout == path.read_text(encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1]) == {"head": head}
    (tmp_path / "copy").write_text(path.read_text(encoding="utf-8").replace("bob", "eve"))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER SCHEMA syncpipe RENAME TO away")
    assert run("verify", "--file", "audit.jsonl").stdout == f"Right, up to its end at {head}\n"
    found = run("verify", "--file", "copy", "-o", "json", status=Exit.UNHEALTHY)
    assert json.loads(found.stdout)[0]["broken"] == 2
    run("verify", "--file", "nowhere", status=Exit.USAGE)
    assert "SP-E804" in run("verify", "--file", "syncpipe.toml", status=Exit.FAILED).stderr


def test_what_was_tampered_with_is_named_with_exit_code_5(three, run, dsn):
    head = str(three.head())
    assert "cannot be told without a head" in run("verify").stderr
    assert run("verify", "--head", head).stdout == f"Right, up to its end at {head}\n"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE syncpipe.audit DISABLE TRIGGER audit_stays")
        connection.execute("DELETE FROM syncpipe.audit WHERE number = 3")
        assert run("verify").stdout.startswith("Right, up to its end at 2:")
        done = run("verify", "--head", head, status=Exit.UNHEALTHY)
        assert done.stdout.startswith("BROKEN at number 3. It is missing")
        connection.execute("UPDATE syncpipe.audit SET actor = 'eve@h' WHERE number = 2")
    done = run("verify", status=Exit.UNHEALTHY)
    assert done.stdout.startswith("BROKEN at number 2. It was changed, or written without the key.")
    assert run("verify", key=bytes(range(1, 33)), status=Exit.UNHEALTHY).stdout.startswith(
        "BROKEN at number 1. It was made with the key"
    )
    for wrong in ("3", "3:xyz", "latest"):
        run("verify", "--head", wrong, status=Exit.USAGE)


def test_a_role_is_needed(three, run, dsn):
    refused = run("log", access='default = "none"', status=Exit.FAILED)
    assert f"has no role: [access] names none of {ME}." in refused.stderr
    for access in ('default = "viewer"', f'viewers = ["{ME}"]'):
        for verb in ("log", "verify", "export"):
            run(verb, access=access)
    user = psycopg.conninfo.conninfo_to_dict(dsn)["user"]
    access = f'default = "none"\nadmins = ["postgres:{user}", "postgres:nobody-there"]'
    run("export", access=access)
    assert three.head().number == 3
    run("log", access='default = "none"\nadmins = ["cli:root2"]', status=Exit.FAILED)


def test_a_new_key_is_one_that_the_configuration_takes(run):
    first, second = (run("key").stdout.strip() for _ in range(2))
    assert first != second
    assert len(bytes.fromhex(first)) == 32
