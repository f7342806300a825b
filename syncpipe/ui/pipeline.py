"""The tab *Pipeline*: a card for each target, the workers, and how both went lately."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from syncpipe.settings.tree import type_of
from syncpipe.ui import words
from syncpipe.ui.handling import Api, Page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncpipe.app import App
    from syncpipe.ops.lanes import Status
    from syncpipe.ops.targets import TargetState
    from syncpipe.transport.broker import WorkerInfo
    from syncpipe.ui.sampling import Load, Sample

#: Seconds that a page waits for the first look, so that it is not empty.
_FIRST_S = 3.0


class PipelinePage(Page):
    """The tab, or with ``part`` what of it changes."""

    async def get(self) -> None:
        """Show it."""
        sample = await self.ask(self.backend.sampler.latest, wait_s=_FIRST_S)
        page = "sp-pipeline-part.html" if self.text("part") else "sp-pipeline.html"
        self.render(page, seen=view(self.backend.parts, sample), words=words)


class PipelineApi(Api):
    """The same as JSON, and half an hour of it."""

    async def get(self) -> None:
        """Answer with it."""
        sampler = self.backend.sampler
        sample = await self.ask(sampler.latest, wait_s=_FIRST_S)
        seen = view(self.backend.parts, sample)
        self.answer({**seen, "history": history(sampler.history(), seen["targets"])})


def view(parts: App, sample: Sample | None) -> dict[str, Any]:
    """Return what *sample* shows, ready for JSON."""
    status = sample.status if sample else None
    if sample is None or status is None:
        trouble = (sample and sample.trouble) or "Nobody has looked yet."
        return {
            "at_ms": sample and sample.at_ms,
            "healthy": False,
            "problems": [trouble],
            "dead": None,
            "kept": None,
            "targets": [],
            "workers": None,
        }
    return {
        "at_ms": sample.at_ms,
        "healthy": not status.problems,
        "problems": list(status.problems),
        "dead": status.dead,
        "kept": status.kept,
        "targets": [
            _card(parts, each, sample.loads[each.target], status) for each in status.targets
        ],
        "workers": None if status.workers is None else list(map(_worker, status.workers)),
    }


def history(samples: Sequence[Sample], targets: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what *samples* tell of each of *targets*, a list for each number; None: not known."""
    names = [each["target"] for each in targets]
    return {
        "at_s": [sample.at_ms / 1000 for sample in samples],
        "targets": {
            name: {
                "arriving": [_rate(sample, name, "arriving") for sample in samples],
                "finished": [_rate(sample, name, "finished") for sample in samples],
                "depth": [sample.loads[name].depth if name in sample.loads else None
                          for sample in samples],
            }
            for name in names
        },
    }  # fmt: skip


def _card(parts: App, state: TargetState, load: Load, status: Status) -> dict[str, Any]:
    rates, name = load.rates, state.target
    outlook = (status.scheduled or {}).get(name)
    return {
        "target": name,
        "type": type_of(parts.settings.targets[name]),
        "collections": sorted(parts.collections(name)),
        "state": state.state,
        "since_ms": state.since_ms,
        "by": state.by,
        "reason": state.reason,
        "depth": load.depth,
        "oldest_s": load.oldest_s,
        "arriving": rates.arriving,
        "finished": rates.finished,
        "operations": rates.operations,
        "writes_saved": rates.saved,
        "drain_s": rates.drain_s(load.depth),
        "scheduled": 0 if outlook is None else outlook.count,
    }


def _worker(worker: WorkerInfo) -> dict[str, Any]:
    counters = worker.counters
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "up_s": round((worker.seen_ms - worker.started_ms) / 1000),
        **{
            name: counters.get(name, 0)
            for name in ("lanes", "running", "envelopes", "applied", "dead", "restarts", "stalls")
        },
    }


def _rate(sample: Sample, target: str, name: str) -> float | None:
    load = sample.loads.get(target)
    rate = None if load is None else getattr(load.rates, name)
    return None if rate is None else round(rate, 2)
