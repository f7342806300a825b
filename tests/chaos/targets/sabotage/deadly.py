"""Whoever applies an operation with a field ``poison`` dies at once."""

from __future__ import annotations

import os
import signal
import sys

if "workers" in sys.orig_argv:
    from syncpipe.targets.postgres.target import PostgresTarget

    _applied = PostgresTarget.apply

    def _apply(self, groups, **options):
        if any("poison" in each.fields for group in groups for each in group.operations):
            os.kill(os.getpid(), signal.SIGKILL)
        return _applied(self, groups, **options)

    PostgresTarget.apply = _apply
