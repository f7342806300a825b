"""How to reach an HTTP target."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- the schema reads these annotations
from dataclasses import dataclass, field
from typing import Literal

from syncpipe.resilience.classification import (
    ErrorClass,  # noqa: TC001 -- the schema reads these annotations
)

#: Marks a field whose value is shown nowhere.
SECRET = {"secret": True}


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """Options of ``[targets.NAME]`` with ``type = "http"``."""

    #: Name of the target.
    name: str
    #: Where batches are posted: https://host/path, or http:// where nobody listens in.
    url: str
    #: Bearer token, sent as ``Authorization``.
    token: str | None = field(default=None, repr=False, metadata=SECRET)
    #: Further headers of every request, by name.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, metadata=SECRET)
    #: How the body of a request is compressed: gzip, zstd or none.
    compression: Literal["gzip", "zstd", "none"] = "gzip"
    #: What is asked, with GET, whether the endpoint is well; without it, a connection tells.
    health_url: str | None = None
    #: File with the certificates to trust, in place of the system's.
    ca_file: str | None = None
    #: Most connections that one process holds.
    pool_max: int = 4
    #: Seconds for making a connection.
    connect_timeout_s: float = 3.0
    #: Seconds for a whole request, from connecting to the last byte of its answer.
    timeout_s: float = 30.0
    #: What errors mean here, where it differs: ``http STATUS``, or a kind, to transient,
    #: throttled, outage, misconfigured, refused-temporary, refused-permanent or too-slow.
    classify: Mapping[str, ErrorClass] = field(default_factory=dict)
