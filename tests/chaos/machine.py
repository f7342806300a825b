"""What a run was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import kombu


def machine() -> str:
    """Describe what this runs on."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{os.cpu_count()} x {models[0] if models else platform.machine()}, "
        f"Python {platform.python_version()}, kombu {kombu.__version__}"
    )
