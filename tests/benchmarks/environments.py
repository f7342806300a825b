"""The environments of the peers, each made once from a pinned, hashed file beside it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.resumable import ROOT

HERE = Path(__file__).parent
_ENVIRONMENTS = ROOT / ".syncpipe" / "bench" / "environments"
#: Written when an environment is complete.
_COMPLETE = "complete"
#: Seconds for making one.
_TIMEOUT_S = 600


class Missing(Exception):
    """An environment cannot be made here; the message says why."""


@cache
def python(name: str) -> str:
    """Return the Python that has what ``requirements/NAME.txt`` names. Raises Missing."""
    if name == "syncpipe":
        return sys.executable
    requirements = HERE / "requirements" / f"{name}.txt"
    place = _place(name, requirements.read_bytes())
    interpreter = str(place / "bin" / "python")
    if not (place / _COMPLETE).exists():
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        _run(uv, "venv", "--clear", "--quiet", "--python", sys.executable, str(place))
        _run(
            *(uv, "pip", "install", "--quiet", "--python", interpreter),
            *("--require-hashes", "--requirements", str(requirements)),
        )
        (place / _COMPLETE).touch()
    return interpreter


@cache
def node() -> tuple[str, Path]:
    """Return Node, and a folder with our programs and what they import. Raises Missing."""
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        raise Missing("there is no Node with npm")
    source = HERE / "peers" / "bullmq"
    content = b"".join(path.read_bytes() for path in sorted(source.glob("*.*")))
    place = _place("bullmq", content)
    if not (place / _COMPLETE).exists():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source, place)
        _run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", cwd=place)
        (place / _COMPLETE).touch()
    return program, place


def _place(name: str, content: bytes) -> Path:
    digest = hashlib.blake2b(content + sys.version.encode(), digest_size=6).hexdigest()
    return _ENVIRONMENTS / f"{name}-{digest}"


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command, cwd=cwd, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]} cannot be run: {error}") from error
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise Missing(f"its environment cannot be made: {' '.join(reason[-1:])[:200]}")
