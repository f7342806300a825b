"""Flower with our pages, as a process of its own: ``python -m workers.ui``."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe import app as wiring
from syncpipe.errors import SyncpipeError
from syncpipe.settings import load
from workers import logging

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Show the pages until told to end; return the exit status."""
    # Flower asks a library for time zones that Python has by now.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from syncpipe.ui import Launch, serve  # noqa: PLC0415
    from workers.configuration import celery_app  # noqa: PLC0415

    given = _parser().parse_args(arguments)
    launch = Launch(given.address, given.port, given.url_prefix, given.read_only, given.credentials)
    try:
        settings = load(given.config, profile=given.profile, overrides=given.set).settings
        logging.configure(settings.log)
        parts = wiring.build(settings)
        serve(parts, celery_app(parts), launch, _say)
    except SyncpipeError as error:
        _say(f"Error {error.code}: {error.message.rstrip()}\nWhat to do: {error.hint}")
        return 1
    return 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m workers.ui", allow_abbrev=False)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--profile")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--address")
    parser.add_argument("--port", type=int)
    parser.add_argument("--url-prefix")
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--credentials", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
