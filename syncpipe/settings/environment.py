"""The environment that we hand to processes which must not be configured by ours."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What the name of every variable that configures us begins with.
PREFIX = "SYNCPIPE_"


def without_ours(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return *environ*, None being our own, without the variables that configure us."""
    environ = os.environ if environ is None else environ
    return {name: text for name, text in environ.items() if not name.startswith(PREFIX)}
