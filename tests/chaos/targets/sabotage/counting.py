"""Counts what each batch asks of its target: one line of JSON a batch, in ``$CHAOS_COUNTS``.

``n`` is the number of records, ``k`` how many of them were refused, ``calls`` how often the target
was called with some of them: a transaction each, whatever it holds. ``tries`` is the same with each
savepoint of a transaction counted for itself.
"""

from __future__ import annotations

import json
import os
import sys
import threading

if "workers" in sys.orig_argv:
    from syncpipe.core.outcome import Outcome
    from syncpipe.pipeline import runner
    from syncpipe.targets.postgres.target import PostgresTarget

    _here = threading.local()
    _file = os.open(os.environ["CHAOS_COUNTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    _BAD = {Outcome.DEAD, Outcome.RETRYING}

    def _counted(method):
        def call(self, *arguments, **options):
            _here.calls = getattr(_here, "calls", 0) + 1
            answers = method(self, *arguments, **options)
            each = method.__name__ == "apply_each"
            _here.more = getattr(_here, "more", 0) + (len(answers) - 1 if each else 0)
            return answers

        return call

    for _name in ("apply", "apply_each"):
        if hasattr(PostgresTarget, _name):
            setattr(PostgresTarget, _name, _counted(getattr(PostgresTarget, _name)))

    _stage = runner.apply

    def _apply(batch, *arguments, **options):
        _here.calls = _here.more = 0
        after = _stage(batch, *arguments, **options)
        before = len(batch.settled)
        bad = {each.item.operation.key for each in after.settled[before:] if each.outcome in _BAD}
        tries = _here.calls + _here.more
        line = {"n": len(batch.groups), "k": len(bad), "calls": _here.calls, "tries": tries}
        os.write(_file, f"{json.dumps(line)}\n".encode())
        return after

    runner.apply = _apply
