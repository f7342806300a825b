"""From merged layers to the frozen tree, collecting every mistake on the way."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from syncpipe.core.collection import Collection, KeyType
from syncpipe.errors import ConfigError
from syncpipe.settings import consistency, schema
from syncpipe.settings.conversion import UnfitError, convert
from syncpipe.settings.interpolation import interpolate, refers
from syncpipe.settings.layer import place_of
from syncpipe.settings.mistake import Mistake, Source, did_you_mean
from syncpipe.settings.secrets import mask
from syncpipe.settings.tree import TARGET_TYPES, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from syncpipe.settings.layer import Layer, Leaf
    from syncpipe.settings.schema import Key


@dataclass(frozen=True, slots=True)
class Entry:
    """One key with its value and where that comes from, safe to show."""

    #: Dotted name.
    key: str
    #: Value as it would be written; secrets are masked.
    value: object
    #: Where it comes from.
    source: Source


class Assembly:
    """Builds `Settings` out of one merged layer, once."""

    def __init__(self, layer: Layer, environ: Mapping[str, str]) -> None:
        """Prepare to read *layer*; *environ* answers ``${env:NAME}``."""
        self._layer = layer
        self._environ = environ
        #: Everything that is wrong.
        self.mistakes: list[Mistake] = []
        #: Every key of every table, in order.
        self.entries: list[Entry] = []

    def settings(self) -> Settings:
        """Return the tree; it is of use only if there are no `mistakes` afterwards."""
        self._refuse_unknown()
        top = self._values((), schema.top_keys())
        tables = {name: self._table(name, options) for name, options in schema.sections().items()}
        settings = Settings(
            **top,
            **tables,
            targets=MappingProxyType(self._targets()),
            collections=MappingProxyType(self._collections()),
        )
        for path, message, suggestion in consistency.faults(settings, frozenset(self._layer)):
            self._mistake(path, message, suggestion)
        return settings

    def _targets(self) -> dict[str, Any]:
        targets = {name: self._target(("targets", name)) for name in self._names("targets")}
        return {name: options for name, options in targets.items() if options is not None}

    def _target(self, path: tuple[str, str]) -> Any:
        """Return the options of the target at *path*; None if its type is not known."""
        keys = schema.families()["targets"]
        values = self._values(path, keys)
        kind = values.pop("type", None)
        if kind is not None and kind not in TARGET_TYPES:
            fault = f"There is no type of target {kind!r}."
            self._mistake((*path, "type"), fault, did_you_mean(kind, TARGET_TYPES))
            return None
        if kind is None:
            return None
        # What is missing was reported; the rest is still looked at.
        missing = {key.field: "" for key in keys.values() if key.default is schema.REQUIRED}
        missing.pop("type")
        return TARGET_TYPES[kind](**{"name": path[1], **missing, **values})

    def _collections(self) -> dict[str, Collection]:
        collections = {}
        for name in self._names("collections"):
            path = ("collections", name)
            values = self._values(path, schema.keys_of(Collection))
            if (*path, "key_types") not in self._layer:
                values["key_types"] = (KeyType.STR,) * len(values["key"])
            # A missing target was reported; the rest is still looked at.
            collections[name] = Collection(**{"name": name, "targets": (), **values})
        return collections

    def _table(self, name: str, options: type) -> Any:
        """Return the *options* of the table *name*; for what they refuse the defaults stand in."""
        values = self._values((name,), schema.keys_of(options))
        try:
            return options(**values)
        except ConfigError as error:
            for option, (fault, hint) in error.unfit.items():
                self._mistake((name, option), fault, hint)
                values.pop(option)
        try:
            return options(**values)
        except ConfigError:  # even a default does not fit the rest
            return options()

    def _names(self, family: str) -> list[str]:
        paths = (path for path, leaf in self._layer.items() if isinstance(leaf.value, dict))
        return [path[1] for path in paths if path[:-1] == (family,)]

    def _values(self, table: tuple[str, ...], keys: Mapping[str, Key]) -> dict[str, Any]:
        """Return the values of a table's fields; what is missing or unfit is a mistake."""
        values = {}
        for key in keys.values():
            value = self._value((*table, key.name), key)
            if value is not schema.REQUIRED:
                values[key.field] = value
        return values

    def _value(self, path: tuple[str, ...], key: Key) -> Any:
        leaf = self._layer.get(path)
        if leaf is None:
            if key.default is schema.REQUIRED:
                self._mistake(path, "The key is missing.", f"Set it: {key.note}")
            else:
                self._show(path, key.default, Source("default"))
            return key.default
        try:
            value = self._convert(leaf, key)
        except UnfitError as unfit:
            self._mistake(path, unfit.message, unfit.suggestion)
            return key.default
        self._show(path, leaf.value if refers(leaf.value) else value, leaf.source)
        return value

    def _convert(self, leaf: Leaf, key: Key) -> Any:
        given = interpolate(leaf.value, self._environ)
        try:
            return convert(key, given, untyped=leaf.untyped)
        except UnfitError as unfit:
            if not refers(leaf.value):
                raise
            # The message would show what the reference stands for: a secret, perhaps.
            hidden = f"What {leaf.value!r} stands for does not fit."
            raise UnfitError(hidden, unfit.suggestion) from None

    def _show(self, path: tuple[str, ...], value: object, source: Source) -> None:
        self.entries.append(Entry(".".join(path), mask(value), source))

    def _refuse_unknown(self) -> None:
        for path, message, suggestion in _unknown(self._layer):
            self._mistake(path, message, suggestion)

    def _mistake(self, path: tuple[str, ...], message: str, suggestion: str) -> None:
        place = place_of(self._layer, path)
        self.mistakes.append(Mistake(place, ".".join(path), message, suggestion))


def _unknown(layer: Layer) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield what is no key or table of ours; what lies below it is not looked at."""
    skipped: set[tuple[str, ...]] = set()
    for path in sorted(layer, key=len):
        if path[:-1] in skipped:
            skipped.add(path)
        elif (fault := _fault(path, layer[path].value)) is not None:
            skipped.add(path)
            yield path, *fault
        elif _is_key(path):
            skipped.add(path)


def _is_key(path: tuple[str, ...]) -> bool:
    keys = schema.keys_under(path[:-1])
    return keys is not None and path[-1] in keys


def _fault(path: tuple[str, ...], value: object) -> tuple[str, str] | None:
    *table, name = path
    if _is_key(path):
        return None
    known = _known_in(tuple(table))
    if known is None or name in known:
        dotted = ".".join(path)
        wrong = "This must be a table.", f"Write [{dotted}], with its keys on the lines below it."
        return None if isinstance(value, dict) else wrong
    return f"There is no key {name!r} here.", did_you_mean(name, known)


def _known_in(table: tuple[str, ...]) -> set[str] | None:
    """Return the names that may stand in *table*; None if they are free."""
    if table in {(family,) for family in schema.families()}:
        return None
    tables = {*schema.sections(), *schema.families()} if not table else set()
    return {*(schema.keys_under(table) or {}), *tables}
