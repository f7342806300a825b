"""Options that several commands share."""

from __future__ import annotations

import logging
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from syncpipe.app import App
    from syncpipe.settings import Loaded, Mistake
    from syncpipe.store.store import OnCallStore

#: Most rows that anybody may ask for.
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """Which configuration a command line names; read only when asked."""

    #: File; None searches.
    file: Path | None
    #: Profile beside it; None asks the environment.
    profile: str | None
    #: ``a.b=value`` texts.
    overrides: tuple[str, ...]

    def load(self) -> Loaded:
        """Return it. Raises ConfigError when it has mistakes."""
        from syncpipe.settings import load

        return load(self.file, profile=self.profile, overrides=self.overrides)

    def check(self) -> list[Mistake]:
        """Return its mistakes."""
        from syncpipe.settings import check

        return check(self.file, profile=self.profile, overrides=self.overrides)

    def arguments(self) -> tuple[str, ...]:
        """Return the command line that names the same for another process."""
        file = ("--config", str(self.file.absolute())) if self.file else ()
        profile = ("--profile", self.profile) if self.profile else ()
        return (*file, *profile, *(word for text in self.overrides for word in ("--set", text)))


def limited(default: int | None = None) -> Callable[..., Any]:
    """Give a command ``--limit``, which is *default* unless told otherwise."""
    return click.option(
        "--limit",
        type=click.IntRange(1, _MOST),
        default=default,
        show_default=True,
        help="At most so many.",
    )


def configured(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a *command* ``--config``, ``--profile``, ``--set`` as the argument ``configuration``."""

    @wraps(command)
    def run(
        config: Path | None, profile: str | None, overrides: tuple[str, ...], **others: object
    ) -> object:
        return command(configuration=Configuration(config, profile, overrides), **others)

    for option in reversed(_OPTIONS):
        run = option(run)
    return run


def quiet_pools() -> None:
    """Have pools not warn at every try to reach a database that is down: we say it once."""
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)


def opened_store(app: App) -> AbstractContextManager[OnCallStore | None]:
    """Return the store, closed at the end of a block; None where the configuration names none."""
    quiet_pools()
    store = app.store()
    return nullcontext() if store is None else closing(store)


_OPTIONS = (
    click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Configuration file. Default: SYNCPIPE_CONFIG, ./syncpipe.toml, "
        "./.syncpipe/syncpipe.toml, ./config/syncpipe.toml.",
    ),
    click.option(
        "--profile", metavar="NAME", help="NAME.toml beside it differs. Default: SYNCPIPE_PROFILE."
    ),
    click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Set one key; repeatable."
    ),
)
