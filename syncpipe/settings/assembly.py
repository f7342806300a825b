"""From merged layers to the frozen tree, collecting every mistake on the way."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from syncpipe.core.collection import Collection, KeyType
from syncpipe.errors import ConfigError
from syncpipe.resilience.options import GuardOptions
from syncpipe.settings import consistency, schema
from syncpipe.settings.conversion import UnfitError, convert
from syncpipe.settings.interpolation import interpolate, is_reference, refers
from syncpipe.settings.layer import place_of
from syncpipe.settings.mistake import Mistake, Source, did_you_mean
from syncpipe.settings.secrets import MASK, mask
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
        targets, guards = self._targets()
        settings = Settings(
            **top,
            **tables,
            targets=MappingProxyType(targets),
            guards=MappingProxyType(guards),
            collections=MappingProxyType(self._collections()),
        )
        for path, message, suggestion in consistency.faults(settings, frozenset(self._layer)):
            self._mistake(path, message, suggestion)
        return settings

    def _targets(self) -> tuple[dict[str, Any], dict[str, GuardOptions]]:
        """Return the options of all targets that can be made, and how each is guarded."""
        targets, guards = {}, {}
        for name in self._names("targets"):
            path = ("targets", name)
            options = self._target(path)
            values = self._values(path, schema.keys_of(GuardOptions))
            if options is not None:
                targets[name], guards[name] = options, GuardOptions(**values)
        return targets, guards

    def _target(self, path: tuple[str, str]) -> Any:
        """Return the options of the target at *path*; None if its type is not known."""
        kind = self._value((*path, "type"), schema.target_keys()["type"])
        if kind is schema.REQUIRED:
            return None
        if kind not in TARGET_TYPES:
            fault = f"There is no type of target {kind!r}."
            self._mistake((*path, "type"), fault, did_you_mean(kind, TARGET_TYPES))
            return None
        options: type = TARGET_TYPES[kind]
        keys = schema.keys_of(options)
        values = self._values(path, keys)
        # What is missing was reported; the rest is still looked at.
        missing = {key.field: "" for key in keys.values() if key.default is schema.REQUIRED}
        return options(**{"name": path[1], **missing, **values})

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
        if leaf is not None and key.is_table:
            return self._free_table(path, leaf, key)
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
        self._show(path, _shown(leaf.value, value, key), leaf.source)
        return value

    def _free_table(self, path: tuple[str, ...], leaf: Leaf, key: Key) -> Any:
        """Return the values in the table at *path*, by their free names."""
        if not isinstance(leaf.value, dict):
            self._mistake(path, *_no_table(path))
            return key.default
        names = [inner[-1] for inner in self._layer if inner[:-1] == path]
        values = {name: self._value((*path, name), key.member(name)) for name in names}
        given = {name: value for name, value in values.items() if value is not schema.REQUIRED}
        return MappingProxyType(given)

    def _convert(self, leaf: Leaf, key: Key) -> Any:
        given = interpolate(leaf.value, self._environ)
        try:
            return convert(key, given, untyped=leaf.untyped)
        except UnfitError as unfit:
            if not refers(leaf.value) and not key.secret:
                raise
            # The message would show what the reference stands for: a secret, perhaps.
            what = "What stands here" if key.secret else f"What {leaf.value!r} stands for"
            raise UnfitError(f"{what} does not fit.", unfit.suggestion) from None

    def _show(self, path: tuple[str, ...], value: object, source: Source) -> None:
        self.entries.append(Entry(".".join(path), mask(_written(value)), source))

    def _refuse_unknown(self) -> None:
        for path, message, suggestion in _unknown(self._layer):
            self._mistake(path, message, suggestion)

    def _mistake(self, path: tuple[str, ...], message: str, suggestion: str) -> None:
        place = place_of(self._layer, path)
        self.mistakes.append(Mistake(place, ".".join(path), message, suggestion))


def _written(value: object) -> object:
    """Return *value* as a configuration would write it."""
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    return value.value if isinstance(value, enum.Enum) else value


def _shown(written: object, value: object, key: Key) -> object:
    """Return what may be shown of a *value*: the reference, where one is *written*."""
    if key.secret:
        return written if is_reference(written) else MASK
    return written if refers(written) else value


def _unknown(layer: Layer) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield what is no key or table of ours; what lies below it is not looked at."""
    skipped: set[tuple[str, ...]] = set()
    for path in sorted(layer, key=len):
        if path[:-1] in skipped:
            skipped.add(path)
        elif (fault := _fault(layer, path)) is not None:
            skipped.add(path)
            yield path, *fault
        elif path[-1] in _keys_under(layer, path[:-1]):
            skipped.add(path)


def _keys_under(layer: Layer, table: tuple[str, ...]) -> Mapping[str, Key]:
    """Return the keys that may stand in *table*, whose type, if it has one, the layer knows."""
    kind = layer.get((*table, "type"))
    return schema.keys_under(table, kind=kind.value if kind else None) or {}


def _fault(layer: Layer, path: tuple[str, ...]) -> tuple[str, str] | None:
    *table, name = path
    keys = _keys_under(layer, tuple(table))
    if name in keys:
        return None
    known = _known_in(tuple(table), keys)
    if known is None or name in known:
        return None if isinstance(layer[path].value, dict) else _no_table(path)
    return f"There is no key {name!r} here.", did_you_mean(name, known)


def _no_table(path: tuple[str, ...]) -> tuple[str, str]:
    hint = f"Write [{'.'.join(path)}], with its keys on the lines below it."
    return "This must be a table.", hint


def _known_in(table: tuple[str, ...], keys: Mapping[str, Key]) -> set[str] | None:
    """Return the names that may stand in *table*, whose keys are known; None if they are free."""
    if table in {(family,) for family in schema.families()}:
        return None
    return {*keys, *(() if table else (*schema.sections(), *schema.families()))}
