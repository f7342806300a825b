"""Load and check a configuration: defaults < file < profile < environment < ``--set``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syncpipe.errors import ConfigError
from syncpipe.settings.assembly import Assembly
from syncpipe.settings.layer import (
    read_environment,
    read_file,
    read_overrides,
    with_tables,
)
from syncpipe.settings.search import find_file, find_profile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from syncpipe.settings.assembly import Entry
    from syncpipe.settings.layer import Layer
    from syncpipe.settings.mistake import Mistake, Source
    from syncpipe.settings.tree import Settings


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where each part of it comes from."""

    #: The tree.
    settings: Settings
    #: The file that was read; None when there is none.
    file: Path | None
    #: Every key with its value, safe to show, and its source.
    entries: tuple[Entry, ...]

    @property
    def sources(self) -> dict[str, Source]:
        """Where each key's value comes from, by dotted name."""
        return {entry.key: entry.source for entry in self.entries}


def load(
    path: str | Path | None = None,
    *,
    profile: str | None = None,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the configuration.

    *path* names the file (None: search), *profile* the file beside it that differs, *overrides* are
    ``a.b=value`` texts, *environ* stands for the environment of this process.

    Raises:
        ConfigError: something is wrong; the message lists every mistake.

    """
    loaded, mistakes = _read(path, profile, overrides, environ)
    if mistakes:
        lines = "".join(f"\n  {mistake}" for mistake in mistakes)
        count = f"{len(mistakes)} mistakes" if len(mistakes) > 1 else "1 mistake"
        raise ConfigError(f"The configuration has {count}:{lines}\n")
    return loaded


def check(
    path: str | Path | None = None,
    *,
    profile: str | None = None,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] | None = None,
) -> list[Mistake]:
    """Return every mistake of the configuration that `load` would read, in the order of lines."""
    return _read(path, profile, overrides, environ)[1]


def _read(
    path: str | Path | None,
    profile: str | None,
    overrides: Iterable[str],
    environ: Mapping[str, str] | None,
) -> tuple[Loaded, list[Mistake]]:
    environ = os.environ if environ is None else environ
    file = find_file(Path(path) if path is not None else None, environ)
    profile_file, mistakes = find_profile(profile, file, environ)
    layers: list[Layer] = []
    for source, name in ((file, "file"), (profile_file, "profile")):
        if source is not None:
            layer, wrong = read_file(source, name)
            layers.append(layer)
            mistakes += wrong
    unreadable = bool(mistakes)
    set_layer, wrong = read_overrides(overrides)
    mistakes += wrong
    merged = with_tables(
        {
            path: leaf
            for layer in (*layers, read_environment(environ), set_layer)
            for path, leaf in layer.items()
        }
    )
    assembly = Assembly(merged, environ)
    settings = assembly.settings()
    # What depends on a file that could not be read cannot be judged: its faults would be noise.
    mistakes += [] if unreadable else assembly.mistakes
    mistakes.sort(key=lambda mistake: (mistake.source.name, mistake.line or 0))
    return Loaded(settings, file, tuple(assembly.entries)), mistakes
