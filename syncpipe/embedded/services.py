"""Redis and PostgreSQL together, for one state directory: attached to us, or kept running."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from syncpipe.embedded import postgres, redis, state
from syncpipe.errors import AlreadyRunning, ChildFailed, EmbeddedError
from syncpipe.supervisor import ProcessId, Supervisor, detach, signals_postponed
from syncpipe.supervisor.command import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.supervisor import Event

#: Name of a run directory up to its random part.
_RUN_PREFIX = "syncpipe-"
#: The longest directory for temporary files that leaves room for a socket's name: the kernel takes
#: 108 bytes for the whole path (unix(7)).
_LONGEST_ROOT = 60
#: Directories of data and logs in a state directory.
_LEFTOVERS = ("redis", "postgres-*", "logs")
#: Seconds that kept services get to come up.
_START_S = 60.0
#: Seconds that each process gets to stop before it is killed.
_STOP_S = 30.0
#: Seconds between two looks.
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Options:
    """How private services are run."""

    #: Major release of PostgreSQL, 16 or 18.
    postgres_major: int = 18
    #: Whether what they hold survives the death of the machine; tests do without.
    durable: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    """Running services; the addresses stay the same as long as they run."""

    #: Directory of their data, logs and record.
    state_dir: Path
    #: What is known about them.
    record: state.Record

    @property
    def redis_url(self) -> str:
        """Address of Redis for kombu and Celery."""
        return self.record.redis_url

    @property
    def dsn(self) -> str:
        """Address of PostgreSQL for psycopg."""
        return self.record.dsn

    def alive(self) -> bool:
        """Whether the process that keeps them runs."""
        return self.record.keeper.alive()

    def adopt(self, companion: ProcessId) -> Self:
        """Record *companion* as a process that :meth:`stop` ends before the services."""
        record = replace(self.record, companions=(*self.record.companions, companion))
        state.save(self.state_dir, record)
        return replace(self, record=record)

    def stop(self) -> None:
        """End companions and services, warmly if they can, and tidy up. Twice is harmless.

        Raises EmbeddedError when they belong to another user.
        """
        for process in (*reversed(self.record.companions), self.record.keeper):
            _end(process)
        _tidy(self.state_dir)


@dataclass(frozen=True, slots=True)
class Attached:
    """Services that end with us, and the supervisor that keeps them."""

    #: The services.
    services: Services
    #: Takes further commands; they are stopped before the services.
    supervisor: Supervisor


@contextmanager
def attached(
    state_dir: Path,
    options: Options = Options(),
    *,
    signals: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> Iterator[Attached]:
    """Run services for *state_dir* as long as the block lasts, and never longer than we live.

    *signals* and *on_event* are those of :class:`~syncpipe.supervisor.Supervisor`. Data of an
    earlier run is there again. Raises EmbeddedError when services of this state directory run
    already, cannot be found, or do not come up.
    """
    state_dir = state_dir.absolute()
    with (
        _claimed(state_dir),
        _run_directory() as run,
        Supervisor(signals=signals, on_event=on_event) as supervisor,
    ):
        services = _start(state_dir, run, options, supervisor)
        try:
            yield Attached(services, supervisor)
        finally:
            state.forget(state_dir)


def keep(state_dir: Path, options: Options = Options()) -> Services:
    """Start services that outlive us, until :meth:`Services.stop`; return when they serve.

    Raises EmbeddedError as :func:`attached` does.
    """
    state_dir = state_dir.absolute()
    _make(state_dir)
    log = state_dir / "keeper.log"
    log.unlink(missing_ok=True)
    argv = (
        *(sys.executable, "-m", "syncpipe.embedded.keeper", str(state_dir)),
        *(str(options.postgres_major), "durable" if options.durable else "fast"),
    )
    keeper = None
    try:
        with signals_postponed():
            keeper = detach(argv, log=log)
        return _await_services(state_dir, keeper, log)
    except BaseException:
        if keeper:
            keeper.signal(signal.SIGTERM)
        raise


def find(state_dir: Path) -> Services | None:
    """Return the services of *state_dir* that run now, None if there are none."""
    record = state.load(state_dir)
    if record is None or not record.keeper.alive():
        return None
    return Services(state_dir.absolute(), record)


def end(state_dir: Path) -> bool:
    """End what of *state_dir* still runs, companions of a dead keeper included; tidy up.

    Returns whether anything did. Raises EmbeddedError when it belongs to another user.
    """
    record = state.load(state_dir)
    if record is None:
        return False
    running = any(process.alive() for process in (record.keeper, *record.companions))
    Services(state_dir.absolute(), record).stop()
    return running


def discard(state_dir: Path) -> None:
    """Remove the data and logs that services of *state_dir* have left behind, if there are any.

    Raises AlreadyRunning when they run, EmbeddedError when something belongs to another user.
    """
    state_dir = state_dir.absolute()
    with _claimed(state_dir):
        try:
            for name in _LEFTOVERS:
                for path in state_dir.glob(name):
                    _remove(path)
        except OSError as error:
            raise EmbeddedError(f"{state_dir} cannot be emptied: {error}.") from error


def _remove(path: Path) -> None:
    """Remove the directory *path*, from which a server that is ending may remove files too."""
    while path.exists():
        with suppress(FileNotFoundError):
            shutil.rmtree(path)


def _await_services(state_dir: Path, keeper: ProcessId, log: Path) -> Services:
    deadline = time.monotonic() + _START_S
    while keeper.alive() and time.monotonic() < deadline:
        services = find(state_dir)
        if services and services.record.keeper == keeper:
            return services
        time.sleep(_LOOK_S)
    raise EmbeddedError(f"The services did not start. {log} ends with:{tail(log)}\n")


def _start(state_dir: Path, run: Path, options: Options, supervisor: Supervisor) -> Services:
    logs = state_dir / "logs"
    logs.mkdir(mode=0o700, exist_ok=True)
    server = postgres.prepare(
        state_dir / f"postgres-{options.postgres_major}",
        run / "postgres",
        major=options.postgres_major,
        durable=options.durable,
    )
    try:
        supervisor.start(
            redis.command(
                state_dir / "redis",
                run / "redis",
                log=logs / "redis.log",
                append_fsync="always" if options.durable else "everysec",
            ),
            server.command(log=logs / "postgres.log", durable=options.durable),
        )
    except ChildFailed as error:
        raise EmbeddedError(error.message) from error
    record = state.Record(redis.url(run / "redis"), server.dsn, str(run), ProcessId.of(os.getpid()))
    state.save(state_dir, record)
    return Services(state_dir, record)


@contextmanager
def _claimed(state_dir: Path) -> Iterator[None]:
    """Hold *state_dir* for us alone; the kernel lets go of it when we die."""
    _make(state_dir)
    with (state_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"Services of {state_dir} run already.") from error
        _tidy(state_dir)
        yield


def _make(state_dir: Path) -> None:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (state_dir / "lock").touch(mode=0o600)
    except OSError as error:
        raise EmbeddedError(
            f"{state_dir} cannot be used for the private services: {error}."
        ) from error


@contextmanager
def _run_directory() -> Iterator[Path]:
    """Make a short directory for sockets, of a name that nobody could have taken before us."""
    root = tempfile.gettempdir()
    if len(root) > _LONGEST_ROOT:
        root = "/tmp"  # noqa: S108  (mkdtemp makes a name of its own in it)
    run = Path(tempfile.mkdtemp(prefix=_RUN_PREFIX, dir=root))
    if os.geteuid() == 0:
        # PostgreSQL runs as somebody else and has to pass to its own directory in here.
        run.chmod(0o711)
    try:
        yield run
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _tidy(state_dir: Path) -> None:
    """Remove what services that have died could not: companions, run directory, record."""
    record = state.load(state_dir)
    if record and not record.keeper.alive():
        for companion in reversed(record.companions):
            _end(companion)
        run = Path(record.run_dir)
        if run.name.startswith(_RUN_PREFIX) and run.is_dir() and run.stat().st_uid == os.geteuid():
            shutil.rmtree(run, ignore_errors=True)
        state.forget(state_dir)


def _end(process: ProcessId) -> None:
    try:
        for signum in (signal.SIGTERM, signal.SIGKILL):
            process.signal(signum)
            deadline = time.monotonic() + _STOP_S
            while process.alive() and time.monotonic() < deadline:
                time.sleep(_LOOK_S)
    except PermissionError as error:
        raise EmbeddedError(
            f"Process {process.pid} belongs to another user, who has to stop it."
        ) from error
