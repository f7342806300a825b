"""Configuration files that we write: the one that lists every key, and the one to start from."""

from __future__ import annotations

import enum
import importlib.resources
import re
import textwrap
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args, get_origin

from syncpipe.core.collection import Collection
from syncpipe.core.masks import MaskRule
from syncpipe.resilience.classification import ErrorClass
from syncpipe.settings import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from syncpipe.settings.schema import Key

#: Widest line.
_WIDTH = 100
_BARE = re.compile(r"[A-Za-z0-9_-]*[A-Za-z_-][A-Za-z0-9_-]*")
_PREFACE = """\
# Every key with its default. What a configuration leaves out has the value that stands here.
# Written by `syncpipe config defaults`; a test holds it equal to the code. docs/configuration.md
# says how files, profiles, the environment and --set come together.
"""
#: What stands for keys that have no default.
_SAMPLES = {
    "dsn": "${file:/run/secrets/crm_dsn}",
    "url": "https://hub.example.com/sync",
    "token": "${file:/run/secrets/hub_token}",
    "headers": {"X-Tenant": "acme"},
    "health_url": "https://hub.example.com/health",
    "ca_file": "/etc/ssl/private-ca.pem",
    "target": ["crm"],
    "table": "public.orders",
    "fields": ["status", "total"],
    "burst": 100,
    "mask": {"status": MaskRule.SHOW, "total": MaskRule.HASH},
}
#: Names of the samples of a target, and what one may say of errors, by its type.
_TARGETS = {
    "postgres": ("crm", {"23505": ErrorClass.REFUSED_TEMPORARY}),
    "http": ("hub", {"http 404": ErrorClass.REFUSED_TEMPORARY, "timeout": ErrorClass.TOO_SLOW}),
}


def listing() -> str:
    """Return a TOML file with every key, its meaning and its default; samples are commented out."""
    tables = [("", schema.top_keys().values())]
    tables += [
        (f"[{name}]", schema.keys_of(options).values())
        for name, options in schema.sections().items()
    ]
    plain = ["\n".join(_table(header, keys)) for header, keys in tables]
    samples = [_target(kind, *sample) for kind, sample in _TARGETS.items()]
    samples.append(_table("[collections.orders]", schema.keys_of(Collection).values()))
    commented = [textwrap.indent("\n".join(lines), "# ", lambda _: True) for lines in samples]
    return "\n\n".join([_PREFACE.rstrip(), *plain, *commented]) + "\n"


def starter(audit_key: Path) -> str:
    """Return the TOML file that `syncpipe init` writes; it names the file *audit_key*."""
    text = importlib.resources.files(__package__).joinpath("starter.toml").read_text("utf-8")
    return text.replace('"${file:audit.key}"', toml_value(file_reference(audit_key)))


def file_reference(path: Path) -> str:
    """Return what a configuration writes for the content of the file *path*."""
    return f"${{file:{path}}}"


def _target(kind: str, name: str, classify: Mapping[str, ErrorClass]) -> Iterator[str]:
    """Yield the lines of a sample of each type of target, which has its own keys."""
    samples = {"type": kind, "classify": classify, "rate": "1000/min"}
    keys = schema.target_keys(kind).values()
    sampled = [replace(key, default=samples.get(key.name, key.default)) for key in keys]
    return _table(f"[targets.{name}]", sampled)


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
    if key.default is schema.REQUIRED or key.default is None or key.default == {}:
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
        case dict():
            members = (f"{_name(name)} = {toml_value(each)}" for name, each in value.items())
            return f"{{ {', '.join(members)} }}"
    return f"{value:_}" if isinstance(value, int) else repr(value)


def _name(name: str) -> str:
    """Return the *name* of a key as TOML writes it."""
    return name if _BARE.fullmatch(name) else toml_value(name)
