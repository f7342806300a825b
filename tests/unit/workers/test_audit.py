from __future__ import annotations

from types import SimpleNamespace

from syncpipe.core.audit import Head
from workers.audit import telling
from workers.troubles import Troubles


def station(head):
    said = []
    store = SimpleNamespace(audit=SimpleNamespace(head=lambda: head[0]))
    return SimpleNamespace(
        store=store,
        troubles=Troubles(),
        assignment=SimpleNamespace(leads=True),
        say=lambda event, **details: said.append((event, details)),
        said=said,
    )


def test_each_end_of_the_audit_is_told_once_by_who_leads():
    head = [Head()]
    worker = station(head)
    [job] = telling(worker)
    job.once()
    assert worker.said == []
    for number, leads in ((1, True), (1, True), (2, False), (3, True)):
        head[0] = Head(number, f"{number:064}")
        worker.assignment.leads = leads
        job.once()
    assert worker.said == [
        ("audit-head", {"number": number, "mac": f"{number:064}"}) for number in (1, 3)
    ]


def test_without_a_store_there_is_nothing_to_tell():
    worker = station([Head()])
    worker.store = None
    assert telling(worker) == []
