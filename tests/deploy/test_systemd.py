"""The units are what systemd takes, and as closed as they claim."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from syncpipe.cli.worker import _GRACE_S
from syncpipe.pipeline.options import WorkerOptions

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "syncpipe-worker.service"
ANALYZE = shutil.which("systemd-analyze")

pytestmark = pytest.mark.skipif(
    ANALYZE is None, reason="needs systemd-analyze: apt-get install systemd"
)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ANALYZE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    """The program that it starts has to exist, so the copy names one that does."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/syncpipe/.venv/bin/syncpipe", sys.executable))

    result = analyze("verify", "--man=no", str(copy))

    assert (result.returncode, result.stderr) == (0, "")


def test_the_unit_is_closed() -> None:
    result = analyze("security", "--offline=yes", "--threshold=30", "--no-pager", str(UNIT))

    assert result.returncode == 0, result.stdout[-2000:]


def test_systemd_waits_longer_than_the_workers_drain() -> None:
    line = next(line for line in UNIT.read_text().splitlines() if line.startswith("TimeoutStopSec"))

    assert int(line.partition("=")[2]) > WorkerOptions().drain_timeout_s + _GRACE_S
