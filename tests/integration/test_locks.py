from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from syncpipe import _bootstrap

ROOT = Path(_bootstrap.ROOT)
UV = Path(sys.executable).with_name("uv")


def uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run uv as a user whose home is not there, as of a service."""
    home = {"HOME": "/dev/null"}
    return subprocess.run(
        [UV, *arguments], cwd=ROOT, env=home, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("lock", _bootstrap.LOCKS, ids=lambda lock: lock.name)
def test_all_locks_agree(lock):
    done = uv(*_bootstrap.EXPORT[1:], *_bootstrap.LOCKS[lock])
    assert done.stdout == lock.read_text(encoding="utf-8")


def test_the_lock_fits_the_project():
    done = uv(*_bootstrap.GATES[-1][1:])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("uv.lock", "config/requirements.lock"),
        *(str(path.relative_to(ROOT)) for path in ROOT.glob("tests/benchmarks/requirements/*")),
        "tests/benchmarks/peers/bullmq/package-lock.json",
    ],
)
def test_packages_come_from_the_public_index_only(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    hosts = set(re.findall(r"\w+://[^/\"\s]*", text))
    assert hosts <= {"https://pypi.org", "https://files.pythonhosted.org"}


def test_every_package_for_pip_has_a_hash():
    text = _bootstrap.LOCK.read_text(encoding="utf-8")
    packages = re.split(r"\n(?=\w)", text)
    assert len(packages) > 50
    assert [package for package in packages if "--hash=sha256:" not in package] == []
