"""What ``dlq show`` and ``dlq stats`` write for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from syncpipe.cli.desk import age, cause, record
from syncpipe.cli.output import counted, printable
from syncpipe.cli.times import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: From nothing to most.
_BARS = "▁▂▃▄▅▆▇█"
#: Widest value in a table.
_WIDTH = 40
#: What is shown where there is no value.
_ABSENT = "-"
_PROSPECTS = {
    "changes": "it would be applied, unless it is refused again",
    "newer": "the record is newer: it would end as superseded",
    "applied": "it has been applied after all: nothing would change",
    "unknown": "nobody can say",
}


def page(row: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    """Yield the lines of what is shown of one letter; a terminal obeys nothing in them."""
    return map(printable, _lines(row, now_ms))


def _lines(row: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    yield f"Dead letter {row['id']}, {row['state']}"
    for name, text in _facts(row, now_ms).items():
        if text:
            yield f"  {name:<12}{text}"
    yield f"  {'attempts':<12}{len(row['attempts'])} known"
    for each in row["attempts"]:
        took = f" after {each['duration_ms']} ms" if each["duration_ms"] else ""
        where = f"{written(each['at_ms'])}  {each['worker']}{took}"
        yield f"    {where}: {each['code']} {each['message']}"
    yield from _comparison(row)


def stats_lines(row: Mapping[str, Any], now_ms: int) -> Iterator[str]:
    """Yield the lines that tell how many there are."""
    for name in ("by_state", "by_target", "by_code"):
        counts = ", ".join(f"{key or 'none'} {number:,}" for key, number in row[name].items())
        yield f"{name.removeprefix('by_'):<10}{counts or 'none'}"
    oldest = row["oldest_ms"]
    yield f"{'oldest':<10}{'none' if oldest is None else age(now_ms - oldest) + ' ago'}"
    yield f"{'24 hours':<10}{sparkline(row['hourly'])}  {sum(row['hourly']):,} given up"


def sparkline(numbers: Sequence[int]) -> str:
    """Return *numbers* as bars, the highest for the greatest."""
    most = max(numbers, default=0)
    return "".join(
        _BARS[-(-number * (len(_BARS) - 1) // most) if most else 0] for number in numbers
    )


def _facts(row: Mapping[str, Any], now_ms: int) -> dict[str, str | None]:
    operation = row["operation"]
    kind = f"{operation['kind']}, version {row['version']}, " if operation else "none to be read, "
    first, last = row["first_seen_ms"], row["last_seen_ms"]
    return {
        "record": record(row),
        "target": row["target"],
        "queue": row["queue"],
        "operation": f"{kind}{row['bytes']:,} bytes",
        "id": row["operation_id"],
        "state": _change_text(row["change"], now_ms),
        "edited from": row["edited_from"],
        "edited to": row["edited_to"],
        "replay": row["replay"],
        "group": operation["group_id"] if operation else None,
        "why": f"{row['code']} {row['message']}",
        "cause": cause(row),
        "what to do": row["hint"]["text"],
        "given up": f"{counted(row['times_seen'], 'time')}, by {row['stage']} in {row['worker']}",
        "first": f"{written(first)}, {age(now_ms - first)} ago",
        "last": f"{written(last)}, {age(now_ms - last)} ago",
        "fingerprint": row["fingerprint"],
        "trace": row["trace"],
    }


def _change_text(change: Mapping[str, Any] | None, now_ms: int) -> str | None:
    """Return who brought a letter to its state, when, and why."""
    if change is None:
        return None
    return f"{age(now_ms - change['at_ms'])} ago, by {change['actor']}: {change['reason']}"


def _comparison(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what was sent, beside the record as it is now."""
    now, operation = row["record"], row["operation"]
    if operation is None:
        return
    yield f"  {'replayed':<12}{_PROSPECTS[now['prospect']]}{_because(now['why'])}"
    if not now["readable"]:
        yield from _sent(operation)
        return
    there = "it is there" if now["exists"] else "there is none"
    version = f", version {now['version']}" if now["version"] else ""
    gone = "" if now["exists_then"] else "; it would be deleted"
    yield f"  {'record now':<12}{there}{version}{gone}"
    if not now["fields"]:
        return
    lines = [("field", "type", "sent", "now", "then", "")]
    types = operation["types"] or {}
    lines += [
        (
            each["name"],
            types.get(each["name"], _ABSENT),
            *(_value(each, name) for name in ("sent", "now", "becomes")),
            each["change"],
        )
        for each in now["fields"]
    ]
    yield from _table(lines)


def _sent(operation: Mapping[str, Any]) -> Iterator[str]:
    fields, types = operation["fields"] or {}, operation["types"] or {}
    if fields:
        lines = [("field", "type", "sent")]
        lines += [(name, types[name], _text(value)) for name, value in fields.items()]
        yield from _table(lines)


def _table(lines: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        yield f"    {'  '.join(cells)}".rstrip()


def _because(why: str) -> str:
    return f": {why}" if why else ""


def _value(field: Mapping[str, Any], name: str) -> str:
    return _text(field[name]) if name in field else _ABSENT


def _text(value: Any) -> str:
    """Return a value in one short line, without the tag of its type."""
    if isinstance(value, str):
        text = value[1 if value[1:2] == "~" else 2 :] if value.startswith("~") else value
    else:
        text = json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
