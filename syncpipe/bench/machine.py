"""What the benchmark runs on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from syncpipe.embedded.redis import server_program, server_version

_BYTES_PER_GB = 1024**3
#: Packages whose versions matter.
_PACKAGES = (
    "syncpipe",
    "celery",
    "kombu",
    "redis",
    "hiredis",
    "psycopg",
    "msgpack",
    "msgspec",
    "zstandard",
)


def machine() -> dict[str, str | int | float]:
    """Return processor, memory and versions."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(
            os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / _BYTES_PER_GB
        ),
        "load_before": round(os.getloadavg()[0], 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "redis-server": ".".join(map(str, server_version(server_program()))),
        **{name: found for name in _PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
