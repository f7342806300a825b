"""Configuration files that we write: the one that lists every key, and the one to start from."""

from __future__ import annotations

import enum
import importlib.resources
import textwrap
from typing import TYPE_CHECKING, Any, get_args, get_origin

from syncpipe.core.collection import Collection
from syncpipe.settings import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from syncpipe.settings.schema import Key

#: Widest line.
_WIDTH = 100
_PREFACE = """\
# Every key with its default. What a configuration leaves out has the value that stands here.
# Written by `syncpipe config defaults`; a test holds it equal to the code. docs/configuration.md
# says how files, profiles, the environment and --set come together.
"""
#: What stands for keys that have no default.
_SAMPLES = {
    "type": "postgres",
    "dsn": "${file:/run/secrets/crm_dsn}",
    "target": ["crm"],
    "table": "public.orders",
    "fields": ["status", "total"],
}


def listing() -> str:
    """Return a TOML file with every key, its meaning and its default; samples are commented out."""
    tables = [("", schema.top_keys().values())]
    tables += [
        (f"[{name}]", schema.keys_of(options).values())
        for name, options in schema.sections().items()
    ]
    plain = ["\n".join(_table(header, keys)) for header, keys in tables]
    samples = [
        ("[targets.crm]", schema.families()["targets"].values()),
        ("[collections.orders]", schema.keys_of(Collection).values()),
    ]
    commented = [
        textwrap.indent("\n".join(_table(header, keys)), "# ", lambda _: True)
        for header, keys in samples
    ]
    return "\n\n".join([_PREFACE.rstrip(), *plain, *commented]) + "\n"


def starter() -> str:
    """Return the TOML file that `syncpipe init` writes."""
    return importlib.resources.files(__package__).joinpath("starter.toml").read_text("utf-8")


def _table(header: str, keys: Iterable[Key]) -> Iterator[str]:
    if header:
        yield header
    for key in keys:
        note = key.note + _choices(key.kind)
        yield from textwrap.wrap(note, _WIDTH - 4, initial_indent="# ", subsequent_indent="# ")
        yield f"{key.name} = {toml_value(_default(key))}"


def _choices(kind: Any) -> str:
    """Return the words that a key takes, where its type names them."""
    each = get_args(kind)[0] if get_origin(kind) is tuple else kind
    if not (isinstance(each, type) and issubclass(each, enum.Enum)):
        return ""
    return f" One of: {', '.join(member.value for member in each)}."


def _default(key: Key) -> object:
    if key.default is schema.REQUIRED or key.default is None:
        return _SAMPLES[key.name]
    if key.field.endswith("_s"):
        return _in_long_units(key.default)
    return key.default


def _in_long_units(seconds: float) -> float | str:
    """Return whole days or hours as people write them, other seconds as they are."""
    for unit, length in (("d", 86400), ("h", 3600)):
        if seconds % length == 0:
            return f"{seconds // length:.0f}{unit}"
    return seconds


def toml_value(value: Any) -> str:
    """Return *value* as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case enum.Enum():
            return toml_value(value.value)
        case str():
            return f'"{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        case list() | tuple():
            return f"[{', '.join(map(toml_value, value))}]"
    return f"{value:_}" if isinstance(value, int) else repr(value)
