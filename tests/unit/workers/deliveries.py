"""kombu's messages, as far as workers look at them."""

from __future__ import annotations

import itertools

from syncpipe.core.routing import Lane, Priority
from tests.unit.pipeline.envelopes import body

_tags = itertools.count()


class Delivery:
    """A message that notes what became of it."""

    def __init__(self, content, *, queue=None, headers=None, target="crm", priority="normal"):
        self.body = content
        self.delivery_tag = f"tag-{next(_tags)}"
        self.headers = {"id": self.delivery_tag} if headers is None else headers
        name = queue or Lane(target, 0).queue(Priority(priority))
        self.delivery_info = {"exchange": "", "routing_key": name}
        self.fate = None

    def ack(self):
        assert self.fate is None
        self.fate = "acknowledged"

    def reject(self, *, requeue):
        assert self.fate is None
        self.fate = "returned" if requeue else "dropped"


def delivery(*operations, priority="normal", target="crm", **options):
    """A delivery with an envelope of *operations*."""
    return Delivery(body(*operations, **options), priority=priority, target=target)
