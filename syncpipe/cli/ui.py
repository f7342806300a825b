"""``syncpipe ui``: Flower with our pages."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from syncpipe.cli.options import configured
from syncpipe.errors import ConfigError

if TYPE_CHECKING:
    from syncpipe.cli.options import Configuration


@click.command()
@configured
@click.option(
    "--address", help="Address to listen at. Default: FLOWER_ADDRESS, or 127.0.0.1.", metavar="HOST"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Port; 0 is any that is free. Default: FLOWER_PORT, or 5555.",
)
@click.option("--url-prefix", metavar="PATH", help="What addresses begin with, behind a proxy.")
@click.option("--read-only", is_flag=True, help="Show everything, change nothing.")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="NAME:PASSWORD in each line, for its owner alone to read; or set FLOWER_BASIC_AUTH.",
)
def ui(configuration: Configuration, port: int | None, *, read_only: bool, **words: object) -> None:
    """Show dead letters and pipeline in the browser, in Flower.

    It listens at 127.0.0.1, and at other addresses only with authentication. Other options of
    Flower are taken from FLOWER_*.
    """
    if importlib.util.find_spec("flower") is None:
        raise ConfigError("Flower is not installed. Run `pip install 'syncpipe[flower]'`.")
    configuration.load()
    given = {
        "--port": port,
        **{f"--{name.replace('_', '-')}": word for name, word in words.items()},
    }
    options = [
        text for name, word in given.items() if word is not None for text in (name, str(word))
    ]
    sys.stdout.flush()
    os.execv(
        sys.executable,
        [
            *(sys.executable, "-m", "workers.ui", *configuration.arguments(), *options),
            *(("--read-only",) if read_only else ()),
        ],
    )
