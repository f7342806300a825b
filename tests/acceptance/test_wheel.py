"""What is installed elsewhere is whole: both packages, and the files that they read."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.acceptance.processes import ENVIRONMENT, run

ROOT = Path(__file__).parents[2]
HOMES = ("syncpipe/__init__.py", "workers/__init__.py")


def test_the_pipeline_runs_from_what_the_wheel_holds(place):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", place]
    subprocess.run(build, cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True)
    (wheel,) = place.glob("*.whl")
    site = place / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    homes = "import syncpipe, workers; print(syncpipe.__file__, workers.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", homes],
        cwd=place, env=ENVIRONMENT | {"PYTHONPATH": str(site)}, check=True, capture_output=True,
        text=True,
    )  # fmt: skip
    assert found.stdout.split() == [str(site / name) for name in HOMES]

    done = run("demo", "--ops", 100, "--processes", 1, cwd=place, PYTHONPATH=str(site))
    assert done.returncode == 0, done.stderr
    assert "lost 0, mismatches 0: every row is right" in done.stdout
