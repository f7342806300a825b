"""``syncpipe init``: a configuration to start from."""

from __future__ import annotations

from pathlib import Path

import click

from syncpipe.cli.output import note


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("syncpipe.toml"))
@click.option("--force", is_flag=True, help="Replace a file that exists.")
def init(file: Path, *, force: bool) -> None:
    """Write a commented configuration to start from.

    FILE is syncpipe.toml unless it is named. Beside it, in FILE with the suffix .audit.key, is a
    new key for the audit, unless there is one, for nobody else to read.
    """
    from syncpipe.audit.keyfile import provide
    from syncpipe.settings.listing import starter
    from syncpipe.system import SystemRandom

    key = file.absolute().with_suffix(".audit.key")
    try:
        with file.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(starter(key))
        made = provide(key, SystemRandom())
    except FileExistsError as error:
        message = f"{file} exists and was left as it is; --force replaces it."
        raise click.ClickException(message) from error
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error
    if made:
        note(f"Wrote {key}, the audit's key: keep it out of version control.")
    note(f"Wrote {file}. Next: edit it, then run `syncpipe config check --config {file}`.")
