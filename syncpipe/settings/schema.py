"""Which keys there are: derived from the option dataclasses, so that nothing is listed twice."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import textwrap
from collections.abc import Mapping
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from syncpipe.core.collection import Collection
from syncpipe.resilience.options import GuardOptions
from syncpipe.settings.tree import TARGET_TYPES, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The value of a key without default that nobody has set.
REQUIRED = MISSING
#: Fields that are written under another name in the configuration.
_RENAMED: Mapping[type, Mapping[str, str]] = {
    Collection: {"targets": "target", "horizon_s": "horizon"}
}
#: Fields that are not keys: names come from the header of the table.
_FROM_HEADER = {"name"}
#: Fields of the tree whose keys stand in the tables of the targets.
_IN_TARGETS = {"guards"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration."""

    #: Name in the configuration.
    name: str
    #: Field of the dataclass that it sets.
    field: str
    #: Type of the field.
    kind: Any
    #: Value when nobody sets it, or `REQUIRED`.
    default: Any
    #: Its meaning, one line.
    note: str
    #: Whether its value is shown nowhere.
    secret: bool = False
    #: Whether 0 means something of its own, also where it is no time.
    zero: bool = False

    @property
    def is_table(self) -> bool:
        """Whether its value is a table whose names are free."""
        return get_origin(self.kind) is Mapping

    def member(self, name: str) -> Key:
        """Return the key *name* in the table that is its value."""
        kind = get_args(self.kind)[1]
        return dataclasses.replace(self, name=name, kind=kind, default=REQUIRED)


@functools.cache
def keys_of(options: type) -> Mapping[str, Key]:
    """Return the keys that set fields of the dataclass *options*, by name, in order."""
    kinds, notes = get_type_hints(options), _notes(options)
    renamed = _RENAMED.get(options, {})
    keys = (
        Key(
            renamed.get(field.name, field.name),
            field.name,
            kinds[field.name],
            _default_of(field),
            notes[field.name],
            field.metadata.get("secret", False),
            field.metadata.get("zero", False),
        )
        for field in dataclasses.fields(options)
        if field.name not in _FROM_HEADER
    )
    return {key.name: key for key in keys}


@functools.cache
def sections() -> Mapping[str, type]:
    """Return the dataclass of each table with a fixed name, such as ``[client]``."""
    hints = get_type_hints(Settings)
    return {
        name: kind
        for name, kind in hints.items()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    }


@functools.cache
def top_keys() -> Mapping[str, Key]:
    """Return the keys that stand above all tables."""
    tables = {*sections(), *families(), *_IN_TARGETS}
    return {name: key for name, key in keys_of(Settings).items() if name not in tables}


def families() -> Mapping[str, Mapping[str, Key]]:
    """Return the keys of tables whose names are free, such as ``[targets.NAME]``, of any type."""
    return {"targets": target_keys(), "collections": keys_of(Collection)}


def keys_under(table: tuple[str, ...], *, kind: object = None) -> Mapping[str, Key] | None:
    """Return the keys of *table*, such as ``("client",)``; None if it has no keys of its own.

    *kind* is what the table says of its ``type``.
    """
    match table:
        case ():
            return top_keys()
        case (name,) if name in sections():
            return keys_of(sections()[name])
        case ("targets", _):
            return target_keys(kind)
        case (family, _) if family in families():
            return families()[family]
    return None


def target_keys(kind: object = None) -> Mapping[str, Key]:
    """Return the keys of a target of the type *kind*; of every type, if it is none of ours."""
    named = kind in TARGET_TYPES if isinstance(kind, str) else False
    types = [TARGET_TYPES[str(kind)]] if named else TARGET_TYPES.values()
    tables: Iterable[type] = (*types, GuardOptions)
    key = Key("type", "type", str, REQUIRED, f"Kind of target: {', '.join(TARGET_TYPES)}.")
    return {"type": key, **{name: key for each in tables for name, key in keys_of(each).items()}}


def _default_of(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _notes(options: type) -> dict[str, str]:
    """Return the ``#:`` lines above each field: what people read is what programmers wrote."""
    source = textwrap.dedent(inspect.getsource(options))
    lines = source.splitlines()
    body = ast.parse(source).body[0]
    fields = [node for node in ast.walk(body) if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(node.target): _note_above(lines, node.lineno - 1) for node in fields}


def _note_above(lines: list[str], row: int) -> str:
    begin = row
    while lines[begin - 1].strip().startswith("#:"):
        begin -= 1
    return " ".join(line.strip().removeprefix("#:").strip() for line in lines[begin:row])
