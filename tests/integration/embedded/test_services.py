from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from redis import Redis

import syncpipe
from syncpipe.embedded import Options, attached, find, keep, state
from syncpipe.errors import EmbeddedError
from syncpipe.supervisor import ProcessId, detach
from tests.patience import eventually
from tests.servers import short_directory

FAST = Options(durable=False)

#: Runs services for the directory that it is given until somebody kills it; says when they serve.
HOLD = """
import sys, time
from pathlib import Path
import syncpipe
from syncpipe.embedded import Options, attached
with attached(Path(sys.argv[1]), Options(durable=False), signals=True) as running:
    print(*running.supervisor.pids().values(), flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def state_dir():
    with short_directory() as directory:
        yield directory / "a state directory"


def write(services) -> None:
    with psycopg.connect(services.dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    with redis_of(services) as client:
        client.incr("kept")


def written(services) -> tuple[int, int]:
    with psycopg.connect(services.dsn) as connection, redis_of(services) as client:
        return connection.execute("SELECT sum(n) FROM kept").fetchone()[0], int(client.get("kept"))


def redis_of(services) -> Redis:
    return Redis(unix_socket_path=services.redis_url.removeprefix("redis+socket://"))


def hold(state_dir: Path) -> tuple[subprocess.Popen[str], list[ProcessId]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(state_dir)], stdout=subprocess.PIPE, text=True
    )
    return process, [ProcessId.of(int(pid)) for pid in process.stdout.readline().split()]


@pytest.fixture
def ordinary_python(state_dir) -> list[str]:
    """A Python that the user nobody can run with our code, in a state directory of nobody's own."""
    path = ":".join(str(Path(package.__file__).parents[1]) for package in (syncpipe, pytest))
    state_dir.mkdir()
    shutil.chown(state_dir, "nobody")
    for program in (sys.executable, "/usr/bin/python3"):
        command = ["env", f"PYTHONPATH={path}", program]
        probe = [*command, "-c", "import syncpipe.embedded"]
        done = subprocess.run(probe, user="nobody", cwd="/", capture_output=True, check=False)
        if done.returncode == 0:
            return command
    pytest.skip("nobody can reach our code here; enable with: a clone outside of /root")


def left_in(state_dir: Path) -> set[str]:
    return {path.name for path in state_dir.iterdir()}


def test_services_serve_and_leave_only_their_data(state_dir):
    with attached(state_dir, FAST) as running:
        write(running.services)
        run_dir = Path(running.services.record.run_dir)
        assert find(state_dir) == running.services
    assert find(state_dir) is None
    assert not run_dir.exists()
    assert left_in(state_dir) == {"lock", "logs", "postgres-18", "redis"}


def test_data_of_an_earlier_run_is_there_again(state_dir):
    for _ in range(2):
        with attached(state_dir, FAST) as running:
            write(running.services)
    with attached(state_dir, FAST) as running:
        assert written(running.services) == (2, 2)


def test_no_other_user_can_read_the_state_directory(state_dir):
    with attached(state_dir, FAST) as running:
        assert state_dir.stat().st_mode & 0o077 == 0
        assert (state_dir / "services.json").stat().st_mode & 0o077 == 0
        run_dir = Path(running.services.record.run_dir)
        for name in ("postgres", "redis"):
            assert (run_dir / name).stat().st_mode & 0o077 == 0


def test_a_second_run_in_the_same_directory_is_refused(state_dir):
    with attached(state_dir, FAST) as running:
        with pytest.raises(EmbeddedError, match="run already"), attached(state_dir, FAST):
            pass
        write(running.services)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_survives_the_end_of_its_owner(state_dir, signum):
    process, servers = hold(state_dir)
    process.send_signal(signum)
    process.communicate(timeout=120)
    eventually(lambda: not any(server.alive() for server in servers))
    with attached(state_dir, FAST) as running:
        write(running.services)


def test_what_a_killed_owner_left_is_tidied_up(state_dir):
    process, _ = hold(state_dir)
    left = Path(state.load(state_dir).run_dir)
    process.kill()
    process.communicate(timeout=120)
    assert left.exists()
    assert find(state_dir) is None
    with attached(state_dir, FAST):
        assert not left.exists()


def test_killed_servers_come_back_with_their_data(state_dir):
    with attached(state_dir, FAST) as running:
        write(running.services)
        before = running.supervisor.pids()
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)

        def served_by_others() -> bool:
            now = running.supervisor.pids()
            return all(now.values()) and all(now[name] != before[name] for name in now)

        def answer() -> tuple[int, int] | None:
            try:
                return written(running.services)
            except (psycopg.OperationalError, ConnectionError, OSError):
                return None

        eventually(served_by_others)
        assert eventually(answer) == (1, 1)


def test_kept_services_outlive_us_until_they_are_stopped(state_dir):
    services = keep(state_dir, FAST)
    try:
        write(services)
        assert find(state_dir) == services
        with pytest.raises(EmbeddedError, match="run already"):
            keep(state_dir, FAST)
    finally:
        services.stop()
    assert not services.alive()
    assert find(state_dir) is None
    services.stop()


def test_companions_are_stopped_with_kept_services(state_dir):
    services = keep(state_dir, FAST)
    try:
        companion = detach(("/bin/sleep", "1000"), log=state_dir / "companion.log")
        services = services.adopt(companion)
        assert find(state_dir) == services
    finally:
        services.stop()
    assert not companion.alive()


def test_an_unreadable_record_is_no_record(state_dir):
    state_dir.mkdir()
    for text in ("", "{", "[]", '{"redis_url": 1}', "null", '{"keeper": {"pid": "x"}}'):
        (state_dir / "services.json").write_text(text, encoding="utf-8")
        assert find(state_dir) is None
    with attached(state_dir, FAST) as running:
        assert find(state_dir) == running.services


def test_a_state_directory_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EmbeddedError, match="cannot be used"), attached(tmp_path / "file" / "x"):
        pass


def test_why_kept_services_do_not_start_is_told(state_dir):
    (state_dir / "postgres-18").mkdir(parents=True)
    (state_dir / "postgres-18" / "PG_VERSION").write_text("9.6\n", encoding="utf-8")
    with pytest.raises(EmbeddedError, match="SP-E601"):
        keep(state_dir, FAST)


@pytest.mark.root
def test_an_ordinary_user_can_run_services(state_dir, ordinary_python):
    process = subprocess.Popen(
        [*ordinary_python, "-c", HOLD, str(state_dir)],
        user="nobody", group="nogroup", extra_groups=[], cwd="/", stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    servers = [ProcessId.of(int(pid)) for pid in process.stdout.readline().split()]
    write(find(state_dir))
    assert (state_dir / "postgres-18").owner() == "nobody"
    process.terminate()
    process.communicate(timeout=120)
    assert len(servers) == 2
    eventually(lambda: not any(server.alive() for server in servers))
