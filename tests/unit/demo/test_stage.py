from __future__ import annotations

from syncpipe.app import STALLED, build
from syncpipe.demo.stage import Stage, worker_commands
from syncpipe.embedded.services import Services
from syncpipe.embedded.state import Record
from syncpipe.settings import Settings
from syncpipe.supervisor import ProcessId


def test_workers_show_that_they_are_alive_where_it_goes_with_the_services(tmp_path):
    record = Record("redis://", "", str(tmp_path / "run"), ProcessId(1, None))
    services = Services(tmp_path, record)
    stage = Stage(services, tmp_path / "syncpipe.toml", build(Settings()))
    hearts = set()
    for command in worker_commands(stage, 2):
        assert command.heartbeat.path.parent == tmp_path / "run"
        assert command.heartbeat.timeout_s == 2 * Settings().worker.stall_timeout_s
        assert command.stalled_status == STALLED
        at = command.argv.index("--heartbeat")
        assert command.argv[at + 1] == str(command.heartbeat.path)
        hearts.add(command.heartbeat.path)
    assert len(hearts) == 2
