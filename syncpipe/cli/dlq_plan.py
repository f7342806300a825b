"""What is about to be done with dead letters, for people: the plan of an act."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.cli.output import counted, printable
from syncpipe.cli.times import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Ids that are named.
_NAMED = 3
#: What would become of them.
_PROSPECTS = {
    "changes": "would change their records, unless they are refused again",
    "newer": "would end as superseded, as their records are newer",
    "applied": "have been applied after all",
    "unknown": "nobody can tell, as the target cannot be asked or the message cannot be read",
}


def plan_lines(plan: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of a *plan*; a terminal obeys nothing in them."""
    return map(printable, _lines(plan))


def _lines(plan: Mapping[str, Any]) -> Iterator[str]:
    yield _line("filter", plan["filter"] or "all of them")
    of_records = f" of {counted(plan['records'], 'record')}" if "records" in plan else ""
    yield _line("matches", counted(plan["number"]) + of_records)
    for name in ("by_target", "by_code"):
        if counts := plan.get(name):
            text = ", ".join(f"{key or 'none'} {number:,}" for key, number in counts.items())
            yield _line(name.removeprefix("by_"), text)
    if "before_ms" in plan:
        yield _line("put away", f"before {written(plan['before_ms'])}")
    if plan.get("unreadable"):
        yield _line("unreadable", f"{plan['unreadable']:,} go back to their queues as they are")
    if plan.get("hopeless"):
        yield _line("hopeless", f"{plan['hopeless']:,} are expired, or of no declared target")
    yield from _outlook(plan.get("outlook") or plan, plan["number"])
    if "stop_on_error_rate" in plan:
        yield _line("how", _pace(plan))
    if first := plan.get("first"):
        more = " …" if len(first) > _NAMED else ""
        yield _line("first", " ".join(first[:_NAMED]) + more)


def _outlook(counts: Mapping[str, Any], number: int) -> Iterator[str]:
    """Yield what targets say that would become of them, or of some of them."""
    asked = sum(counts.get(name, 0) for name in _PROSPECTS)
    of_some = f" (of the {asked:,} newest)" if asked < number else ""
    for name, meaning in _PROSPECTS.items():
        if found := counts.get(name):
            yield _line("outlook", f"{found:,} {meaning}{of_some}")


def _pace(plan: Mapping[str, Any]) -> str:
    """Return how a replay would go."""
    canary, rate, share = plan["canary"], plan["rate"], plan["stop_on_error_rate"]
    parts = [
        f"{canary:,} first, and the rest when these ended well" if canary else "",
        f"at most {rate:g} a second" if rate else "as fast as the targets take them",
        f"it pauses when more than {share * 100:g}% of them are dead again",
        "with new versions, which win over what was written since" if plan["as_of_now"] else "",
    ]
    return "; ".join(part for part in parts if part)


def _line(name: str, text: str) -> str:
    return f"{name:<11}{text}"
