"""The log on stdout: one JSON object a line, or lines for people."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import TYPE_CHECKING, Any

import structlog
from celery import signals
from celery.exceptions import CPendingDeprecationWarning

if TYPE_CHECKING:
    from structlog.typing import Processor

    from syncpipe.settings import LogSettings

#: What every line begins with.
_SHARED: tuple[Processor, ...] = (
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)
#: Least severe lines of the libraries. psycopg's pool warns at every try to reach a database that
#: is down, which we say once; httpx2 tells of every request.
_LIBRARIES = {
    "amqp": logging.WARNING,
    "celery": logging.WARNING,
    "httpcore2": logging.WARNING,
    "httpx2": logging.WARNING,
    "kombu": logging.WARNING,
    "psycopg": logging.ERROR,
    "redis": logging.WARNING,
}


def configure(settings: LogSettings) -> None:
    """Send our lines, and those of the libraries, to stdout as *settings* say.

    Celery's own set-up of logging is switched off.
    """
    signals.setup_logging.connect(_keep_ours)
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(settings.format))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level.upper())
    for name, level in _LIBRARIES.items():
        logging.getLogger(name).setLevel(level)


def ignore_advice() -> None:
    """Drop what Celery advises with every lost connection: we have chosen.

    To be called once a worker is made, because making it asks for all of that.
    """
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)


def _formatter(form: str) -> logging.Formatter:
    ending: tuple[Processor, ...] = (structlog.dev.ConsoleRenderer(),)
    if form == "json":
        ending = (structlog.processors.format_exc_info, structlog.processors.JSONRenderer())
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_SHARED],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
    )


def _keep_ours(**_: Any) -> None:
    """Let Celery believe that it has configured logging."""
