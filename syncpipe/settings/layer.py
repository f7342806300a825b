"""Layers of a configuration: what each source says, by path, before anything is checked."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncpipe.settings.lines import flatten, locate
from syncpipe.settings.mistake import Mistake, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: What environment variables that set a key begin with; ``__`` separates the parts of its path.
ENVIRONMENT_PREFIX = "SYNCPIPE__"
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value as it was written."""

    #: What TOML made of it (tables are empty dicts), or text from the environment or ``--set``.
    value: object
    #: Where it was written.
    source: Source

    @property
    def untyped(self) -> bool:
        """Whether it is text that has yet to become a value of the declared type."""
        return self.source.layer in {"environment", "command line"}


#: What one source, or several merged, say: the path of a key to its value.
Layer = dict[tuple[str, ...], Leaf]


def read_file(path: Path, layer: str) -> tuple[Layer, list[Mistake]]:
    """Return what the TOML file at *path* says, or why it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return {}, [_syntax_mistake(path, layer, text, str(error))]
    except UnicodeDecodeError as error:
        fault = f"The file is not UTF-8: {error.reason} at byte {error.start}."
        return {}, [Mistake(Source(layer, str(path)), "", fault, "Save it as UTF-8.")]
    except OSError as error:
        fault = f"The file cannot be read: {error.strerror}."
        hint = "Check the path and its permissions, or write one with `syncpipe init`."
        return {}, [Mistake(Source(layer, str(path)), "", fault, hint)]
    lines = locate(text)
    return {
        place: Leaf(
            {} if isinstance(value, dict) else value, Source(layer, str(path), lines.get(place))
        )
        for place, value in flatten(tree)
    }, []


def read_environment(environ: Mapping[str, str]) -> Layer:
    """Return what variables such as ``SYNCPIPE__CLIENT__LINGER_MS`` say."""
    return {
        tuple(name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")): Leaf(
            value, Source("environment", name)
        )
        for name, value in environ.items()
        if name.startswith(ENVIRONMENT_PREFIX)
    }


def read_overrides(overrides: Iterable[str]) -> tuple[Layer, list[Mistake]]:
    """Return what ``a.b=value`` texts say, and those that have no such form."""
    source = Source("command line", "--set")
    layer: Layer = {}
    mistakes: list[Mistake] = []
    for text in overrides:
        key, equals, value = text.partition("=")
        if equals and key.strip():
            layer[tuple(key.strip().split("."))] = Leaf(value, source)
        else:
            fault, hint = f"{text!r} sets nothing.", "Write --set client.linger_ms=10."
            mistakes.append(Mistake(source, "", fault, hint))
    return layer, mistakes


def with_tables(layer: Layer) -> Layer:
    """Add the tables that lie around keys, so that every table has a place."""
    tables = {
        path[:depth]: Leaf({}, leaf.source)
        for path, leaf in layer.items()
        for depth in range(1, len(path))
    }
    return {**tables, **layer}


def place_of(layer: Layer, path: tuple[str, ...]) -> Source:
    """Return where *path* is written, or else the table around it, or else the defaults."""
    for depth in range(len(path), 0, -1):
        if leaf := layer.get(path[:depth]):
            return leaf.source
    return Source("default")


def _syntax_mistake(path: Path, layer: str, text: str, fault: str) -> Mistake:
    match = _TOML_PLACE.search(fault)
    line = int(match[1]) if match and match[1] else text.count("\n") + 1
    column = f" (column {match[2]})" if match and match[2] else ""
    message = f"This is not TOML: {_TOML_PLACE.sub('', fault)}{column}."
    hint = "Mend this first: the rest of the file is read when it is TOML (https://toml.io)."
    return Mistake(Source(layer, str(path), line), "", message, hint)
