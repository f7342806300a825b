"""One worker process: ``python -m workers``. Its stdout is the log, and nothing else."""

from __future__ import annotations

import argparse
import gc
import os
import socket
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe import app as wiring
from syncpipe.errors import ConfigError
from syncpipe.settings import load
from syncpipe.supervisor import Lives, keep_touching, leave_last_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.settings import Settings


#: Of the garbage collector's generations; the first counts values.
_THRESHOLDS = (200_000, 10, 50)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker until it is told to end; return the exit status."""
    options = _parser().parse_args(arguments)
    lives = Lives()
    if options.heartbeat:
        lives = Lives.read(options.heartbeat)
        keep_touching(options.heartbeat)
    try:
        loaded = load(options.config, profile=options.profile, overrides=options.set)
        _check(loaded.settings)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        refusal, status = str(error), wiring.REFUSED
    else:
        name = options.name or f"worker-{os.getpid()}"
        refusal, status = _run(loaded.settings, name, lives, options.heartbeat)
    if refusal and options.heartbeat:
        leave_last_words(options.heartbeat, refusal)
    return status


def _check(settings: Settings) -> None:
    if not settings.targets:
        raise ConfigError("No target is declared, so there is nothing to work for.")


def _run(settings: Settings, name: str, lives: Lives, heartbeat: Path | None) -> tuple[str, int]:
    """Work; return why this process refused to, if it did, and the exit status."""
    from celery.exceptions import SecurityWarning  # noqa: PLC0415

    from workers import logging  # noqa: PLC0415 - a wrong configuration is told at once
    from workers.caution import Caution  # noqa: PLC0415
    from workers.configuration import celery_app  # noqa: PLC0415
    from workers.worker import Worker  # noqa: PLC0415

    # Celery warns of root because of pickle, which our workers never read.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    logging.configure(settings.log)
    worker = Worker(
        app=celery_app(wiring.build(settings)),
        hostname=name if "@" in name else f"{name}@{socket.gethostname()}",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.station.counters |= asdict(lives)
    if heartbeat:
        work = settings.worker
        # Each message in a batch counts as one operation at least.
        worker.station.caution = Caution.beside(
            heartbeat, threads=work.threads, messages=work.batch_max_ops
        )
    _calm_collector()
    worker.start()
    return worker.refusal, worker.status


def _calm_collector() -> None:
    """Let the garbage collector look seldom: what stays is set aside, and batches have no cycles.

    Thousands of values live as long as a batch does; looking at them again and again finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--name", help="name of the process, unique; default: worker-PID")
    parser.add_argument(
        "--heartbeat", type=Path, metavar="FILE", help="file to touch, for whoever watches"
    )
    parser.add_argument("--config", help="configuration file; default: the one that is found")
    parser.add_argument("--profile", help="name of the file beside it that differs")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="override one key"
    )
    return parser


def _end(status: int) -> None:
    """End now: threads that were not waited for must not hold up the end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    _end(main())
