"""What may be shown of a value that may hold a password."""

from __future__ import annotations

import re

#: What stands for a secret.
MASK = "***"
_IN_URL = re.compile(r"(?<=://)([^/:]*):\S*(?=@)")
_IN_QUERY = re.compile(r"(?i)((?:ssl)?password\s*=\s*)(?:'(?:[^'\\]|\\.)*'|[^\s&]+)")


def mask(value: object) -> object:
    """Return *value* without passwords: in URLs, in their queries, and in ``key=value`` pairs."""
    if not isinstance(value, str):
        return value
    return _IN_QUERY.sub(rf"\1{MASK}", _IN_URL.sub(rf"\1:{MASK}", value))
