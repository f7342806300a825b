"""``syncpipe worker`` brings back what has stalled, and nothing is lost meanwhile."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import textwrap

import pytest

from syncpipe.supervisor import ProcessId
from tests.acceptance.fleet import ROOT, Fleet
from tests.acceptance.processes import ENVIRONMENT, SYNCPIPE, run
from tests.patience import eventually

STARTED = re.compile(r"started \(pid (\d+)\)")
OPTIONS = """
    [worker]
    stall_timeout_s = 3
    drain_timeout_s = 5
"""
#: The same, but for those who do not stall: no machine is so slow that it looks like it.
NEVER_STALLS = OPTIONS.replace("stall_timeout_s = 3", "stall_timeout_s = 60")
#: Runs in every worker process before anything else; when told to, its event loop does something
#: that it must never do. The telling is taken back, so that the next life is spared.
SABOTAGE = """
    import gc, os, sys, threading, time
    from pathlib import Path

    def hang(order):
        order.unlink()
        time.sleep(1000)

    def deaf(order):
        gc.unfreeze()  # or what was there at the start is not listed
        for each in gc.get_objects():
            if (type(each).__module__, type(each).__name__) == ("workers.consumer", "Consumer"):
                each.task_consumer.cancel()
        order.unlink()

    def obey(orders):
        while not any(order.exists() for order in orders):
            time.sleep(0.05)
        from kombu.asynchronous import get_event_loop
        for order, action in orders.items():
            if order.exists():
                get_event_loop().call_soon(action, order)

    if "workers" in sys.orig_argv:
        folder = Path(os.environ["SABOTAGE"])
        orders = {folder / "hang": hang, folder / "deaf": deaf}
        threading.Thread(target=obey, args=(orders,), daemon=True).start()
"""
#: Longest wait for a process to be found stalled, end, start and do its work.
PATIENCE_S = 90.0


class Crew:
    """One worker under its supervisor, on real services."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.folder = fleet.folder
        (self.folder / "sitecustomize.py").write_text(textwrap.dedent(SABOTAGE))
        self._notes, self._log = self.folder / "notes", self.folder / "log"
        with self._notes.open("wb") as stderr, self._log.open("wb") as stdout:
            self.process = subprocess.Popen(
                [
                    *(*SYNCPIPE, "worker", "--processes", "1", "--name", "w"),
                    *("--config", str(fleet.config)),
                ],
                cwd=ROOT,
                env=ENVIRONMENT | {"PYTHONPATH": str(self.folder), "SABOTAGE": str(self.folder)},
                stdout=stdout,
                stderr=stderr,
            )

    def end(self):
        self.process.terminate()
        assert self.process.wait(60) == 0

    @property
    def notes(self):
        """What the supervisor told people."""
        return self._notes.read_text()

    def stalls(self):
        """What the workers wrote into the log when they ended themselves."""
        lines = [json.loads(line) for line in self._log.read_text().split("\n")[:-1]]
        return [line for line in lines if line["event"] == "stalled"]

    def pids(self):
        return [int(pid) for pid in STARTED.findall(self.notes)]

    def await_ready(self):
        """Wait until the worker consumes."""
        eventually(lambda: "worker-ready" in self._log.read_text(), within_s=60)

    def order(self, what):
        """Tell the worker to do what it must not, and wait until it has heard of it."""
        (self.folder / what).touch()
        eventually(lambda: not (self.folder / what).exists(), within_s=60)

    def await_rows(self):
        """Wait until everything has arrived that was sent."""
        expected = self.fleet.expected()
        eventually(lambda: self.fleet.rows() == expected, within_s=PATIENCE_S)

    def await_counts(self, *names):
        """Wait until ``syncpipe status`` tells what the worker says in its last life."""

        def look():
            result = run("status", "-o", "json", "--config", self.fleet.config, cwd=self.folder)
            workers = {each["pid"]: each for each in json.loads(result.stdout)["workers"]}
            last = workers.get(self.pids()[-1])
            return last and all(last[name] >= 1 for name in names)

        eventually(look, within_s=60)


@pytest.fixture
def crew(request, tmp_path, redis_url, dsn):
    with Fleet(tmp_path, redis_url, dsn, getattr(request, "param", OPTIONS)) as fleet:
        crew = Crew(fleet)
        try:
            crew.await_ready()
            yield crew
            crew.end()
        finally:
            crew.process.kill()
            crew.process.wait()


@pytest.mark.parametrize("crew", [NEVER_STALLS], indirect=True, ids=["patient"])
def test_a_worker_that_dies_comes_back_and_does_its_work(crew):
    ProcessId.of(crew.pids()[0]).signal(signal.SIGKILL)
    crew.fleet.send(200)
    crew.await_rows()
    crew.await_counts("restarts")
    assert "w-1 starts again in 0.1 s (restarts: 1, stalls: 0)" in crew.notes


def test_a_worker_that_is_stopped_comes_back_and_does_its_work(crew):
    stopped = ProcessId.of(crew.pids()[0])
    stopped.signal(signal.SIGSTOP)
    crew.fleet.send(200)
    crew.await_rows()
    assert "w-1 has stalled, no sign of life for 6 s" in crew.notes
    assert not stopped.alive()
    crew.await_counts("restarts", "stalls")


@pytest.mark.parametrize(
    ("order", "reason"),
    [("hang", "the event loop has not turned"), ("deaf", "messages wait")],
)
def test_a_worker_that_no_longer_works_ends_itself_and_comes_back(crew, order, reason):
    crew.order(order)
    # A claim that is under way when the worker goes deaf may still bring everything that waits.
    for _ in range(2):
        crew.fleet.send(200)
        crew.await_rows()
    assert any(reason in each["reason"] for each in crew.stalls())
    assert "w-1 ended with status 75" in crew.notes
    assert "w-1 has stalled, its own watch has ended it" in crew.notes
    crew.await_counts("restarts", "stalls")
