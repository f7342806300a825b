from __future__ import annotations

import os
import shutil

import psycopg
import pytest

from syncpipe.embedded import postgres
from syncpipe.errors import DirectoryClosed, EmbeddedError
from syncpipe.supervisor import Supervisor
from tests.patience import eventually
from tests.servers import short_directory


@pytest.fixture
def root():
    with short_directory() as directory:
        yield directory


def start(root, supervisor, **options) -> postgres.Postgres:
    server = postgres.prepare(root / "data", root / "run", durable=False, **options)
    supervisor.start(server.command(log=root / "log", durable=False))
    return server


def test_both_releases_are_what_they_are_called(every_postgres):
    with psycopg.connect(every_postgres.dsn) as connection:
        assert connection.info.server_version // 10_000 == every_postgres.major


def test_it_listens_on_no_network_port(postgres):
    with psycopg.connect(postgres.dsn) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_half_made_cluster_is_made_again(root):
    (root / "data.unfinished").mkdir()
    (root / "data.unfinished" / "PG_VERSION").write_text("18\n", encoding="utf-8")
    (root / "data").mkdir()
    with Supervisor() as supervisor:
        server = start(root, supervisor)
        assert server.answers()
    assert not (root / "data.unfinished").exists()


def test_the_number_in_a_left_file_may_belong_to_somebody_else(root):
    with Supervisor() as supervisor:
        start(root, supervisor)
    left = f"{os.getppid()}\n/proc/self/cwd\n1\n5432\n{root / 'run'}\n\n  1 1\nready\n"
    (root / "data" / "postmaster.pid").write_text(left, encoding="utf-8")
    (root / "data" / "postmaster.pid").chmod(0o644)
    with Supervisor() as supervisor:
        assert start(root, supervisor).answers()


def test_a_server_that_still_holds_the_data_is_ended(root):
    with Supervisor() as first, Supervisor() as second:
        start(root, first)
        held_by = first.pids()["postgres"]
        command = postgres.prepare(root / "data", root / "other", durable=False).command(
            log=root / "log", durable=False
        )
        eventually(lambda: first.pids()["postgres"] != held_by)
        first.stop()
        second.start(command)


def test_initdb_that_fails_is_reported_with_its_words(root, monkeypatch):
    programs = root / "bin"
    programs.mkdir()
    (programs / "initdb").write_text("#!/bin/sh\necho 'No space left on device'; exit 1\n")
    (programs / "initdb").chmod(0o755)
    monkeypatch.setattr(postgres, "_programs", lambda *_: programs)
    with pytest.raises(EmbeddedError, match=r"initdb failed[\s\S]*No space left on device"):
        postgres.prepare(root / "data", root / "run")
    assert not (root / "data").exists()


def test_a_release_that_is_not_bundled_is_reported(root):
    with pytest.raises(EmbeddedError, match="no PostgreSQL 12"):
        postgres.prepare(root / "data", root / "run", major=12)


@pytest.mark.root
def test_programs_out_of_reach_are_copied(root, monkeypatch):
    package = postgres.installation(18).parent
    site = root / "site"
    skip = shutil.ignore_patterns("include", "pginstall")
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, site / part.name, ignore=skip)
    source = site / package.name / "pginstall18"
    # As an installation under a strict umask leaves it: only its owner can read that.
    (source / "share" / "postgresql" / "postgres.bki").chmod(0o600)
    (source / "lib").chmod(0o700)
    monkeypatch.setattr(postgres, "installation", lambda _: source)
    monkeypatch.setattr(postgres, "_can_run", lambda *_: False)
    with Supervisor() as supervisor:
        server = start(root, supervisor)
        assert server.programs.is_relative_to(root)
        assert server.programs.parent.name == source.name
        assert server.answers()


@pytest.mark.root
def test_as_root_the_data_may_lie_where_nobody_else_can_go(root):
    hidden = root / "hidden"
    hidden.mkdir(mode=0o700)
    server = postgres.prepare(hidden / "data", root / "run", durable=False)
    with Supervisor() as supervisor:
        supervisor.start(server.command(log=hidden / "log", durable=False))
        assert server.answers()


@pytest.mark.root
def test_data_of_another_user_is_refused(root):
    with Supervisor() as supervisor:
        start(root, supervisor)
    os.chown(root / "data", 0, 0)
    with pytest.raises(EmbeddedError, match="belongs to another user"):
        postgres.prepare(root / "data", root / "run")


@pytest.mark.root
def test_a_way_that_its_user_may_not_go_is_told_before_anything_is_made(root):
    (root / "closed").mkdir(mode=0o700)
    with pytest.raises(DirectoryClosed, match="TMPDIR") as caught:
        postgres.prepare(root / "data", root / "closed" / "run", durable=False)
    assert str(root / "closed" / "run") in str(caught.value)
    assert not (root / "data").exists()
