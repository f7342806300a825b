from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from syncpipe.errors import ChildFailed
from syncpipe.supervisor import Command, ProcessId, Supervisor
from tests.patience import eventually

if TYPE_CHECKING:
    from pathlib import Path

SLEEP = ("sleep", "1000")
#: Says in *log* that it stands, and then refuses to leave on SIGTERM.
STUBBORN = ("sh", "-c", "trap '' TERM; echo stands; while :; do sleep 1000; done")


def gone(pid: int) -> bool:
    return not ProcessId.of(pid).alive()


def says(log: Path, text: str):
    return lambda: log.exists() and text in log.read_text(encoding="utf-8")


def test_a_killed_process_comes_back():
    with Supervisor() as supervisor:
        supervisor.start(Command("sleeper", SLEEP))
        first = supervisor.pids()["sleeper"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: supervisor.pids()["sleeper"] not in {first, None})


def test_a_command_without_restart_stays_down():
    with Supervisor() as supervisor:
        supervisor.start(Command("once", ("true",), restart=False))
        assert supervisor.wait(120)
        assert supervisor.pids() == {"once": None}


def test_the_last_started_are_stopped_first_and_a_group_together():
    events = []
    with Supervisor(on_event=events.append) as supervisor:
        supervisor.start(Command("base", SLEEP))
        supervisor.start(Command("top-1", SLEEP), Command("top-2", SLEEP))
    ended = [event.name for event in events if event.kind == "ended"]
    assert {*ended[:2]} == {"top-1", "top-2"}
    assert ended[2:] == ["base"]


def test_a_process_that_does_not_leave_is_killed_after_its_grace(tmp_path):
    events = []
    log = tmp_path / "log"
    with Supervisor(on_event=events.append) as supervisor:
        stands = says(log, "stands")
        supervisor.start(Command("stubborn", STUBBORN, log=log, ready=stands, grace_s=0.2))
        pid = supervisor.pids()["stubborn"]
    assert [event.kind for event in events] == ["started", "killed", "ended"]
    assert gone(pid)


def test_what_a_process_leaves_in_its_group_is_swept(tmp_path):
    log = tmp_path / "log"
    leaves = ("sh", "-c", "sleep 1000 & echo $!; exec true")
    with Supervisor() as supervisor:
        supervisor.start(Command("parent", leaves, log=log, restart=False))
        assert supervisor.wait(120)
    eventually(lambda: gone(int(log.read_text(encoding="utf-8"))))


def test_one_that_ends_too_early_is_reported_with_its_log(tmp_path):
    fails = ("sh", "-c", "echo the reason; exit 3")
    command = Command("weak", fails, log=tmp_path / "log", ready=lambda: False)
    with Supervisor() as supervisor:
        supervisor.start(Command("strong", SLEEP))
        with pytest.raises(ChildFailed, match=r"weak ended before it was ready[\s\S]*the reason"):
            supervisor.start(command)
        assert list(supervisor.pids()) == ["strong"]
        assert supervisor.pids()["strong"] is not None


def test_one_that_is_never_ready_is_reported_and_stopped():
    command = Command("slow", SLEEP, ready=lambda: False, ready_timeout_s=0.1)
    with Supervisor() as supervisor, pytest.raises(ChildFailed, match="not ready within"):
        supervisor.start(command)


def test_a_program_that_is_not_there_is_reported():
    with Supervisor() as supervisor, pytest.raises(ChildFailed, match="no such program"):
        supervisor.start(Command("ghost", ("no-such-program-anywhere",)))


def test_a_log_that_cannot_be_opened_is_reported(tmp_path):
    command = Command("mute", SLEEP, log=tmp_path / "missing" / "log")
    with Supervisor() as supervisor, pytest.raises(ChildFailed, match="could not be started"):
        supervisor.start(command)


def test_stopping_twice_is_harmless():
    with Supervisor() as supervisor:
        supervisor.start(Command("sleeper", SLEEP))
        supervisor.stop()
        supervisor.stop()
        assert supervisor.pids() == {}


@pytest.mark.root
def test_root_can_start_a_process_as_somebody_else(tmp_path):
    log = tmp_path / "log"
    with Supervisor() as supervisor:
        supervisor.start(Command("who", ("id", "-un"), user="nobody", log=log, restart=False))
        assert supervisor.wait(120)
    assert log.read_text(encoding="utf-8") == "nobody\n"


class Keeper:
    """A process of its own that supervises one stubborn child, whose pid it prints."""

    SCRIPT = """
        import sys
        from pathlib import Path
        from syncpipe.supervisor import Command, Stopped, Supervisor
        log = Path(sys.argv[1])
        with Supervisor(signals=True) as supervisor:
            supervisor.start(
                Command("child", tuple(sys.argv[2:]), log=log, grace_s=1000,
                        ready=lambda: log.exists() and "stands" in log.read_text())
            )
            Path(sys.argv[1] + ".pid").write_text(str(supervisor.pids()["child"]) + ".")
            supervisor.wait()
        """

    def __init__(self, folder: Path, argv: tuple[str, ...]) -> None:
        self.note = folder / "log.pid"
        script = textwrap.dedent(self.SCRIPT)
        self.process = subprocess.Popen([sys.executable, "-c", script, str(folder / "log"), *argv])
        self.child = int(eventually(self._read).rstrip("."))

    def _read(self) -> str:
        text = self.note.read_text(encoding="utf-8") if self.note.exists() else ""
        return text if text.endswith(".") else ""


POLITE = ("sh", "-c", "echo stands; exec sleep 1000")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_warmly(tmp_path, signum):
    keeper = Keeper(tmp_path, POLITE)
    keeper.process.send_signal(signum)
    assert keeper.process.wait(120) == 128 + signum
    assert gone(keeper.child)


def test_a_second_signal_does_not_wait(tmp_path):
    keeper = Keeper(tmp_path, STUBBORN)
    keeper.process.send_signal(signal.SIGTERM)

    def ended_by_another_signal() -> bool:
        keeper.process.send_signal(signal.SIGTERM)
        return keeper.process.poll() is not None

    eventually(ended_by_another_signal)
    assert gone(keeper.child)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's hand; enable with: use Linux")
def test_no_child_survives_the_killing_of_its_supervisor(tmp_path):
    keeper = Keeper(tmp_path, STUBBORN)
    keeper.process.kill()
    keeper.process.wait(120)
    eventually(lambda: gone(keeper.child))


def test_a_paused_process_stays_away_until_it_is_resumed_and_keeps_its_place():
    events = []
    with Supervisor(on_event=events.append) as supervisor:
        supervisor.start(Command("base", SLEEP), Command("beside", SLEEP))
        supervisor.start(Command("top", SLEEP))
        first = supervisor.pids()
        supervisor.pause("base")
        assert gone(first["base"])
        assert supervisor.pids() == {**first, "base": None}
        supervisor.resume("base")
        assert supervisor.pids()["base"] not in {None, first["base"]}
        events.clear()
    ended = [event.name for event in events if event.kind == "ended"]
    assert ended[0] == "top"
    assert {*ended[1:]} == {"base", "beside"}


def test_a_paused_process_does_not_keep_a_supervisor_from_its_end():
    with Supervisor() as supervisor:
        supervisor.start(Command("sleeper", SLEEP))
        supervisor.pause("sleeper")


def test_what_does_not_come_back_is_told_and_ends_with_the_rest(tmp_path):
    flag = tmp_path / "flag"
    flag.touch()
    script = f"test -e {flag} || exit 3; sleep 1000"
    with Supervisor() as supervisor:
        supervisor.start(Command("moody", ("sh", "-c", script), ready=flag.exists))
        supervisor.pause("moody")
        flag.unlink()
        with pytest.raises(ChildFailed, match="moody"):
            supervisor.resume("moody")


def test_nobody_can_pause_what_is_not_there():
    with Supervisor() as supervisor, pytest.raises(LookupError, match="nobody"):
        supervisor.pause("nobody")
