"""Flower as ``syncpipe ui`` runs it: for this machine alone, unless whoever asks must say who."""

from __future__ import annotations

import signal
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from syncpipe.errors import ConfigError, ServiceError
from syncpipe.ui.guard import is_loopback
from syncpipe.ui.seams import install

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from syncpipe.app import App

#: Milliseconds that Flower waits for workers to answer.
_INSPECT_MS = 3_000.0


@dataclass(frozen=True, slots=True)
class Launch:
    """What a command line says about the pages; None leaves it to Flower's environment."""

    #: Address to listen at, and its port; 0 is any that is free.
    address: str | None = None
    port: int | None = None
    #: What addresses begin with, behind a proxy.
    url_prefix: str | None = None
    #: Whether nothing may be changed.
    read_only: bool = False
    #: A file with NAME:PASSWORD in each line.
    credentials: Path | None = None


def serve(parts: App, celery: Any, launch: Launch, say: Callable[[str], object]) -> None:
    """Show the pages until told to end; *celery* is the app of the workers.

    Raises:
        ConfigError: they would be open to others without authentication, or options are wrong.
        ServiceError: the address is taken, or not this machine's.

    """
    from flower import command, urls  # noqa: PLC0415 -- after `install`
    from flower.app import Flower  # noqa: PLC0415

    backend = install(parts)
    options = configured(launch)
    command.extract_settings()
    command.setup_logging()
    application = Flower(capp=celery, options=options, **urls.settings)
    signal.signal(signal.SIGTERM, command.sigterm_handler)
    try:
        port = application.start_http_server()
    except OSError as error:
        where = f"{options.address}:{options.port}"
        raise ServiceError(f"Nobody can listen at {where}: {error.strerror or error}.") from error
    say(f"syncpipe: the pages are at {_shown(options, port)}")
    try:
        application.start()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        application.stop()
        backend.close()


def configured(launch: Launch) -> Any:
    """Return Flower's options: our defaults, then FLOWER_*, then what *launch* says.

    Raises:
        ConfigError: see `serve`.

    """
    from flower import command  # noqa: PLC0415
    from tornado.options import Error, options  # noqa: PLC0415

    options.address = "127.0.0.1"
    options.inspect_timeout = _INSPECT_MS
    # Task events for each operation would cost the workers more than the operations.
    options.enable_events = False
    try:
        command.apply_env_options()
    except (Error, KeyError, ValueError) as error:
        raise ConfigError(f"An option FLOWER_* of the environment is wrong: {error}.") from error
    for name in ("address", "port", "url_prefix"):
        if (value := getattr(launch, name)) is not None:
            setattr(options, name, value)
    options.read_only = options.read_only or launch.read_only
    if launch.credentials is not None:
        options.basic_auth = read_credentials(launch.credentials)
    if not (options.basic_auth or options.auth or options.unix_socket):
        require_private(options.address)
    return options


def require_private(address: str) -> None:
    """Return if only this machine reaches *address*.

    Raises:
        ConfigError: others may, and nobody would have to say who they are.

    """
    if not is_loopback(address):
        raise ConfigError(
            f"{address or 'Every address'} can be reached by others, and nobody would have to say "
            "who they are. Set FLOWER_BASIC_AUTH=NAME:PASSWORD, name a file with --credentials, "
            "or stay at 127.0.0.1."
        )


def read_credentials(path: Path) -> list[str]:
    """Return the lines NAME:PASSWORD of a file that is its owner's alone. Raises ConfigError."""
    try:
        others = path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"The credentials in {path} cannot be read: {error}.") from error
    if others:
        raise ConfigError(f"Others may read {path}. Run `chmod 600 {path}`.")
    found = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not found or not all(name and secret for name, _, secret in _split(found)):
        raise ConfigError(f"{path} has to hold NAME:PASSWORD, one in each line.")
    return found


def _split(lines: list[str]) -> list[tuple[str, str, str]]:
    return [line.partition(":") for line in lines]


def _shown(options: Any, port: int | None) -> str:
    if port is None:
        return str(options.unix_socket)
    scheme = "https" if options.certfile else "http"
    host = f"[{options.address}]" if ":" in options.address else options.address
    prefix = f"/{options.url_prefix.strip('/')}" if options.url_prefix else ""
    return f"{scheme}://{host}:{port}{prefix}/syncpipe/dead-letters"
