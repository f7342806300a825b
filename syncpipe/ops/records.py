"""Files of records, read line by line in bounded memory: JSON lines or CSV, perhaps gzipped.

A line that cannot be read is an answer like any other, and the next one is read.
"""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Literal, cast

from syncpipe.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from syncpipe.errors import SendError, SyncpipeError

#: Form of a file.
Format = Literal["jsonl", "csv"]
#: Fields of a line that sends an operation again: its id and its version.
ID_FIELD, STAMP_FIELD = "syncpipe_id", "syncpipe_version"
#: The longest line that is read, bytes: an operation of 1 MiB in which all text is escaped.
MAX_LINE_BYTES = 8 * 1024 * 1024
#: What a damaged or vanishing file raises.
_BROKEN = (OSError, EOFError, zlib.error)
_TOO_LONG = f"The line is longer than {MAX_LINE_BYTES} bytes."
_NOT_UTF8 = "The line is not UTF-8."


@dataclass(frozen=True, slots=True)
class Row:
    """One record as the file has it."""

    #: Number of its line, from 1; of its last line, if it has several.
    line: int
    #: Its fields.
    fields: dict[str, Any]
    #: The line itself where it is JSON, so that nothing of it changes when it is written again.
    text: str | None = field(default=None, repr=False, compare=False)

    def again(self, error: SendError | None = None) -> str:
        """Return the record as a line of JSON that sends it, or the operation of *error* again."""
        text = json.dumps(self.fields, ensure_ascii=False) if self.text is None else self.text
        fields = text.strip().removeprefix("{")
        if error is None or error.operation_id is None or ID_FIELD in self.fields:
            return f"{{{fields}\n"
        stamp = json.dumps({ID_FIELD: error.operation_id, STAMP_FIELD: error.version})
        return f"{stamp.removesuffix('}')}, {fields}\n"


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line, or a record made of it, that cannot be sent."""

    #: Number of the line, from 1.
    line: int
    #: Why.
    error: SyncpipeError


def unpacked(stream: IO[bytes], name: str) -> IO[bytes]:
    """Return *stream*, decompressed if the *name* of the file ends with ``.gz``."""
    if name.endswith(".gz"):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    return stream


def read(stream: IO[bytes], form: Format, *, exact: bool) -> Iterator[Row | BadLine]:
    """Yield every record of *stream*; with *exact*, numbers with a fraction become Decimals.

    A file that breaks off ends with a bad line. In CSV the first line names the fields, every value
    is text, and an empty one is None.
    """
    lines = _Lines(stream)
    rows = _json_rows(lines, exact=exact) if form == "jsonl" else _csv_rows(lines)
    try:
        yield from rows
    except _BROKEN as fault:
        yield BadLine(lines.number + 1, InvalidValue(f"The file cannot be read further: {fault}."))


def json_fields(text: str, *, exact: bool) -> dict[str, Any]:
    """Return the JSON object in *text*, with *exact* as for `read`.

    Raises:
        InvalidValue: it is something else.

    """
    try:
        value = json.loads(
            text,
            parse_float=Decimal if exact else float,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as fault:
        reason = "it is nested too deeply" if isinstance(fault, RecursionError) else str(fault)
        raise InvalidValue(f"This is not JSON: {reason.rstrip('.')}.") from fault
    if type(value) is not dict:
        raise InvalidValue(f"This is JSON, but not an object: {text[:40]!r}.")
    return value


class _Lines:
    """Lines with their numbers, each of a bounded length."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.number = 0
        self._stream = stream

    def __iter__(self) -> Iterator[bytes | None]:
        """Yield each line, None in place of one that is too long."""
        while line := self._stream.readline(MAX_LINE_BYTES + 1):
            if not self.number:
                line = line.removeprefix(b"\xef\xbb\xbf")
            self.number += 1
            if len(line) <= MAX_LINE_BYTES:
                yield line
            else:
                self._skip_rest(line)
                yield None

    def _skip_rest(self, line: bytes) -> None:
        while line and not line.endswith(b"\n"):
            line = self._stream.readline(MAX_LINE_BYTES)


def _json_rows(lines: _Lines, *, exact: bool) -> Iterator[Row | BadLine]:
    for line in lines:
        if line is None:
            yield BadLine(lines.number, InvalidValue(_TOO_LONG))
        elif line.strip():
            yield _json_row(lines.number, line, exact=exact)


def _json_row(number: int, line: bytes, *, exact: bool) -> Row | BadLine:
    try:
        text = line.decode()
        return Row(number, json_fields(text, exact=exact), text)
    except UnicodeDecodeError:
        return BadLine(number, InvalidValue(_NOT_UTF8))
    except InvalidValue as error:
        return BadLine(number, error)


def _csv_rows(lines: _Lines) -> Iterator[Row | BadLine]:
    csv.field_size_limit(MAX_LINE_BYTES)
    too_long: list[BadLine] = []
    reader = csv.reader(_csv_text(lines, too_long.append), strict=True)
    names: list[str] | None = None
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as fault:
            yield BadLine(lines.number, InvalidValue(f"This is not CSV: {fault}."))
            continue
        yield from too_long
        too_long.clear()
        if cells is None:
            return
        if names is None:
            names = cells
            if twice := {name for name in names if names.count(name) > 1}:
                # No line can be read by such names.
                reason = f"The first line names the field {min(twice)!r} twice."
                yield BadLine(lines.number, InvalidValue(reason))
                return
        elif cells:
            yield _csv_row(lines.number, names, cells)


def _csv_text(lines: _Lines, report: Callable[[BadLine], object]) -> Iterator[str]:
    for line in lines:
        if line is None:
            report(BadLine(lines.number, InvalidValue(_TOO_LONG)))
        else:
            # A line may be part of a record, so what is wrong in it is found in the record.
            yield line.decode(errors="surrogateescape")


def _csv_row(number: int, names: list[str], cells: list[str]) -> Row | BadLine:
    if len(cells) != len(names):
        reason = f"There are {len(cells)} values for the {len(names)} fields of the first line."
        return BadLine(number, InvalidValue(reason))
    if not _encodable("".join(cells)):
        return BadLine(number, InvalidValue(_NOT_UTF8))
    return Row(number, {name: cell or None for name, cell in zip(names, cells, strict=True)})


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number that JSON has")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a name that occurs twice would silently lose a value."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return fields
