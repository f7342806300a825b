"""Commands as processes, and what they leave behind."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

#: Neither ours nor Flower must be configured by the environment of the tests.
ENVIRONMENT = {
    name: text for name, text in os.environ.items() if not name.startswith(("SYNCPIPE_", "FLOWER_"))
}
SYNCPIPE = (sys.executable, "-m", "syncpipe.cli")
#: Longest wait for the end of a command; reached only when something is broken.
PATIENCE_S = 240


def run(*arguments, cwd, stdin="", **environment):
    """Run ``syncpipe`` with *arguments* in the directory *cwd* to its end."""
    return subprocess.run(
        [*SYNCPIPE, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


@contextmanager
def started(*arguments, cwd, **environment):
    """Run ``syncpipe`` with *arguments* in the directory *cwd*, to the end of the block at most."""
    process = subprocess.Popen(
        [*SYNCPIPE, *map(str, arguments)],
        cwd=cwd,
        env=ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def read_until(stream, text):
    """Read lines until one holds *text*."""
    for line in stream:
        if text in line:
            return
    raise AssertionError(f"{text!r} never came")


def living(directory):
    """Command lines of the processes that name *directory*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if int(process.name) != os.getpid() and any(str(directory) in word for word in words):
            found.append(" ".join(words))
    return found
